"""Getting a transformers checkpoint from a folder or the hub. Code from the hub is never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import MissingData, UserError

if TYPE_CHECKING:
    from torch import Tensor, nn


def load(auto: Any, model: str) -> Any:
    """`auto.from_pretrained(model)`; `model` is a folder or a hub name.

    MissingData: neither there nor reachable. UserError: a checkpoint `auto` cannot read.
    """
    try:
        return auto.from_pretrained(model, trust_remote_code=False)
    except OSError as error:
        raise MissingData(
            f"No folder {model!r}, and the hub has no such model or cannot be reached ({type(error).__name__}). "
            "Give the path of a folder made by save_pretrained: hf:PATH or hf-text:PATH"
        ) from error
    except (ValueError, KeyError) as error:
        first = " ".join(str(error).split())[:200]
        raise UserError(f"{model!r} cannot be read by {auto.__name__}: {first}") from error


def encoder_part(net: nn.Module) -> nn.Module:
    """The encoder of an encoder-decoder model (Whisper, T5), the model itself otherwise."""
    config: Any = net.config
    part: Any = net
    return part.get_encoder() if config.is_encoder_decoder else net


def check_layer(model: str, net: nn.Module, layer: int) -> None:
    """UserError unless `hidden_states[layer]` exists; 0 is the input of the first layer, -1 the last output."""
    config: Any = net.config
    count = int(getattr(config, "num_hidden_layers", 0) or getattr(config, "encoder_layers", 0)) + 1
    if not -count <= layer < count:
        raise UserError(f"layer of {model!r}: expected {-count} to {count - 1}, got {layer}")


def hidden(net: nn.Module, layer: int, **inputs: Tensor) -> Tensor:
    """hidden_BND of one layer; -1 is the last, with whatever norm the model puts after it."""
    out = net(**inputs, output_hidden_states=layer != -1)
    hidden_BND: Tensor = out.last_hidden_state if layer == -1 else out.hidden_states[layer]
    return hidden_BND
