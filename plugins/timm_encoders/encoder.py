"""A timm model without its head. Shapes: B batch, C H W image planes, D width."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.errors import MissingData, UserError
from harness.types import ImageInput, Modality
from harness.weights import hub_or_cache, local_file

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(eq=False)
class TimmEncoder:
    """images_BCHW -> tokens_BD: the model's pooled features, before any classifier."""

    module: nn.Module
    input: ImageInput
    dim: int
    modality: ClassVar[Modality] = "image"

    def __call__(self, batch: Tensor) -> Tensor:
        tokens_BD: Tensor = self.module(batch)
        return tokens_BD.float()


def timm_encoder(model: str, *, weights: str = "hub", image: int = 0, seed: int = 0) -> TimmEncoder:
    """The timm model called `model` as an image encoder.

    `weights` is "hub" (the model's published weights), a .safetensors or .pth file in timm's names by reference
    (`harness.weights`), or "random" (drawn from `seed`). `image` is the side of the input in pixels; 0 takes the
    model's own.
    UserError: no such model, or weights of another one. MissingData: weights that cannot be had here.
    """
    import timm
    import torch
    from timm.data import resolve_model_data_config

    _check_name(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _published(model) if weights == "hub" else timm.create_model(model, num_classes=0)
    if weights not in ("hub", "random"):
        hint = f"Weights of timm:{model} are a file, hf:OWNER/NAME/FILE, URL#sha256=HASH, 'hub' or 'random'"
        _load(net, model, local_file(weights, hint=hint))
    spec = _input(model, resolve_model_data_config(net))
    if image and image != spec.size:
        if hasattr(net, "set_input_size"):
            net.set_input_size(img_size=(image, image))
        spec = ImageInput(image, spec.mean, spec.std, spec.interpolation)
    return TimmEncoder(net, spec, _width(net, spec.size))


def _check_name(model: str) -> None:
    import timm

    if ":" in model or timm.is_model(model.partition(".")[0]):  # `hf-hub:owner/name` is left to timm
        return
    near = difflib.get_close_matches(model, timm.list_models(), n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise UserError(f"timm {timm.__version__} has no model called {model!r}.{hint} `timm.list_models()` lists them")


def _published(model: str) -> nn.Module:
    import timm

    hub_or_cache()
    try:
        net: nn.Module = timm.create_model(model, pretrained=True, num_classes=0)
    except OSError as error:  # huggingface_hub's and urllib's errors are OSErrors
        raise MissingData(
            f"The published weights of timm:{model} are neither in the local hub cache nor reachable "
            f"({type(error).__name__}). Give a local file, --set encoders.image.weights=PATH, or "
            "ask for weights=random"
        ) from error
    except RuntimeError as error:
        if "pretrained" not in str(error):
            raise
        raise UserError(f"timm publishes no weights for {model!r}: give weights=PATH or weights=random") from error
    return net


def _load(net: nn.Module, model: str, path: Path) -> None:
    from timm.models import load_state_dict

    try:
        state = load_state_dict(str(path), weights_only=True)
    except RuntimeError as error:  # timm's wrapping of torch's refusal to unpickle
        raise UserError(f"{path} cannot be read as plain weights (pickled objects are never loaded)") from error
    classifier: Any = getattr(net, "pretrained_cfg", {}).get("classifier") or ()
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    state = {key: value for key, value in state.items() if not key.startswith(tuple(f"{head}." for head in heads))}
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        first = " ".join(str(error).split())[:200]
        raise UserError(f"{path} does not hold the weights of timm:{model}: {first}") from error


def _input(model: str, config: dict[str, Any]) -> ImageInput:
    planes, height, width = config["input_size"]
    if planes != 3 or height != width:
        raise UserError(f"timm:{model} takes images of {planes} x {height} x {width}; it needs to be square RGB")
    interpolation: Literal["bilinear", "bicubic"] = "bilinear" if config["interpolation"] == "bilinear" else "bicubic"
    return ImageInput(height, tuple(config["mean"]), tuple(config["std"]), interpolation)


def _width(net: nn.Module, size: int) -> int:
    """Measured, since timm's own fields disagree for models with a layer before the classifier."""
    import torch

    was = net.training
    with torch.no_grad():
        tokens_BD = net.eval()(torch.zeros(1, 3, size, size))
    net.train(was)
    if tokens_BD.ndim != 2:
        raise UserError(f"this timm model gives features of shape {tuple(tokens_BD.shape)}, not one token per image")
    return int(tokens_BD.shape[1])
