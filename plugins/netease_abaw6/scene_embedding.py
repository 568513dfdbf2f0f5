"""What a recording's surroundings look like to a network: the pooled features of a timm model on the face-masked frame.

Shapes: H W of a frame, D descriptor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.pixels import normalised, square, stacked
from harness.types import Image

if TYPE_CHECKING:
    from timm_encoders.encoder import TimmEncoder


@dataclass(frozen=True, eq=False)
class Embedding:
    """`(image, background_HW) -> descriptor_D` by one timm model on one device."""

    encoder: TimmEncoder
    device: str

    def __call__(self, image: Image, background_HW: NDArray[np.float32]) -> NDArray[np.float64]:
        """Faces take the mean colour of their surroundings, so that none of a person is left to embed."""
        import torch

        spec, known_HW = self.encoder.input, background_HW > 0
        filled = image.copy()
        filled[~known_HW] = image[known_HW].mean(axis=0).round()
        batch_BCHW = normalised(stacked([square(filled, spec)], spec.size, self.device), spec, self.device)
        with torch.inference_mode():
            tokens_BD = self.encoder(batch_BCHW)
        descriptor_D: NDArray[np.float64] = tokens_BD[0].cpu().numpy().astype(np.float64)
        return descriptor_D


def timm_embedding(model: str, weights: str, device: str) -> Embedding:
    """The timm model called `model`; `weights` as for `timm:` encoders: "hub", a path, or "random"."""
    from timm_encoders.encoder import timm_encoder

    encoder = timm_encoder(model, weights=weights)
    encoder.module.to(device).eval()
    return Embedding(encoder, device)
