"""Masked auto-encoder checkpoints of every public layout, read into one set of names.

The names are those of facebookresearch/mae (`mae_names`). Files are safetensors or `torch.load(weights_only=True)`,
never a bare pickle.
"""

from __future__ import annotations

import argparse
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from timm.layers import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from harness.errors import MissingData, UserError
from netease_abaw6.mae_names import to_mae_names

KNOWN = (
    "facebookresearch/mae (mae_pretrain_vit_base.pth), MAE-Face (mae_face_pretrain_vit_base.pth), a transformers "
    "ViTMAE folder, a timm ViT file, or what `harness pretrain-mae DIR --out FILE` wrote"
)

_DECODER = ("decoder_", "mask_token")
_HEADS = ("head.", "fc_head.")


def read(path: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint file or folder, under the names of facebookresearch/mae.

    Raises MissingData where nothing is there and UserError where the file holds no masked auto-encoder.
    """
    state = to_mae_names(_tensors(path))
    if "patch_embed.proj.weight" not in state:
        raise UserError(f"{path} holds no vision transformer: expected {KNOWN}; came keys like {sorted(state)[:3]}")
    return state


def write(path: Path, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """As safetensors, with `facts` (sizes, recipe, data) in a JSON sidecar of the same stem; each appears whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half, sidecar = path.with_name(path.name + ".part"), path.with_suffix(".json")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, half)
    half.replace(path)
    half.write_text(json.dumps(dict(facts), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    half.replace(sidecar)


def encoder_part(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the decoder and any classification head."""
    return {name: tensor for name, tensor in state.items() if not name.startswith(_DECODER + _HEADS)}


def load_encoder(vit: VisionTransformer, state: Mapping[str, Tensor], origin: str) -> None:
    """Fill `vit` from a checkpoint; position embeddings are resampled where the grid differs.

    With average pooling the checkpoint's `norm` belongs to tokens, not to their mean: as in the published fine-tuning,
    `fc_norm` then starts fresh unless the file has one. Anything else missing or of another shape is a UserError.
    """
    given = encoder_part(state)
    wanted = vit.state_dict()
    given = {name: tensor.float() for name, tensor in given.items() if name in wanted}
    if "pos_embed" in given and given["pos_embed"].shape[1] != wanted["pos_embed"].shape[1]:
        given["pos_embed"] = resample_abs_pos_embed(given["pos_embed"], list(vit.patch_embed.grid_size))
    missing = sorted(name for name in wanted if name not in given and not name.startswith("fc_norm."))
    other = [name for name in given if given[name].shape != wanted[name].shape]
    deeper = [name for name in encoder_part(state) if name.startswith("blocks.") and name not in wanted]
    if missing or other or deeper:
        raise UserError(f"{origin} does not fit this encoder: expected {_sizes(wanted)}; came {_sizes(state)}")
    vit.load_state_dict(given, strict=False)


def _tensors(path: Path) -> dict[str, Tensor]:
    if path.is_dir():
        inside = [path / name for name in ("model.safetensors", "pytorch_model.bin") if (path / name).is_file()]
        if not inside:
            raise MissingData(f"No model.safetensors or pytorch_model.bin in {path}; known checkpoints: {KNOWN}")
        path = inside[0]
    if not path.is_file():
        raise MissingData(f"No image-encoder weights at {path}; known checkpoints: {KNOWN}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([argparse.Namespace]):  # full training checkpoints carry their arguments
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} holds more than tensors and is not opened; expected {KNOWN}") from error
    except (SafetensorError, RuntimeError, EOFError) as error:
        reason = str(error).partition("\n")[0] or "it is empty"
        raise UserError(f"{path} cannot be read as weights: {reason}") from error
    for wrapper in ("model", "state_dict"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(wrapper), Mapping):
            loaded = loaded[wrapper]
    if not isinstance(loaded, Mapping):
        raise UserError(f"{path} holds a {type(loaded).__name__}, not a state dict; expected {KNOWN}")
    return {name: tensor for name, tensor in loaded.items() if isinstance(tensor, Tensor)}


def _sizes(state: Mapping[str, Tensor]) -> str:
    depth = len({name.split(".")[1] for name in state if name.startswith("blocks.")})
    projection = state.get("patch_embed.proj.weight")
    if projection is None:
        return f"depth {depth} and no patch embedding"
    return f"width {projection.shape[0]}, depth {depth}, patch {projection.shape[-1]}"
