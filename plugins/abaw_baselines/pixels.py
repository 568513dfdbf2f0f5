"""The plainest image encoder: 16 x 16 grey values. Shapes: B batch, C H W image planes, D width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.types import ImageInput, Modality

if TYPE_CHECKING:
    from torch import Tensor

THUMBNAIL = ImageInput(size=16, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma


@dataclass
class Pixels:
    """images_BCHW -> tokens_BD, D = 256: grey values in [0, 1], row by row. Nothing to train."""

    input: ImageInput = THUMBNAIL
    dim: int = 256
    module: None = None
    modality: ClassVar[Modality] = "image"

    def __call__(self, batch: Tensor) -> Tensor:
        red, green, blue = batch.float().unbind(1)
        grey_BHW = GREY[0] * red + GREY[1] * green + GREY[2] * blue
        return grey_BHW.flatten(1)


def pixels16() -> Pixels:
    """The encoder `pixels16`: what a linear model can tell from a thumbnail."""
    return Pixels()
