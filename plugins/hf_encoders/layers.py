"""Which hidden layer of a transformers model is read. Shapes: B batch, N hidden positions, D width, K layers + 1."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from harness.errors import UserError

Pooling = Literal["mean", "max", "first", "last"]


class Layers(nn.Module):
    """A model and its layer: an index (0 the input of the first layer), "last", or "learned".

    "learned" is a sum over all layers with softmax weights (SUPERB, Yang et al. 2021, Sec. 3), equal ones before
    training. "last" has whatever norm the model puts after it; so has the index of the last layer where the model
    reports it so.
    """

    def __init__(self, net: nn.Module, layer: int | str, name: str) -> None:
        super().__init__()
        config: Any = net.config
        count = int(getattr(config, "num_hidden_layers", 0) or getattr(config, "encoder_layers", 0)) + 1
        if layer not in ("last", "learned") and not (isinstance(layer, int) and -count <= layer < count):
            raise UserError(f"layer of {name!r}: expected {-count} to {count - 1}, last or learned; got {layer!r}")
        self.net, self.layer = net, layer
        if layer == "learned":
            self.mix_K = nn.Parameter(torch.zeros(count))

    def forward(self, **inputs: Tensor) -> Tensor:
        """The model's inputs -> hidden_BND."""
        out = self.net(**inputs, output_hidden_states=self.layer != "last")
        if self.layer == "last":
            hidden_BND: Tensor = out.last_hidden_state
            return hidden_BND
        if isinstance(self.layer, int):
            chosen_BND: Tensor = out.hidden_states[self.layer]
            return chosen_BND
        return torch.einsum("k,kbnd->bnd", self.mix_K.softmax(0), torch.stack(out.hidden_states))

    @property
    def device(self) -> torch.device:
        return next(self.net.parameters()).device


def pool(hidden_BND: Tensor, mask_BN: Tensor, pooling: Pooling) -> Tensor:
    """tokens_BD, float32, over the positions where mask_BN is True: a leading run of at least one in every row."""
    hidden_BND = hidden_BND.float()
    if pooling == "first":
        return hidden_BND[:, 0]
    if pooling == "last":
        return hidden_BND[torch.arange(len(hidden_BND)), mask_BN.sum(1) - 1]
    if pooling == "max":
        return hidden_BND.masked_fill(~mask_BN.unsqueeze(-1), float("-inf")).amax(1)
    weight_BN1 = mask_BN.unsqueeze(-1).to(hidden_BND)
    return (hidden_BND * weight_BN1).sum(1) / weight_BN1.sum(1)


def check_pooling(family: str, pooling: str, known: tuple[str, ...]) -> None:
    """UserError for a pooling that `family` does not have."""
    if pooling not in known:
        raise UserError(f"pooling of {family}: expected {', '.join(known)}, got {pooling!r}")
