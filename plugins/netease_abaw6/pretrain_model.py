"""The masked auto-encoder that is trained (paper 3.1): `transformers.ViTMAEForPreTraining` with the reference
implementation's layer-norm epsilon and initialisation.

Shapes: B batch, C H W image planes, N patches, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from harness.errors import UserError
from netease_abaw6.mae_names import to_mae_names
from netease_abaw6.pretrain_recipe import PretrainRecipe


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


def groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """What is trained, in two optimiser groups: weights of two or more axes decay, norms and biases do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def all_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Encoder and decoder of a model's `state_dict()` under the facebookresearch/mae names, on the CPU."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in to_mae_names(state).items()}
