"""Transformer-based multi-modal fusion (paper 3.2): tokens joined, four encoder layers, one linear layer.

Shapes: B clips, T image tokens of a clip, N tokens of a modality, A all tokens of a clip, D width, L labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from harness.errors import UserError

MAX_FRAMES = 1024  # room for learned positions


class TokenFusion(nn.Module):
    """[T image; 1 audio; 1 text] tokens of a clip -> logits_BTL, one row per image token.

    Each modality is projected to `width` and marked by an embedding of its own. An absent token is never attended to;
    an absent image token still asks, through one learned vector, so its frame gets logits from what is there. Where a
    clip has nothing at all, that vector is all there is to attend to.
    """

    def __init__(
        self,
        widths: Mapping[str, int],
        outputs: int,
        *,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
        dropout: float,
        positions: str,
    ) -> None:
        super().__init__()
        self.order = ["image", *(modality for modality in widths if modality != "image")]
        # encoders' tokens differ in scale by orders of magnitude: each modality is normalised before it is projected
        self.project = nn.ModuleDict(
            {m: nn.Sequential(nn.LayerNorm(widths[m]), nn.Linear(widths[m], width)) for m in self.order}
        )
        self.modality = nn.ParameterDict({modality: _vector(width) for modality in self.order})
        self.absent_D = _vector(width)
        self.positions = positions
        self.learned_TD = nn.Parameter(0.02 * torch.randn(MAX_FRAMES, width)) if positions == "learned" else None
        layer = nn.TransformerEncoderLayer(width, heads, feedforward, dropout, batch_first=True, norm_first=True)
        # nested tensors would drop the rows of masked tokens, which have logits too
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, outputs)

    def forward(self, tokens: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> Tensor:
        """tokens_BND and mask_BN (True: present) by modality -> logits_BTL."""
        tokens_BAD = torch.cat([self._embed(m, tokens[m], mask[m]) for m in self.order], dim=1)
        present_BA = torch.cat([mask[m] for m in self.order], dim=1)
        hidden_BA = ~present_BA & present_BA.any(dim=1, keepdim=True)
        fused_BAD = self.encoder(tokens_BAD, src_key_padding_mask=hidden_BA)
        return self.head(self.dropout(fused_BAD[:, : tokens["image"].shape[1]]))

    def _embed(self, modality: str, tokens_BND: Tensor, mask_BN: Tensor) -> Tensor:
        embedded_BND = torch.where(mask_BN.unsqueeze(-1), self.project[modality](tokens_BND), self.absent_D)
        embedded_BND = embedded_BND + self.modality[modality]
        return embedded_BND + self._positions(tokens_BND) if modality == "image" else embedded_BND

    def _positions(self, tokens_BND: Tensor) -> Tensor | float:
        if self.positions == "none":
            return 0.0
        frames = tokens_BND.shape[1]
        if self.learned_TD is not None:
            if frames > MAX_FRAMES:
                raise UserError(f"positions='learned' has room for clips of {MAX_FRAMES} frames, got {frames}")
            return self.learned_TD[:frames]
        return _waves(frames, self.absent_D.shape[0]).to(tokens_BND)


class FramewiseFusion(TokenFusion):
    """The lab's published variant: each frame's token holds its image, the clip's sound and its words side by side.

    [image | audio | text] of a frame, each projected to `width`, are joined along the width and narrowed to `width`
    again, then go through the same layers. A frame without an image token is never attended to, but asks.
    """

    def __init__(self, widths: Mapping[str, int], outputs: int, **sizes: Any) -> None:
        super().__init__(widths, outputs, **sizes)
        width = self.absent_D.shape[0]
        self.join = nn.Linear(len(self.order) * width, width)

    def forward(self, tokens: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> Tensor:
        """As `TokenFusion.forward`."""
        frames, present_BT = tokens["image"].shape[1], mask["image"]
        parts = [self._embed(m, tokens[m], mask[m]).expand(-1, frames, -1) for m in self.order]
        hidden_BT = ~present_BT & present_BT.any(dim=1, keepdim=True)
        fused_BTD = self.encoder(self.join(torch.cat(parts, dim=-1)), src_key_padding_mask=hidden_BT)
        return self.head(self.dropout(fused_BTD))


def fusion(
    form: type[TokenFusion],
    widths: Mapping[str, int],
    outputs: int,
    *,
    width: int = 256,
    layers: int = 4,
    heads: int = 4,
    feedforward: int = 128,
    dropout: float = 0.3,
    positions: Literal["none", "learned", "sinusoidal"] = "none",
) -> TokenFusion:
    """A fusion of this form: `widths` is the token width of each modality ("image" among them), `outputs` the labels.

    Four layers and dropout 0.3 are the paper's; width, heads, feed-forward width and no positions are from published
    code of the same lab. UserError for sizes that do not fit together.
    """
    if "image" not in widths:
        raise UserError(f"transformer_4x needs image tokens, came {', '.join(widths) or 'none'}")
    if heads < 1 or width % heads:
        raise UserError(f"transformer_4x: width={width} is no multiple of heads={heads}")
    if positions not in ("none", "learned", "sinusoidal") or (positions == "sinusoidal" and width % 2):
        raise UserError(f"positions: expected none, learned, or sinusoidal with an even width; came {positions!r}")
    return form(
        widths,
        outputs,
        width=width,
        layers=layers,
        heads=heads,
        feedforward=feedforward,
        dropout=dropout,
        positions=positions,
    )


transformer_4x = partial(fusion, TokenFusion)
transformer_4x_framewise = partial(fusion, FramewiseFusion)


def _vector(width: int) -> nn.Parameter:
    return nn.Parameter(0.02 * torch.randn(width))


def _waves(frames: int, width: int) -> Tensor:
    """Sines and cosines of geometrically spaced wavelengths, positions_TD."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(frames)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
