"""Mask-then-reconstruct pre-training of the image encoder (paper 3.1 and 4.3), one process, CPU or GPU.

Of each image 75 % of the patches are hidden; a small decoder restores them; the loss is the pixel-wise L2 of the
hidden patches (`norm_pix_loss=False`). The model is `transformers.ViTMAEForPreTraining` with the reference
implementation's layer-norm epsilon. Shapes: B batch, C H W image planes, N patches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Pillow
from torch import Tensor
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from harness.errors import UserError
from harness.progress import Progress
from netease_abaw6.mae_checkpoints import encoder_part, to_mae_names
from netease_abaw6.pretrain_images import Collection, fingerprint, image_files, normalised, random_crops

__all__ = ["PretrainRecipe", "encoder_weights", "fingerprint", "image_files", "reconstruction_sheet", "train"]


@dataclass(frozen=True)
class PretrainRecipe:
    """The published recipe; the learning rate used is `base_lr * batch / 256`, cosine to zero after warm-up."""

    width: int = 768
    depth: int = 12
    heads: int = 12
    patch: int = 16
    image: int = 224
    decoder_width: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16
    epochs: int = 800
    batch: int = 4096
    base_lr: float = 1.5e-4
    warmup_epochs: int = 40
    weight_decay: float = 0.05  # not of norms and biases
    beta1: float = 0.9
    beta2: float = 0.95
    mask_ratio: float = 0.75
    smallest_crop: float = 0.2  # share of the image's area

    def facts(self) -> dict[str, int | float]:
        """Every number, for keys and sidecars."""
        return asdict(self)

    def learning_rate(self, epoch: float) -> float:
        """At a point of the training, counted in epochs."""
        peak = self.base_lr * self.batch / 256
        warmup = min(self.warmup_epochs, self.epochs)
        if epoch < warmup:
            return peak * epoch / warmup
        return peak * 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / max(1, self.epochs - warmup)))


def build(recipe: PretrainRecipe, seed: int) -> ViTMAEForPreTraining:
    """The untrained masked auto-encoder."""
    if recipe.decoder_width % recipe.decoder_heads or recipe.width % recipe.heads:
        raise UserError(f"a width must be a multiple of its heads: came {recipe.facts()}")
    config = ViTMAEConfig(
        hidden_size=recipe.width,
        num_hidden_layers=recipe.depth,
        num_attention_heads=recipe.heads,
        intermediate_size=4 * recipe.width,
        image_size=recipe.image,
        patch_size=recipe.patch,
        decoder_hidden_size=recipe.decoder_width,
        decoder_num_hidden_layers=recipe.decoder_depth,
        decoder_num_attention_heads=recipe.decoder_heads,
        decoder_intermediate_size=4 * recipe.decoder_width,
        mask_ratio=recipe.mask_ratio,
        norm_pix_loss=False,
        layer_norm_eps=1e-6,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ViTMAEForPreTraining(config)
        initialise(model)
        return model


def initialise(model: ViTMAEForPreTraining) -> None:
    """As facebookresearch/mae does, and whatever the installed transformers did: version 5.23 leaves the fixed position
    embeddings at zero, and its deviation of 0.02 is far too small for narrow models.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.xavier_uniform_(module.weight)
            torch.nn.init.zeros_(module.bias)
    embeddings, decoder = model.vit.embeddings, model.decoder
    torch.nn.init.xavier_uniform_(embeddings.patch_embeddings.projection.weight.data.flatten(1))
    torch.nn.init.normal_(embeddings.cls_token, std=0.02)
    torch.nn.init.normal_(decoder.mask_token, std=0.02)
    grid = int(embeddings.patch_embeddings.num_patches**0.5)
    for positions_1ND in (embeddings.position_embeddings, decoder.decoder_pos_embed):
        positions_1ND.data[0] = sine_cosine(grid, positions_1ND.shape[-1])


def sine_cosine(grid: int, width: int) -> Tensor:
    """positions_ND of the class token (zeros) and of grid x grid patches by rows: sines and cosines of the column in
    the first half, of the row in the second (the reference's order).
    """
    if width % 4:
        raise UserError(f"fixed position embeddings need a width that is a multiple of 4, came {width}")
    rate_Q = 10000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    row, column = torch.meshgrid(*[torch.arange(grid, dtype=torch.float64)] * 2, indexing="ij")
    angles = [place.flatten()[:, None] * rate_Q for place in (column, row)]
    patches_ND = torch.cat([part for angle in angles for part in (angle.sin(), angle.cos())], dim=1)
    return torch.cat([torch.zeros(1, width, dtype=torch.float64), patches_ND]).float()


def train(
    files: Sequence[Path],
    recipe: PretrainRecipe,
    seed: int,
    device: str,
    progress: Progress,
    *,
    checkpoint: Path | None = None,
    report: Callable[[int, float], None] | None = None,
) -> ViTMAEForPreTraining:
    """The trained auto-encoder, in evaluation mode.

    Every random draw follows from (seed, epoch), so a training resumed from `checkpoint` (written after each epoch, if
    given) ends in the same weights. `report(epoch, loss)` is called after each epoch.
    """
    model = build(recipe, seed).to(device).train()
    optimiser = torch.optim.AdamW(_groups(model, recipe.weight_decay), lr=0.0, betas=(recipe.beta1, recipe.beta2))
    begin = _resume(checkpoint, model, optimiser, recipe, seed)
    if begin == recipe.epochs:
        return model.eval()
    images = Collection(files, round(recipe.image * 8 / 7), progress)
    for epoch in progress(range(begin, recipe.epochs), "pre-train the image encoder", total=recipe.epochs - begin):
        loss = _one_epoch(model, optimiser, images, recipe, seed, epoch, device)
        if report is not None:
            report(epoch, loss)
        if checkpoint is not None:
            _save(checkpoint, model, optimiser, recipe, seed, epoch + 1)
    return model.eval()


def encoder_weights(
    files: Sequence[Path], recipe: PretrainRecipe, seed: int, device: str, progress: Progress
) -> dict[str, Tensor]:
    """Pre-train and keep the encoder's half, under timm / facebookresearch names, on the CPU."""
    return encoder_part(all_weights(train(files, recipe, seed, device, progress)))


def all_weights(model: ViTMAEForPreTraining) -> dict[str, Tensor]:
    """Encoder and decoder under the facebookresearch/mae names."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in to_mae_names(model.state_dict()).items()}


def reconstruction_sheet(model: ViTMAEForPreTraining, files: Sequence[Path], path: Path, progress: Progress) -> None:
    """A PNG of three rows: images, what the encoder sees of them, and what the decoder makes of it."""
    size = model.config.image_size
    pixels_BCHW = normalised(Collection(files, size, progress).batch(torch.arange(len(files))).float())
    patches = (size // model.config.patch_size) ** 2
    noise_BN = torch.rand(len(files), patches, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        device = model.device
        out = model(pixel_values=pixels_BCHW.to(device), noise=noise_BN.to(device))
        mask_BNP = out.mask.unsqueeze(-1).expand_as(out.logits)
        mask_BCHW = model.unpatchify(mask_BNP).cpu()
        restored_BCHW = model.unpatchify(out.logits).float().cpu()
    seen = pixels_BCHW * (1 - mask_BCHW)
    rows = [pixels_BCHW, seen, seen + restored_BCHW * mask_BCHW]
    sheet_CHW = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    bytes_HWC = ((sheet_CHW * std + mean) * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(bytes_HWC.numpy()).save(path)


def _one_epoch(
    model: ViTMAEForPreTraining,
    optimiser: torch.optim.Optimizer,
    images: Collection,
    recipe: PretrainRecipe,
    seed: int,
    epoch: int,
    device: str,
) -> float:
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    order_N = torch.randperm(len(images), generator=generator)
    batches = order_N.split(recipe.batch)
    patches = (recipe.image // recipe.patch) ** 2
    total = 0.0
    for step, indices_B in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate(epoch + (step + 1) / len(batches))
        crops_BCHW = random_crops(
            images.batch(indices_B).to(device), recipe.image, generator, (recipe.smallest_crop, 1.0)
        )
        noise_BN = torch.rand(len(indices_B), patches, generator=generator).to(device)
        with torch.autocast(
            device_type=torch.device(device).type, dtype=torch.bfloat16, enabled=device.startswith("cuda")
        ):
            loss = model(pixel_values=normalised(crops_BCHW), noise=noise_BN).loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(indices_B)
    return total / len(images)


def _groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _save(
    path: Path,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    recipe: PretrainRecipe,
    seed: int,
    epochs_done: int,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    state = {"model": model.state_dict(), "optimizer": optimiser.state_dict()}
    torch.save({**state, "recipe": recipe.facts(), "seed": seed, "epochs_done": epochs_done}, half)
    half.replace(path)


def _resume(
    path: Path | None, model: torch.nn.Module, optimiser: torch.optim.Optimizer, recipe: PretrainRecipe, seed: int
) -> int:
    """Load a checkpoint where there is one; the number of epochs already done."""
    if path is None or not path.is_file():
        return 0
    device = next(model.parameters()).device
    saved = torch.load(path, map_location=device, weights_only=True)
    before, now = {**saved["recipe"], "seed": saved["seed"]}, {**recipe.facts(), "seed": seed}
    other = ", ".join(f"{name}={before[name]} (now {now[name]})" for name in now if before.get(name) != now[name])
    if other:
        raise UserError(f"{path} is of another training: {other}; give the same options or another --checkpoint")
    model.load_state_dict(saved["model"])
    optimiser.load_state_dict(saved["optimizer"])
    return int(saved["epochs_done"])
