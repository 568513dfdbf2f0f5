"""The names masked auto-encoders go by: ours are those of facebookresearch/mae, which timm shares for the encoder.

`cls_token pos_embed patch_embed.proj blocks.I.{norm1,attn.qkv,attn.proj,norm2,mlp.fc1,mlp.fc2} norm`, and for the
decoder `decoder_embed mask_token decoder_pos_embed decoder_blocks.I... decoder_norm decoder_pred`. transformers keeps
query, key and value apart, and its versions 4 and 5 differ within a block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

# within one block: ours -> transformers 4 | transformers 5
_WITHIN = {
    4: {
        "attn.q": "attention.attention.query",
        "attn.k": "attention.attention.key",
        "attn.v": "attention.attention.value",
        "attn.proj": "attention.output.dense",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
    },
    5: {
        "attn.q": "attention.q_proj",
        "attn.k": "attention.k_proj",
        "attn.v": "attention.v_proj",
        "attn.proj": "attention.o_proj",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
    },
}
_BLOCK = {theirs: ours for names in _WITHIN.values() for ours, theirs in names.items()}
_OUTSIDE = {
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
    "embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias",
    "layernorm.weight": "norm.weight",
    "layernorm.bias": "norm.bias",
    "decoder.mask_token": "mask_token",
    "decoder.decoder_pos_embed": "decoder_pos_embed",
}
_LAYER = re.compile(
    r"(?P<where>encoder\.layer|layers|decoder\.decoder_layers)\.(?P<index>\d+)\.(?P<rest>.+)\.(?P<leaf>weight|bias)"
)
_OUR_LAYER = re.compile(r"(?P<where>blocks|decoder_blocks)\.(?P<index>\d+)\.(?P<rest>.+)\.(?P<leaf>weight|bias)")
_LAYERS = {4: "vit.encoder.layer", 5: "vit.layers"}


def to_mae_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename transformers 4 and 5 keys, joining query, key and value; other layouts only lose their wrappers."""
    stripped = {name.removeprefix("module.").removeprefix("vit."): tensor for name, tensor in state.items()}
    if "embeddings.cls_token" not in stripped:
        return stripped
    renamed = {_renamed(name): tensor for name, tensor in stripped.items()}
    return _joined(renamed)


def to_transformers_names(state: Mapping[str, Tensor], version: Literal[4, 5] = 5) -> dict[str, Tensor]:
    """The reverse of `to_mae_names`: keys of `ViTMAEForPreTraining` in transformers 4 or 5."""
    outside = {ours: theirs for theirs, ours in _OUTSIDE.items()}
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        match = _OUR_LAYER.fullmatch(name)
        if match is None:
            theirs = outside.get(name, f"decoder.{name}")
            renamed[theirs if theirs.startswith("decoder.") else f"vit.{theirs}"] = tensor
            continue
        layer = "decoder.decoder_layers" if match["where"] == "decoder_blocks" else _LAYERS[version]
        split = zip("qkv", tensor.chunk(3), strict=True) if match["rest"] == "attn.qkv" else [("", tensor)]
        for part, piece in split:
            inside = _WITHIN[version][f"attn.{part}" if part else match["rest"]]
            renamed[f"{layer}.{match['index']}.{inside}.{match['leaf']}"] = piece
    return renamed


def _renamed(name: str) -> str:
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    match = _LAYER.fullmatch(name)
    if match is None:
        return name.removeprefix("decoder.")
    blocks = "decoder_blocks" if match["where"].startswith("decoder") else "blocks"
    return f"{blocks}.{match['index']}.{_BLOCK[match['rest']]}.{match['leaf']}"


def _joined(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """query, key and value of each block stacked into the one `qkv` that timm and facebookresearch/mae keep."""
    joined = {}
    for name, tensor in state.items():
        if ".attn.q." in name:
            parts = [state[name.replace(".attn.q.", f".attn.{part}.")] for part in "qkv"]
            joined[name.replace(".attn.q.", ".attn.qkv.")] = torch.cat(parts)
        elif ".attn.k." not in name and ".attn.v." not in name:
            joined[name] = tensor
    return joined
