"""Face images as an encoder wants them: square uint8 first (small, cacheable), normalised floats last.

Shapes: B batch, C H W image planes; uint8 images are B H W 3.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from harness.ahead import to_device
from harness.types import Image, ImageInput, Video, View

if TYPE_CHECKING:
    from torch import Tensor

KEPT_BYTES = 2 << 30  # squares kept between epochs, stages and splits


class Squares:
    """Faces as squares, each decoded once as long as they fit into `KEPT_BYTES`; then the oldest are let go.

    Fine-tuning sees a frame many times, encoding and the next split see it again. Threads may share one.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[ImageInput, str, int], Image] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def of(self, view: View, spec: ImageInput, video: Video, frames: Sequence[int]) -> list[Image]:
        """These frames of a video, each uint8 `size x size x 3`; not to be written to."""
        with self._lock:
            places = {frame: (spec, video.key, frame) for frame in frames}
            found = {frame: self._kept[place] for frame, place in places.items() if place in self._kept}
        missing = [frame for frame in places if frame not in found]
        if missing:
            images = view.images(video, missing)
            new = {frame: square(image, spec) for frame, image in zip(missing, images, strict=True)}
            found |= new
            with self._lock:
                self._keep(spec, video.key, new)
        return [found[frame] for frame in frames]

    def _keep(self, spec: ImageInput, video: str, new: dict[int, Image]) -> None:
        for frame, square in new.items():
            if (spec, video, frame) not in self._kept:
                self._kept[spec, video, frame] = square
                self._bytes += square.nbytes
        while self._bytes > KEPT_BYTES:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes


def square(image: Image, spec: ImageInput) -> Image:
    """An image of any size as uint8 `size x size x 3`, antialiased; one of that size is itself."""
    from PIL import Image as Pillow

    if image.shape[:2] == (spec.size, spec.size):
        return image
    filters = {"bilinear": Pillow.Resampling.BILINEAR, "bicubic": Pillow.Resampling.BICUBIC}
    return np.asarray(Pillow.fromarray(image).resize((spec.size, spec.size), filters[spec.interpolation]))


def stacked(squares: Sequence[Image], size: int, device: str) -> Tensor:
    """images_BHWC, uint8 `B x size x size x 3`, in memory that `device` can fetch them from while it computes."""
    import torch

    images_BHWC = torch.empty(len(squares), size, size, 3, dtype=torch.uint8, pin_memory=device.startswith("cuda"))
    for image_HWC, square_HWC in zip(images_BHWC.numpy(), squares, strict=True):
        image_HWC[:] = square_HWC
    return images_BHWC


def normalised(images_BHWC: Tensor, spec: ImageInput, device: str) -> Tensor:
    """uint8 images_BHWC to float images_BCHW on `device`, (x / 255 - mean) / std."""
    images_BCHW = to_device(images_BHWC, device).permute(0, 3, 1, 2).float().div_(255)
    return images_BCHW.sub_(_planes(spec.mean, device)).div_(_planes(spec.std, device))


@cache
def _planes(values: tuple[float, float, float], device: str) -> Tensor:
    """One number per colour on the device, copied there once."""
    import torch

    with torch.inference_mode(mode=False):
        return torch.tensor(values, device=device).view(1, 3, 1, 1)
