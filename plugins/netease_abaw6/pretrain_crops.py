"""One image as the masked auto-encoder is fed it: decoded, cropped and flipped at random, with the noise that says
which patches are hidden. All chance follows from (seed, epoch, key of the image), so neither the number of processes
nor an interruption changes what any image looks like.

Shapes: C planes, S side of the crop, N patches.
"""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

Box = tuple[int, int, int, int]


class Unreadable(Exception):
    """No image can be made of the bytes; the message says why."""


def chance(seed: int, epoch: int, key: int) -> np.random.Generator:
    """The random numbers of one image in one epoch."""
    return np.random.default_rng([seed % 2**63, epoch, key])


def decoded(content: bytes) -> Pillow.Image:
    """The picture in RGB. Raises Unreadable."""
    try:
        with Pillow.open(io.BytesIO(content)) as picture:
            return picture.convert("RGB")
    except UnidentifiedImageError as error:
        raise Unreadable("no image format that Pillow knows") from error
    except Exception as error:  # what Pillow raises on damaged files is no closed list
        raise Unreadable(f"{type(error).__name__}: {error}".replace("\n", " ")) from error


def crop_box(width: int, height: int, smallest: float, random: np.random.Generator) -> Box:
    """Left, top, right, bottom as torchvision's RandomResizedCrop draws them: a share of `smallest` to 1 of the area,
    aspect log-uniform in [3/4, 4/3], ten tries, then the middle.
    """
    for _ in range(10):
        area = width * height * random.uniform(smallest, 1.0)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < high <= height:
            left, top = int(random.integers(width - wide + 1)), int(random.integers(height - high + 1))
            return left, top, left + wide, top + high
    wide, high = min(width, max(1, round(height * 4 / 3))), min(height, max(1, round(width * 4 / 3)))
    left, top = (width - wide) // 2, (height - high) // 2
    return left, top, left + wide, top + high


def training_crop(
    content: bytes, side: int, patches: int, smallest: float, random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """image_CSS and noise_N, whose largest values say which patches are hidden. Raises Unreadable."""
    picture = decoded(content)
    crop = picture.crop(crop_box(*picture.size, smallest, random)).resize((side, side), Pillow.Resampling.BICUBIC)
    if random.random() < 0.5:
        crop = crop.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT)
    return planes(crop), random.random(patches, dtype=np.float32)


def whole(content: bytes, side: int) -> NDArray[np.uint8]:
    """image_CSS of the whole picture, squashed to a square. Raises Unreadable."""
    return planes(decoded(content).resize((side, side), Pillow.Resampling.BICUBIC))


def planes(picture: Pillow.Image) -> NDArray[np.uint8]:
    """The picture's planes_CHW."""
    return np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))
