"""A whole plugin in one file: the image encoder `colours` and the smoother `median`.

Shapes: B batch, C H W image planes, D width, R rows of a video, L labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.errors import UserError
from harness.hookspecs import hookimpl
from harness.types import Encoder, Floats, ImageInput, Modality, Smoother, Video

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Colours:
    """images_BCHW -> tokens_BD, D = 6: mean and deviation of red, green and blue. There is nothing to train."""

    input: ImageInput
    dim: int = 6
    module: None = None
    modality: ClassVar[Modality] = "image"

    def __call__(self, batch: Tensor) -> Tensor:
        import torch

        pixels_BCP = batch.float().flatten(2)
        return torch.cat([pixels_BCP.mean(-1), pixels_BCP.std(-1, correction=0)], dim=1)


def colours(*, image: int = 32) -> Colours:
    """The encoder `colours` on images of `image` pixels."""
    return Colours(ImageInput(size=image))


@dataclass
class Median:
    """The running median of each score over an odd number of frames; how many is chosen by the core on `inner`."""

    candidates: tuple[float, ...]

    def __call__(self, scores_RL: Floats, video: Video, setting: float) -> Floats:
        from scipy.ndimage import median_filter

        smooth_RL: Floats = median_filter(scores_RL, size=(int(setting), 1), mode="nearest")
        return smooth_RL


def median(*, longest: int = 15) -> Median:
    """The smoother `median` with windows of 1, 3, 5, ... frames, up to `longest`."""
    if longest < 1:
        raise UserError(f"longest of median: expected at least 1, got {longest}")
    return Median(tuple(float(frames) for frames in range(1, longest + 1, 2)))


@hookimpl
def provide_encoders() -> Mapping[str, Callable[..., Encoder]]:
    return {"colours": colours}


@hookimpl
def provide_postprocessors() -> Mapping[str, Callable[..., Smoother]]:
    return {"median": median}
