"""Face images as an encoder wants them: square uint8 first (small, cacheable), normalised floats last.

Shapes: B batch, C H W image planes; uint8 images are B H W 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from harness.ahead import to_device
from harness.types import Image, ImageInput

if TYPE_CHECKING:
    from torch import Tensor


def squares(images: Sequence[Image], spec: ImageInput, pool: ThreadPoolExecutor | None = None) -> Image:
    """Images of any size to uint8 `B x size x size x 3`, antialiased."""
    if not images:
        return np.zeros((0, spec.size, spec.size, 3), np.uint8)
    resize = pool.map if pool else map
    return np.stack(list(resize(lambda image: _square(image, spec), images)))


def normalised(images_BHWC: Image, spec: ImageInput, device: str) -> Tensor:
    """uint8 B H W 3 to float images_BCHW on `device`, (x / 255 - mean) / std."""
    import torch

    images_BCHW = to_device(torch.from_numpy(images_BHWC), device).permute(0, 3, 1, 2).float().div_(255)
    return images_BCHW.sub_(_planes(spec.mean, device)).div_(_planes(spec.std, device))


@cache
def _planes(values: tuple[float, float, float], device: str) -> Tensor:
    """One number per colour on the device, copied there once."""
    import torch

    with torch.inference_mode(mode=False):
        return torch.tensor(values, device=device).view(1, 3, 1, 1)


def _square(image: Image, spec: ImageInput) -> Image:
    from PIL import Image as Pillow

    if image.shape[:2] == (spec.size, spec.size):
        return image
    filters = {"bilinear": Pillow.Resampling.BILINEAR, "bicubic": Pillow.Resampling.BICUBIC}
    return np.asarray(Pillow.fromarray(image).resize((spec.size, spec.size), filters[spec.interpolation]))
