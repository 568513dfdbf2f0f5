from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from harness.errors import UserError
from harness.progress import silent
from netease_abaw6.mae_checkpoints import encoder_part
from netease_abaw6.pretrain import Engine, PretrainRecipe, Training, encoder_weights
from netease_abaw6.pretrain_images import Collection, normalised, random_crops
from netease_abaw6.pretrain_model import all_weights, build, groups
from netease_abaw6.pretrain_ranks import Ranks
from netease_abaw6.pretrain_stream import Part

TINY = PretrainRecipe(
    width=32, depth=1, heads=2, patch=8, image=32, decoder_width=16, decoder_depth=1, decoder_heads=2,
    epochs=4, batch=16, base_lr=0.05, warmup_epochs=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Smooth gradients: what is hidden follows from what is seen."""
    folder, random = tmp_path_factory.mktemp("gradients"), np.random.default_rng(0)
    steps = np.linspace(0, 1, 40)[:, None, None]
    for index in range(32):
        top, bottom = random.integers(0, 255, (2, 1, 1, 3))
        pixels = np.broadcast_to(top * (1 - steps) + bottom * steps, (40, 40, 3)).astype(np.uint8)
        Pillow.fromarray(pixels).save(folder / f"{index:03d}.png")
    return sorted(folder.iterdir())


def noise_parts(steps: int, images: int = 16, largest: int = 16) -> Iterator[Part]:
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        images_BCSS = torch.randint(0, 255, (images, 3, 32, 32), dtype=torch.uint8, generator=generator)
        yield Part(images_BCSS, torch.rand(images, 16, generator=generator), torch.arange(images), largest)


def trained(engine: Engine, steps: int = 5) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses by step, and the gradients of the first."""
    training = Training(TINY, 0, 32, Ranks(), engine)
    losses: list[float] = []
    gradients: dict[str, torch.Tensor] = {}
    for step in training.run(noise_parts(steps)):
        losses.append(training.mean_loss(training.lately))
        training.lately.zero_()
        if step == 1:
            gradients = {n: p.grad.clone() for n, p in training.model.named_parameters() if p.grad is not None}
    return losses, gradients


@pytest.mark.parametrize(
    "engine",
    [Engine(micro=16), Engine(micro=5), Engine(micro=1), Engine(micro=7, recompute=True)],
    ids=["whole", "four passes", "sixteen passes", "three passes, recomputed"],
)
def test_gradient_accumulation_and_recomputing_change_nothing_but_rounding(engine: Engine) -> None:
    losses, gradients = trained(Engine())
    others, other_gradients = trained(engine)
    np.testing.assert_allclose(others, losses, rtol=1e-5)
    torch.testing.assert_close(other_gradients, gradients, rtol=1e-4, atol=1e-6)


def test_recomputed_activations_are_not_kept() -> None:
    kept: dict[bool, int] = {}
    for recompute in (False, True):
        training = Training(replace(TINY, depth=6), 0, 32, Ranks(), Engine(recompute=recompute))
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, into=sizes: (into.append(t.numel()), t)[1], lambda t: t
        ):
            list(training.run(noise_parts(1)))
        kept[recompute] = sum(sizes)
    assert kept[True] < 0.8 * kept[False]


def test_bf16_is_close() -> None:
    losses, gradients = trained(Engine(bf16=True))
    exact = trained(Engine())[0]
    np.testing.assert_allclose(losses, exact, rtol=0.02)
    assert losses != exact
    assert {tensor.dtype for tensor in gradients.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("engine", "tolerance"), [(Engine(), 1e-4), (Engine(micro=5, recompute=True), 1e-4), (Engine(bf16=True), 0.02)]
)
def test_losses_on_a_gpu_are_those_of_the_cpu(gpu: str, engine: Engine, tolerance: float) -> None:
    training = Training(TINY, 0, 32, Ranks(gpu), engine)
    losses = []
    for _ in training.run(on(gpu, noise_parts(5))):
        losses.append(training.mean_loss(training.lately))
        training.lately.zero_()
    assert losses == pytest.approx(trained(Engine())[0], rel=tolerance)


def test_no_step_on_a_gpu_is_waited_for(gpu: str) -> None:
    steps = Training(TINY, 0, 32, Ranks(gpu), Engine(bf16=True)).run(iter(list(on(gpu, noise_parts(4)))))
    next(steps)
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert list(steps) == [2, 3, 4]
    finally:
        torch.cuda.set_sync_debug_mode("default")


def on(device: str, parts: Iterator[Part]) -> Iterator[Part]:
    return (Part(*(tensor.to(device) for tensor in part[:3]), part.largest) for part in parts)


@pytest.mark.slow
def test_a_compiled_model_is_the_same_but_for_rounding() -> None:
    losses, gradients = trained(Engine(compiled=True))
    plain, plain_gradients = trained(Engine())
    np.testing.assert_allclose(losses, plain, rtol=1e-5)
    torch.testing.assert_close(gradients, plain_gradients, rtol=1e-4, atol=1e-6)


def test_images_that_could_not_be_read_weigh_nothing() -> None:
    """A batch of 16 of which 3 were skipped is a batch of 13, also in several passes."""
    losses = []
    for micro in (0, 4):
        training = Training(TINY, 0, 32, Ranks(), Engine(micro=micro))
        list(training.run(noise_parts(3, images=13)))
        losses.append(training.mean_loss(training.lately))
        assert training.lately[1] == 39
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_process_with_nothing_of_a_batch_takes_part() -> None:
    training = Training(TINY, 0, 32, Ranks(), Engine(micro=4))
    before = {name: tensor.clone() for name, tensor in training.model.state_dict().items()}
    list(training.run(noise_parts(1, images=0)))
    assert training.step == 1
    for name, tensor in training.model.state_dict().items():  # nothing was learnt, weights only decayed
        torch.testing.assert_close(tensor, before[name], rtol=1e-3, atol=0)
    assert training.mean_loss(training.lately) is None


def test_a_loss_that_is_no_number_is_told() -> None:
    training = Training(TINY, 0, 32, Ranks(), Engine())
    with torch.no_grad():
        training.model.decoder.mask_token.fill_(float("nan"))
    list(training.run(noise_parts(1)))
    with pytest.raises(UserError, match=r"no longer a number at step 1: lower --lr"):
        training.mean_loss(training.lately)


def test_the_rate_follows_the_recipe_by_step() -> None:
    training = Training(TINY, 0, 32, Ranks(), Engine())
    rates = [training.rate for _ in training.run(noise_parts(8))]
    assert rates == [TINY.learning_rate((step + 1) / 2) for step in range(8)]
    assert (training.epoch_steps, training.steps) == (2, 8)


def test_a_collection_in_memory_is_trained_on_by_the_plain_loop(files: list[Path]) -> None:
    """Recorded rows depend on this path: to the last bit the loop written out here."""
    model = build(TINY, 5).train()
    optimiser = torch.optim.AdamW(groups(model, 0.05), lr=0.0, betas=(0.9, 0.95), fused=True)
    images = Collection(files, 37, silent)
    for epoch in range(4):
        generator = torch.Generator().manual_seed(5 * 1_000_003 + epoch)
        batches = torch.randperm(32, generator=generator).split(16)
        for step, indices_B in enumerate(batches):
            for group in optimiser.param_groups:
                group["lr"] = TINY.learning_rate(epoch + (step + 1) / 2)
            crops_BCHW = random_crops(images.batch(indices_B), 32, generator, (0.2, 1.0))
            noise_BN = torch.rand(16, 16, generator=generator)
            loss = model(pixel_values=normalised(crops_BCHW), noise=noise_BN).loss
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    expected = encoder_part(all_weights(model.state_dict()))
    weights = encoder_weights(files, TINY, 5, "cpu", silent)
    assert list(weights) == list(expected)
    assert [name for name in weights if not torch.equal(weights[name], expected[name])] == []


def test_training_lowers_the_loss() -> None:
    recipe = replace(TINY, epochs=50)
    training = Training(recipe, 0, 32, Ranks(), Engine())
    steps = np.linspace(0, 1, 32)[:, None]
    random = np.random.default_rng(0)
    ramps = [np.broadcast_to((t * (1 - steps) + b * steps), (3, 32, 32)) for t, b in random.integers(0, 255, (16, 2))]
    images_BCSS = torch.from_numpy(np.stack(ramps).astype(np.uint8))
    parts = (
        Part(images_BCSS, torch.rand(16, 16, generator=torch.Generator().manual_seed(i)), torch.arange(16), 16)
        for i in range(200)
    )
    losses = []
    for step in training.run(parts):
        if step in (1, 100):
            losses.append(training.mean_loss(training.lately))
        training.lately.zero_()
    assert losses[-1] < 0.5 * losses[0]


def test_weights_depend_on_the_seed_and_hold_no_decoder(files: list[Path]) -> None:
    brief = replace(TINY, epochs=1)
    first, again, other = (encoder_weights(files[:4], brief, seed, "cpu", silent) for seed in (0, 0, 1))
    assert torch.equal(first["blocks.0.attn.qkv.weight"], again["blocks.0.attn.qkv.weight"])
    assert not torch.equal(first["blocks.0.attn.qkv.weight"], other["blocks.0.attn.qkv.weight"])
    assert not [name for name in first if "decoder" in name or "mask_token" in name]
