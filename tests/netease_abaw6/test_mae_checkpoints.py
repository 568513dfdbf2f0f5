from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import ViTMAEForPreTraining

from harness.errors import MissingData, UserError
from netease_abaw6.mae import build_vit
from netease_abaw6.mae_checkpoints import encoder_part, load_encoder, read, write
from netease_abaw6.mae_names import to_mae_names, to_transformers_names
from netease_abaw6.pretrain_model import build
from netease_abaw6.pretrain_recipe import PretrainRecipe

SIZES = {"width": 32, "depth": 2, "heads": 2, "patch": 8, "image": 32}
RECIPE = PretrainRecipe(**SIZES, decoder_width=16, decoder_depth=1, decoder_heads=2)


@pytest.fixture(scope="module")
def mae() -> ViTMAEForPreTraining:
    model = build(RECIPE, seed=3).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # no zero biases nor unit norms that would hide a wrong name
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def transformers_4(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The key names of transformers 4, written down from its published checkpoints."""
    words = {"q": "query", "k": "key", "v": "value"}
    pairs = [
        (r"\battention\.([qkv])_proj", lambda m: f"attention.attention.{words[m[1]]}"),
        (r"\battention\.o_proj", "attention.output.dense"),
        (r"\bmlp\.fc1", "intermediate.dense"),
        (r"\bmlp\.fc2", "output.dense"),
        (r"^vit\.layers", "vit.encoder.layer"),
    ]
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in pairs:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    assert "vit.encoder.layer.0.attention.attention.query.weight" in renamed
    return renamed


def saved(layout: str, mae: ViTMAEForPreTraining, folder: Path) -> Path:
    ours = to_mae_names(mae.state_dict())
    if layout == "transformers folder":
        mae.save_pretrained(folder)
        return folder
    if layout == "transformers 5":
        torch.save(mae.state_dict(), folder / "weights.bin")
        return folder / "weights.bin"
    if layout == "transformers 4":
        save_file(transformers_4(mae.state_dict()), folder / "weights.safetensors")
        return folder / "weights.safetensors"
    if layout == "facebook":
        content = {"model": ours, "args": argparse.Namespace(epochs=800), "epoch": 799}
        torch.save(content, folder / "mae_pretrain_vit_base.pth")
        return folder / "mae_pretrain_vit_base.pth"
    if layout == "timm":
        torch.save({f"module.{name}": t for name, t in encoder_part(ours).items()}, folder / "timm.pth")
        return folder / "timm.pth"
    write(folder / "ours.safetensors", ours, {"epochs": 1})
    return folder / "ours.safetensors"


@pytest.mark.parametrize(
    "layout", ["transformers folder", "transformers 5", "transformers 4", "facebook", "timm", "ours"]
)
def test_every_layout_gives_the_features_of_the_model_it_came_from(
    parity: Callable[..., None], layout: str, mae: ViTMAEForPreTraining, tmp_path: Path
) -> None:
    vit = build_vit(**SIZES, drop_path=0.0, pool="token").eval()
    load_encoder(vit, read(saved(layout, mae, tmp_path)), layout)
    weights, loaded = encoder_part(to_mae_names(mae.state_dict())), vit.state_dict()
    difference = max(float((loaded[name] - tensor).abs().max()) for name, tensor in weights.items())
    parity("MAE weights through six checkpoint layouts", "the weights saved", difference, at_most=0.0)
    images_BCHW = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    mae.config.mask_ratio = 0.0
    with torch.inference_mode():
        in_order = torch.arange(16.0).expand(2, 16)
        expected_BND = mae.vit(pixel_values=images_BCHW, noise=in_order).last_hidden_state
        difference = float((vit.forward_features(images_BCHW) - expected_BND).abs().max())
    parity("MAE features through six checkpoint layouts", "transformers' ViTMAE", difference, at_most=1e-5)


def written(layout: str, ours: dict[str, Tensor], folder: Path) -> Path:
    """Our weights in another project's layout."""
    if layout == "facebook":
        content = {"model": ours, "optimizer": {}, "epoch": 799, "args": argparse.Namespace(epochs=800)}
        torch.save(content, folder / "mae_pretrain_vit_base_full.pth")
        return folder / "mae_pretrain_vit_base_full.pth"
    if layout == "MAE-Face":
        torch.save({"model": ours}, folder / "mae_face_pretrain_vit_base.pth")
        return folder / "mae_face_pretrain_vit_base.pth"
    if layout == "timm":
        vit = timm.create_model(
            "vit_base_patch16_224.mae", pretrained=False, img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2
        )
        vit.load_state_dict(encoder_part(ours))  # strict: timm's own names
        save_file(vit.state_dict(), folder / "model.safetensors")
        return folder
    version = 5 if layout == "transformers 5" else 4
    state = {name: tensor.contiguous() for name, tensor in to_transformers_names(ours, version).items()}
    save_file(state, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("layout", ["facebook", "MAE-Face", "transformers 5", "transformers 4", "timm"])
def test_weights_written_in_every_layout_are_read_back_to_the_bit(
    layout: str, mae: ViTMAEForPreTraining, tmp_path: Path
) -> None:
    ours = to_mae_names(mae.state_dict())
    again = read(written(layout, ours, tmp_path))
    expected = encoder_part(ours) if layout == "timm" else ours
    assert sorted(again) == sorted(expected)
    assert [name for name in expected if not torch.equal(again[name], expected[name])] == []


def test_the_decoder_is_renamed_as_facebook_names_it(mae: ViTMAEForPreTraining) -> None:
    names = set(to_mae_names(mae.state_dict()))
    assert {
        "mask_token",
        "decoder_pos_embed",
        "decoder_embed.weight",
        "decoder_blocks.0.norm1.weight",
        "decoder_blocks.0.attn.qkv.bias",
        "decoder_blocks.0.attn.proj.weight",
        "decoder_blocks.0.mlp.fc2.weight",
        "decoder_norm.weight",
        "decoder_pred.bias",
    } <= names
    assert not [name for name in names if "attention" in name or "layers" in name or name.startswith("vit.")]


def test_position_embeddings_are_resampled_to_another_grid(mae: ViTMAEForPreTraining) -> None:
    state = to_mae_names(mae.state_dict())
    vit = build_vit(**{**SIZES, "image": 64}, drop_path=0.0, pool="avg")
    load_encoder(vit, state, "test")
    assert vit.pos_embed.shape == (1, 65, 32)
    torch.testing.assert_close(vit.pos_embed[:, 0], state["pos_embed"][:, 0])
    torch.testing.assert_close(vit.pos_embed[:, 1:].mean(1), state["pos_embed"][:, 1:].mean(1), rtol=0.1, atol=0.05)


def test_average_pooling_starts_a_fresh_norm(mae: ViTMAEForPreTraining) -> None:
    vit = build_vit(**SIZES, drop_path=0.0, pool="avg")
    load_encoder(vit, to_mae_names(mae.state_dict()), "test")
    assert torch.equal(vit.fc_norm.weight, torch.ones(32))
    assert torch.equal(vit.fc_norm.bias, torch.zeros(32))


@pytest.mark.parametrize("change", [{"width": 64}, {"depth": 3}, {"depth": 1}, {"patch": 4}])
def test_other_sizes_are_refused_with_both_told(change: dict[str, int], mae: ViTMAEForPreTraining) -> None:
    vit = build_vit(**{**SIZES, **change}, drop_path=0.0, pool="avg")
    with pytest.raises(UserError, match=r"expected width \d+, depth \d+, patch \d+; came width 32, depth 2, patch 8"):
        load_encoder(vit, to_mae_names(mae.state_dict()), "file.pth")


def test_a_file_that_is_not_there_names_the_known_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"nothing\.pth; known checkpoints: .*MAE-Face"):
        read(tmp_path / "nothing.pth")
    with pytest.raises(MissingData, match=r"model\.safetensors"):
        read(tmp_path)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "resnet.safetensors")
    with pytest.raises(UserError, match=r"no vision transformer.*conv1\.weight"):
        read(tmp_path / "resnet.safetensors")


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("ran",))


@pytest.mark.parametrize("name", ["mae.pth", "mae.safetensors"])
@pytest.mark.parametrize("kept", [0, 500])
def test_a_damaged_file_is_named(name: str, kept: int, tmp_path: Path) -> None:
    state = {"cls_token": torch.zeros(1, 1, 64), "pos_embed": torch.zeros(1, 5, 64)}
    if name.endswith(".pth"):
        torch.save({"model": state}, tmp_path / name)
    else:
        save_file(state, tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:kept])
    with pytest.raises(UserError, match=rf"{name} cannot be read as weights: \S+"):
        read(tmp_path / name)


def test_a_pickle_with_code_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": Harmful()}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match="more than tensors"):
        read(tmp_path / "bad.pth")
    assert capsys.readouterr().out == ""


def test_what_is_written_has_its_facts_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "new" / "mae.safetensors", {"patch_embed.proj.weight": torch.ones(2, 3, 4, 4)}, RECIPE.facts())
    assert read(tmp_path / "new" / "mae.safetensors")["patch_embed.proj.weight"].sum() == 96
    assert json.loads((tmp_path / "new" / "mae.json").read_text()) == RECIPE.facts()
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["mae.json", "mae.safetensors"]
