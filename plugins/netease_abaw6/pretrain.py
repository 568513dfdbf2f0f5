"""Mask-then-reconstruct pre-training of the image encoder (paper 3.1 and 4.3), one process or many, CPU or GPU.

Of each image 75 % of the patches are hidden; a small decoder restores them; the loss is the pixel-wise L2 of the
hidden patches (`norm_pix_loss=False`). Shapes: B images of a batch that one process takes, C planes, S side, N patches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import ViTMAEForPreTraining

from harness.ahead import to_device
from harness.errors import UserError
from harness.progress import Progress
from netease_abaw6.mae_checkpoints import encoder_part
from netease_abaw6.pretrain_images import Collection, fingerprint, image_files, normalised, random_crops
from netease_abaw6.pretrain_model import all_weights, build, groups
from netease_abaw6.pretrain_ranks import Ranks
from netease_abaw6.pretrain_recipe import PretrainRecipe
from netease_abaw6.pretrain_stream import Part

__all__ = ["Engine", "PretrainRecipe", "Training", "encoder_weights", "fingerprint", "image_files"]


@dataclass(frozen=True)
class Engine:
    """How a step is computed; what comes out is the same but for rounding. `micro` is the most images of one forward
    pass of one process (0: all at once); `sharded` divides weights and optimiser among the processes (FSDP).
    """

    micro: int = 0
    bf16: bool = False
    sharded: bool = False
    recompute: bool = False  # activations, in the backward pass: gradient checkpointing
    compiled: bool = False


class Training:
    """A masked auto-encoder being trained: `run` makes steps, `step` counts them over the whole training."""

    def __init__(self, recipe: PretrainRecipe, seed: int, images: int, ranks: Ranks, engine: Engine) -> None:
        self.recipe, self.seed, self.ranks, self.engine = recipe, seed, ranks, engine
        self.epoch_steps = -(-images // recipe.batch)
        self.steps = self.epoch_steps * recipe.epochs
        self.step, self.rate = 0, 0.0
        self.lately, self.epoch = (_tally(ranks.device) for _ in range(2))
        self.model = build(recipe, seed).to(ranks.device).train()
        if engine.recompute:
            for block in _blocks(self.model):
                block.forward = partial(checkpoint, block.forward, use_reentrant=False)
        if engine.compiled:
            self.model.compile()
        self._forward = _spread(self.model, ranks, engine)
        self.optimiser = torch.optim.AdamW(
            groups(self.model, recipe.weight_decay), lr=0.0, betas=(recipe.beta1, recipe.beta2), fused=True
        )

    def run(self, parts: Iterator[Part]) -> Iterator[int]:
        """One optimiser step for each part, until there is none; yields the number of steps made so far."""
        for part in parts:
            if self.step % self.epoch_steps == 0:
                self.epoch.zero_()
            self._learn(part)
            self.step += 1
            yield self.step

    def mean_loss(self, tally: Tensor) -> float | None:
        """Per image of all processes, of `self.lately` or `self.epoch`, None where no image could be read; the host
        waits for it. UserError where the training has broken down.
        """
        total, images = self.ranks.total(tally.clone()).tolist()
        if not images:
            return None
        if total - total != 0:
            raise UserError(f"the loss is no longer a number at step {self.step}: lower --lr, or go without bf16")
        return float(total / images)

    def _learn(self, part: Part) -> None:
        epoch, step = divmod(self.step, self.epoch_steps)
        self.rate = self.recipe.learning_rate(epoch + (step + 1) / self.epoch_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        world, mine = self.ranks.world, len(part.noise_BN)
        read: float | Tensor = max(mine, 1)
        if world > 1:
            read = self.ranks.total(torch.tensor(float(mine), device=self.ranks.device)).clamp(min=1)
        pieces = max(1, -(-part.largest // self.engine.micro)) if self.engine.micro else 1  # the same on every process
        self.optimiser.zero_grad(set_to_none=True)
        chunks = zip(part.images_BCSS.tensor_split(pieces), part.noise_BN.tensor_split(pieces), strict=True)
        for number, (images_BCSS, noise_BN) in enumerate(chunks):
            images = len(noise_BN)
            if not images:  # a process with nothing left still takes part in what the others compute together
                images_BCSS, noise_BN = (
                    images_BCSS.new_zeros(1, *images_BCSS.shape[1:]),
                    noise_BN.new_zeros(1, noise_BN.shape[1]),
                )
            with self._alone() if number < pieces - 1 else nullcontext():
                with self.autocast():
                    loss = self._forward(pixel_values=normalised(images_BCSS.float()), noise=noise_BN).loss
                (loss * (images * world / read)).backward()  # gradients are averaged over the processes
            loss_64 = loss.detach().double()
            learnt = torch.stack([loss_64 * images, torch.full_like(loss_64, images)])
            self.lately += learnt
            self.epoch += learnt
        self.optimiser.step()

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of a forward pass."""
        return torch.autocast(torch.device(self.ranks.device).type, dtype=torch.bfloat16, enabled=self.engine.bf16)

    def _alone(self) -> AbstractContextManager[object]:
        """Gradients of all but a step's last forward pass stay with their process (DDP)."""
        return (
            self._forward.no_sync() if isinstance(self._forward, nn.parallel.DistributedDataParallel) else nullcontext()
        )


def _tally(device: str) -> Tensor:
    """Sum of losses, number of images."""
    return torch.zeros(2, dtype=torch.float64, device=device)


def _blocks(model: ViTMAEForPreTraining) -> list[nn.Module]:
    """The transformer blocks of encoder and decoder."""
    return [*model.vit.layers, *model.decoder.decoder_layers]


def _spread(model: ViTMAEForPreTraining, ranks: Ranks, engine: Engine) -> nn.Module:
    if engine.sharded:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(torch.device(ranks.device).type, (ranks.world,))
        for block in _blocks(model):
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
        return model
    if ranks.world > 1:
        on_gpu = ranks.device.startswith("cuda")
        return nn.parallel.DistributedDataParallel(model, device_ids=[ranks.device] if on_gpu else None)
    return model


def encoder_weights(
    files: Sequence[Path], recipe: PretrainRecipe, seed: int, device: str, progress: Progress
) -> dict[str, Tensor]:
    """Pre-train on a collection that fits in memory and keep the encoder's half on the CPU, under timm's names.

    Images are read once, squashed to a square and cropped in batches; every draw follows from (seed, epoch).
    """
    training = Training(recipe, seed, len(files), Ranks(device), Engine(bf16=device.startswith("cuda")))
    images = Collection(files, round(recipe.image * 8 / 7), progress)
    parts = _collection_parts(images, recipe, seed, device)
    for _ in progress(training.run(parts), "pre-train the image encoder", total=training.steps):
        pass
    return encoder_part(all_weights(training.model.state_dict()))


def _collection_parts(images: Collection, recipe: PretrainRecipe, seed: int, device: str) -> Iterator[Part]:
    patches = (recipe.image // recipe.patch) ** 2
    for epoch in range(recipe.epochs):
        generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
        for places_B in torch.randperm(len(images), generator=generator).split(recipe.batch):
            squares_BCSS = to_device(images.batch(places_B), device)
            crops_BCSS = random_crops(squares_BCSS, recipe.image, generator, (recipe.smallest_crop, 1.0))
            noise_BN = to_device(torch.rand(len(places_B), patches, generator=generator), device)
            yield Part(crops_BCSS, noise_BN, places_B, len(places_B))
