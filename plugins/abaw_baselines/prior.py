"""The training prior: what one scores without looking. Shapes: B batch, T frames of a clip, L labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.kinds import Kind

Tokens = Mapping[str, Tensor]
EDGE = 1e-6  # shares are kept this far from 0 and 1, where logits would be infinite


class Prior(nn.Module):
    """Answers every frame with the training share of each label, or its training mean; tokens only tell B and T.

    So an exclusive label is decided for the most frequent one, a label that holds or not for what it mostly is.
    """

    logits_L: Tensor

    def __init__(self, widths: Mapping[str, int], outputs: int) -> None:
        super().__init__()
        self.register_buffer("logits_L", torch.zeros(outputs))

    def forward(self, tokens: Tokens, mask: Tokens) -> Tensor:
        batch, frames = tokens["image"].shape[:2]
        return self.logits_L.expand(batch, frames, -1)

    def solve(self, batches: Iterable[tuple[Tokens, Tokens, Tensor]], kind: Kind) -> None:
        """Means over all labelled training rows; HarnessError where a label has none."""
        sum_L = torch.zeros(self.logits_L.shape[0], dtype=torch.float64)
        count_L = torch.zeros_like(sum_L)
        for _, _, target_BTL in batches:
            sum_L += target_BTL.double().nansum(dim=(0, 1))
            count_L += target_BTL.isfinite().sum(dim=(0, 1))
        if not bool((count_L > 0).all()):
            raise HarnessError(f"labels without a training row: {torch.nonzero(count_L == 0).flatten().tolist()}")
        share_L = ((sum_L / count_L - kind.low) / (kind.high - kind.low)).clamp(EDGE, 1 - EDGE)
        self.logits_L.copy_(share_L.log() if kind.name == "one_of" else share_L.logit())
