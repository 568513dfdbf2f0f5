from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image as Pillow

from harness.errors import UserError
from harness.progress import silent
from netease_abaw6.mae_checkpoints import read
from netease_abaw6.pretrain import PretrainRecipe, _groups, all_weights, build, encoder_weights, train
from netease_abaw6.pretrain_command import pretrain_mae

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


def test_the_loss_is_the_mean_squared_pixel_error_of_hidden_patches() -> None:
    model = build(TINY, 0).eval()
    images_BCHW = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    out = model(pixel_values=images_BCHW, noise=torch.rand(2, 16, generator=torch.Generator().manual_seed(2)))
    patches_BNP = images_BCHW.reshape(2, 3, 4, 8, 4, 8).permute(0, 2, 4, 3, 5, 1).reshape(2, 16, -1)
    hidden_BN = out.mask.bool()
    assert hidden_BN.sum(1).tolist() == [12, 12]  # 75 % of 16
    expected = (out.logits - patches_BNP)[hidden_BN].square().mean()
    torch.testing.assert_close(out.loss, expected)


def test_layer_norms_have_the_reference_epsilon() -> None:
    model = build(TINY, 0)
    assert {m.eps for m in model.modules() if isinstance(m, torch.nn.LayerNorm)} == {1e-6}


def test_positions_are_fixed_sines_and_cosines_in_the_reference_order() -> None:
    model = build(TINY, 0)
    for positions_1ND in (model.vit.embeddings.position_embeddings, model.decoder.decoder_pos_embed):
        width = positions_1ND.shape[-1]
        quarter = width // 4
        expected_ND = np.zeros((17, width))
        for row in range(4):
            for column in range(4):
                for i in range(quarter):
                    rate = 1 / 10000 ** (i / quarter)
                    token = expected_ND[1 + 4 * row + column]
                    token[i], token[quarter + i] = math.sin(column * rate), math.cos(column * rate)
                    token[2 * quarter + i], token[3 * quarter + i] = math.sin(row * rate), math.cos(row * rate)
        np.testing.assert_allclose(positions_1ND[0].detach().numpy(), expected_ND, atol=1e-6)
        assert not positions_1ND.requires_grad


def test_weights_begin_as_in_the_reference_implementation() -> None:
    model = build(PretrainRecipe(width=96, depth=1, heads=2, decoder_width=48, decoder_depth=1, decoder_heads=2), 0)
    query = model.vit.layers[0].attention.q_proj.weight
    assert math.isclose(float(query.detach().std()), math.sqrt(2 / (96 + 96)), rel_tol=0.05)  # xavier
    patch = model.vit.embeddings.patch_embeddings.projection.weight
    assert math.isclose(float(patch.detach().std()), math.sqrt(2 / (768 + 96)), rel_tol=0.05)
    assert 0.015 < float(model.decoder.mask_token.detach().std()) < 0.025


def test_training_lowers_the_loss(files: list[Path]) -> None:
    losses: list[float] = []
    recipe = replace(TINY, epochs=100)
    train(files, recipe, 0, "cpu", silent, report=lambda epoch, loss: losses.append(loss))
    assert len(losses) == 100
    assert losses[-1] < 0.5 * losses[0]


def test_a_resumed_training_ends_in_the_same_weights(files: list[Path], tmp_path: Path) -> None:
    whole = all_weights(train(files, TINY, 5, "cpu", silent))
    checkpoint = tmp_path / "training.pt"

    def killed(epoch: int, loss: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(files, TINY, 5, "cpu", silent, checkpoint=checkpoint, report=killed)
    epochs: list[int] = []
    resumed = train(
        files, TINY, 5, "cpu", silent, checkpoint=checkpoint, report=lambda epoch, loss: epochs.append(epoch)
    )
    assert epochs == [2, 3]
    again = all_weights(resumed)
    assert [name for name in whole if not torch.equal(whole[name], again[name])] == []


def test_a_checkpoint_of_another_recipe_is_refused(files: list[Path], tmp_path: Path) -> None:
    train(files[:2], replace(TINY, epochs=1), 0, "cpu", silent, checkpoint=tmp_path / "c.pt")
    with pytest.raises(UserError, match=r"epochs=1 \(now 4\)"):
        train(files[:2], TINY, 0, "cpu", silent, checkpoint=tmp_path / "c.pt")


def test_weights_depend_on_the_seed_and_hold_no_decoder(files: list[Path]) -> None:
    brief = replace(TINY, epochs=1)
    first, again, other = (encoder_weights(files[:4], brief, seed, "cpu", silent) for seed in (0, 0, 1))
    assert torch.equal(first["blocks.0.attn.qkv.weight"], again["blocks.0.attn.qkv.weight"])
    assert not torch.equal(first["blocks.0.attn.qkv.weight"], other["blocks.0.attn.qkv.weight"])
    assert not [name for name in first if "decoder" in name or "mask_token" in name]


def test_the_rate_warms_up_and_follows_a_cosine() -> None:
    recipe = PretrainRecipe(epochs=800, batch=4096, base_lr=1.5e-4, warmup_epochs=40)
    peak = 1.5e-4 * 16
    points = {0: 0.0, 20: peak / 2, 40: peak, 420: peak / 2, 800: 0.0}
    for epoch, expected in points.items():
        assert math.isclose(recipe.learning_rate(epoch), expected, abs_tol=1e-12)


def test_norms_and_biases_do_not_decay() -> None:
    model = build(TINY, 0)
    decayed, kept = _groups(model, 0.05)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.05, 0.0)
    kept_ids = {id(p) for p in kept["params"]}
    kept_names = {name for name, p in model.named_parameters() if id(p) in kept_ids}
    assert kept_names == {n for n, p in model.named_parameters() if n.endswith(".bias") or "norm" in n}
    fixed = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert fixed == {"vit.embeddings.position_embeddings", "decoder.decoder_pos_embed"}


SIZES = [
    *("--width", "32", "--depth", "1", "--heads", "2", "--patch", "8", "--image", "32"),
    *("--decoder-width", "16", "--decoder-depth", "1", "--decoder-heads", "2"),
]


def test_the_command_writes_weights_facts_and_a_sheet(files: list[Path], tmp_path: Path) -> None:
    out, sheet = tmp_path / "mae.safetensors", tmp_path / "sheet.png"
    folder = str(files[0].parent)
    asked = [folder, "--out", str(out), *SIZES, "--epochs", "1", "--batch", "16", "--sheet", str(sheet)]
    result = CliRunner().invoke(pretrain_mae, asked, catch_exceptions=False)
    assert result.exit_code == 0
    assert "epoch 1/1  loss" in result.stderr
    assert read(out)["patch_embed.proj.weight"].shape == (32, 3, 8, 8)
    assert '"images": 32' in out.with_suffix(".json").read_text()
    with Pillow.open(sheet) as picture:
        assert picture.size == (8 * 32, 3 * 32)


def test_the_command_refuses_another_format(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.safetensors"):
        CliRunner().invoke(
            pretrain_mae, [str(files[0].parent), "--out", str(tmp_path / "mae.pth")], catch_exceptions=False
        )
