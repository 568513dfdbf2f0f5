from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor
from transformers import ViTMAEForPreTraining

from netease_abaw6.mae_names import to_mae_names, to_transformers_names
from netease_abaw6.pretrain_model import build
from netease_abaw6.pretrain_recipe import PretrainRecipe

RECIPE = PretrainRecipe(
    width=32, depth=2, heads=2, patch=8, image=32, decoder_width=16, decoder_depth=1, decoder_heads=2
)  # fmt: skip


@pytest.fixture(scope="module")
def mae() -> ViTMAEForPreTraining:
    return build(RECIPE, seed=3)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return sorted(one) == sorted(other) and all(torch.equal(one[name], other[name]) for name in one)


def test_transformers_takes_our_weights_by_its_own_names(mae: ViTMAEForPreTraining) -> None:
    back = to_transformers_names(to_mae_names(mae.state_dict()))
    assert same(back, mae.state_dict())
    build(RECIPE, seed=4).load_state_dict(back)  # strict


def test_names_of_transformers_4_are_those_of_its_published_checkpoints(mae: ViTMAEForPreTraining) -> None:
    names = sorted(to_transformers_names(to_mae_names(mae.state_dict()), 4))
    of_one_layer = [
        f"{part}.{leaf}"
        for part in (
            "attention.attention.key", "attention.attention.query", "attention.attention.value",
            "attention.output.dense", "intermediate.dense", "layernorm_after", "layernorm_before", "output.dense",
        )
        for leaf in ("bias", "weight")
    ]  # fmt: skip
    assert [
        n.removeprefix("vit.encoder.layer.1.") for n in names if n.startswith("vit.encoder.layer.1.")
    ] == of_one_layer
    decoder = [n.removeprefix("decoder.decoder_layers.0.") for n in names if n.startswith("decoder.decoder_layers.0.")]
    assert decoder == of_one_layer
    assert [name for name in names if not re.search(r"layers?\.\d", name)] == [
        "decoder.decoder_embed.bias", "decoder.decoder_embed.weight",
        "decoder.decoder_norm.bias", "decoder.decoder_norm.weight", "decoder.decoder_pos_embed",
        "decoder.decoder_pred.bias", "decoder.decoder_pred.weight", "decoder.mask_token",
        "vit.embeddings.cls_token", "vit.embeddings.patch_embeddings.projection.bias",
        "vit.embeddings.patch_embeddings.projection.weight", "vit.embeddings.position_embeddings",
        "vit.layernorm.bias", "vit.layernorm.weight",
    ]  # fmt: skip


@pytest.mark.parametrize("version", [4, 5])
def test_there_and_back_is_the_same_to_the_bit(version: int, mae: ViTMAEForPreTraining) -> None:
    ours = to_mae_names(mae.state_dict())
    assert same(to_mae_names(to_transformers_names(ours, version)), ours)


def test_wrappers_are_lost(mae: ViTMAEForPreTraining) -> None:
    ours = to_mae_names(mae.state_dict())
    assert same(to_mae_names({f"module.{name}": tensor for name, tensor in ours.items()}), ours)
