from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import ViTMAEForPreTraining

from harness.errors import UserError
from netease_abaw6.mae import build_vit
from netease_abaw6.mae_checkpoints import load_encoder
from netease_abaw6.pretrain_model import all_weights, build, groups
from netease_abaw6.pretrain_recipe import PretrainRecipe

TINY = PretrainRecipe(
    width=32, depth=2, heads=2, patch=8, image=32, decoder_width=16, decoder_depth=2, decoder_heads=4
)  # fmt: skip
BASE = PretrainRecipe()


def shaken(recipe: PretrainRecipe) -> ViTMAEForPreTraining:
    """No zero biases nor unit norms, which would hide a wrong place."""
    model = build(recipe, seed=3).eval()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.02)
    return model


def inputs(recipe: PretrainRecipe, count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images_BCHW = torch.randn(count, 3, recipe.image, recipe.image, generator=generator)
    return images_BCHW, torch.rand(count, (recipe.image // recipe.patch) ** 2, generator=generator)


def block(x_BND: Tensor, w: Mapping[str, Tensor], prefix: str, heads: int) -> Tensor:
    """timm's Block, as facebookresearch/mae uses it: pre-norm, epsilon 1e-6, exact GELU."""
    batch, tokens, width = x_BND.shape

    def norm(name: str, x: Tensor) -> Tensor:
        return functional.layer_norm(x, (width,), w[f"{prefix}.{name}.weight"], w[f"{prefix}.{name}.bias"], 1e-6)

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ w[f"{prefix}.{name}.weight"].T + w[f"{prefix}.{name}.bias"]

    qkv = linear("attn.qkv", norm("norm1", x_BND)).reshape(batch, tokens, 3, heads, width // heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    attention = (q @ k.transpose(-2, -1) / math.sqrt(width // heads)).softmax(-1)
    x_BND = x_BND + linear("attn.proj", (attention @ v).transpose(1, 2).reshape(batch, tokens, width))
    return x_BND + linear("mlp.fc2", functional.gelu(linear("mlp.fc1", norm("norm2", x_BND))))


def facebook(w: Mapping[str, Tensor], r: PretrainRecipe, images_BCHW: Tensor, noise_BN: Tensor) -> dict[str, Tensor]:
    """models_mae.py of facebookresearch/mae, written down again: forward_encoder, forward_decoder, forward_loss."""
    grid, batch = r.image // r.patch, len(images_BCHW)
    patches_BNP = images_BCHW.reshape(batch, 3, grid, r.patch, grid, r.patch)
    patches_BNP = torch.einsum("nchpwq->nhwpqc", patches_BNP).reshape(batch, grid**2, r.patch**2 * 3)
    x = functional.conv2d(images_BCHW, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=r.patch)
    x = x.flatten(2).transpose(1, 2) + w["pos_embed"][:, 1:]
    keep = int(grid**2 * (1 - r.mask_ratio))
    shuffle = torch.argsort(noise_BN, dim=1)
    restore = torch.argsort(shuffle, dim=1)
    x = torch.gather(x, 1, shuffle[:, :keep, None].expand(-1, -1, r.width))
    mask = torch.ones(batch, grid**2)
    mask[:, :keep] = 0
    mask = torch.gather(mask, 1, restore)
    x = torch.cat([(w["cls_token"] + w["pos_embed"][:, :1]).expand(batch, -1, -1), x], 1)
    for i in range(r.depth):
        x = block(x, w, f"blocks.{i}", r.heads)
    latent = functional.layer_norm(x, (r.width,), w["norm.weight"], w["norm.bias"], 1e-6)
    x = latent @ w["decoder_embed.weight"].T + w["decoder_embed.bias"]
    x_ = torch.cat([x[:, 1:], w["mask_token"].expand(batch, grid**2 - keep, -1)], 1)
    x_ = torch.gather(x_, 1, restore[:, :, None].expand(-1, -1, r.decoder_width))
    x = torch.cat([x[:, :1], x_], 1) + w["decoder_pos_embed"]
    for i in range(r.decoder_depth):
        x = block(x, w, f"decoder_blocks.{i}", r.decoder_heads)
    x = functional.layer_norm(x, (r.decoder_width,), w["decoder_norm.weight"], w["decoder_norm.bias"], 1e-6)
    pred = (x @ w["decoder_pred.weight"].T + w["decoder_pred.bias"])[:, 1:]
    loss = (((pred - patches_BNP) ** 2).mean(-1) * mask).sum() / mask.sum()
    return {"latent": latent, "pred": pred, "mask": mask, "loss": loss}


@pytest.mark.parametrize(
    ("recipe", "count", "most"),
    [(TINY, 4, 5e-6), pytest.param(BASE, 2, 5e-5, marks=pytest.mark.slow)],
    ids=["tiny", "vit-b-224"],
)
def test_loss_and_features_are_those_of_facebookresearch(
    recipe: PretrainRecipe, count: int, most: float, parity: Callable[..., None]
) -> None:
    model, (images_BCHW, noise_BN) = shaken(recipe), inputs(recipe, count)
    with torch.no_grad():
        ours = model(pixel_values=images_BCHW, noise=noise_BN)
        latent = model.vit(pixel_values=images_BCHW, noise=noise_BN).last_hidden_state
        theirs = facebook(all_weights(model.state_dict()), recipe, images_BCHW, noise_BN)
    assert torch.equal(ours.mask, theirs["mask"])
    differences = {
        "loss": abs(float(ours.loss - theirs["loss"])),
        "features": float((latent - theirs["latent"]).abs().max()),
        "pixels": float((ours.logits - theirs["pred"]).abs().max()),
    }
    for what, difference in differences.items():
        parity(f"MAE {what}", "models_mae.py of facebookresearch/mae, written down again", difference, at_most=most)


@pytest.mark.parametrize(
    ("recipe", "most"), [(TINY, 5e-6), pytest.param(BASE, 5e-5, marks=pytest.mark.slow)], ids=["tiny", "vit-b-224"]
)
def test_our_encoder_has_the_features_of_the_unmasked_encoder(
    recipe: PretrainRecipe, most: float, parity: Callable[..., None]
) -> None:
    model, (images_BCHW, _) = shaken(recipe), inputs(recipe, 2)
    model.config.mask_ratio = 0.0
    vit = build_vit(
        width=recipe.width, depth=recipe.depth, heads=recipe.heads, patch=recipe.patch, image=recipe.image,
        drop_path=0.0, pool="token",
    ).eval()  # fmt: skip
    load_encoder(vit, all_weights(model.state_dict()), "test")
    patches = (recipe.image // recipe.patch) ** 2
    with torch.no_grad():
        in_order = torch.arange(float(patches)).expand(2, patches)
        expected_BND = model.vit(pixel_values=images_BCHW, noise=in_order).last_hidden_state
        difference = float((vit.forward_features(images_BCHW) - expected_BND).abs().max())
    parity("MAE encoder, timm's ViT", "transformers' ViTMAE, nothing masked", difference, at_most=most)


def test_three_quarters_of_the_patches_are_hidden() -> None:
    images_BCHW, noise_BN = inputs(TINY, 2)
    assert build(TINY, 0)(pixel_values=images_BCHW, noise=noise_BN).mask.sum(1).tolist() == [12, 12]


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


def test_norms_and_biases_do_not_decay() -> None:
    model = build(TINY, 0)
    decayed, kept = groups(model, 0.05)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.05, 0.0)
    kept_ids = {id(p) for p in kept["params"]}
    kept_names = {name for name, p in model.named_parameters() if id(p) in kept_ids}
    assert kept_names == {n for n, p in model.named_parameters() if n.endswith(".bias") or "norm" in n}
    fixed = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert fixed == {"vit.embeddings.position_embeddings", "decoder.decoder_pos_embed"}


def test_a_width_that_does_not_divide_is_refused() -> None:
    with pytest.raises(UserError, match="a width must be a multiple of its heads"):
        build(PretrainRecipe(width=32, heads=3), 0)
