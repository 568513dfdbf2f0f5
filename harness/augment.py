"""How images are varied in fine-tuning: mirrored, cropped, moved, lit, coloured, erased.

What varies is drawn first, image by image from one random stream, and applied later in any thread. A crop that loses
the face is refilled from a neighbouring frame (paper 3.4). An image is uint8, H x W x 3, with H = W.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.types import Image, Recipe

Rectangle = tuple[float, float, float, float]  # top, left, height, width as shares of the image
WHOLE: Rectangle = (0.0, 0.0, 1.0, 1.0)
NEIGHBOURS = (-1, 1)  # which frames stand in for one whose face was lost
INNER_FACE = 0.5  # eyes, nose and mouth of a face cut out with a margin of 1.3 lie in this middle part of the image
FACE_KEPT = 0.5  # a view with less than this share of that part has lost the face
ERASED, RATIOS = (0.02, 0.2), (0.3, 1 / 0.3)  # area and shape of what is erased


@dataclass(frozen=True)
class Variation:
    """What happens to one image. `neighbour` says which frame of the video stands in: 0 itself, -1 before, 1 after."""

    neighbour: int = 0
    mirrored: bool = False
    crop: Rectangle = WHOLE
    move: tuple[int, int] = (0, 0)  # pixels down, right
    gain: float = 1.0
    lift: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    erased: Rectangle | None = None


def draw(rng: np.random.Generator, size: int, recipe: Recipe) -> Variation:
    """The next variation of an image of `size` pixels.

    A view without the face is given up for one of the frame before, then of the frame after, then for all of the frame.
    """
    mirrored = bool(rng.random() < recipe.flip)
    move = _move(rng, size, recipe)
    gain, lift = 1 + recipe.augment * rng.uniform(-0.25, 0.25), recipe.augment * rng.uniform(-20, 20)
    crop = _crop(rng, recipe.crop)
    stand_ins = iter(NEIGHBOURS)
    neighbour = 0
    while face_kept(crop, move, size) < FACE_KEPT:
        neighbour = next(stand_ins, 0)
        crop, move = (_crop(rng, recipe.crop), _move(rng, size, recipe)) if neighbour else (WHOLE, (0, 0))
    contrast, saturation = _colours(rng, recipe) if recipe.colour else (1.0, 1.0)
    erased = _erased(rng) if recipe.erase and rng.random() < recipe.erase else None
    return Variation(neighbour, mirrored, crop, move, gain, lift, contrast, saturation, erased)


def face_kept(crop: Rectangle, move: tuple[int, int], size: int) -> float:
    """The share of the image's middle part, where a face's landmarks are, that a crop moved by `move` pixels shows.

    >>> face_kept(WHOLE, (0, 0), 64), face_kept((0.0, 0.0, 0.5, 0.5), (0, 0), 64), face_kept(WHOLE, (48, 0), 64)
    (1.0, 0.25, 0.0)
    """
    low, high = (1 - INNER_FACE) / 2, (1 + INNER_FACE) / 2
    top, left, height, width = crop
    shown = 1.0
    for begin, length, pixels in ((top, height, move[0]), (left, width, move[1])):
        begin += pixels / size * length
        shown *= max(0.0, min(high, begin + length) - max(low, begin)) / INNER_FACE
    return shown


def augmented(images: Sequence[Image], variations: Sequence[Variation]) -> list[Image]:
    """Each image as its variation says. What a move uncovers repeats the edge; the images given stay as they are."""
    return [_varied(image, one) for image, one in zip(images, variations, strict=True)]


def _varied(image: Image, one: Variation) -> Image:
    size = image.shape[0]
    if one.mirrored:
        image = image[:, ::-1]
    if one.crop != WHOLE:
        image = _resized(image, one.crop)
    lit = np.clip(np.arange(256) * one.gain + one.lift, 0, 255).astype(np.uint8)  # of each value a pixel may have
    out: Image = np.take(lit, _moved(image, *one.move))
    if (one.contrast, one.saturation) != (1.0, 1.0):
        out = _coloured(out, one)
    if one.erased is not None:
        top, left, height, width = (round(share * size) for share in one.erased)
        out[top : top + height, left : left + width] = out.reshape(-1, 3).mean(axis=0)
    return out


def _move(rng: np.random.Generator, size: int, recipe: Recipe) -> tuple[int, int]:
    reach = round(recipe.shift * size * recipe.augment)
    down, right = rng.integers(-reach, reach + 1, size=2)
    return int(down), int(right)


def _crop(rng: np.random.Generator, least: float) -> Rectangle:
    if least == 1:
        return WHOLE
    side = math.sqrt(rng.uniform(least, 1))
    top, left = rng.uniform(0, 1 - side, size=2)
    return float(top), float(left), side, side


def _colours(rng: np.random.Generator, recipe: Recipe) -> tuple[float, float]:
    reach = min(1.0, recipe.colour * recipe.augment)
    contrast, saturation = rng.uniform(1 - reach, 1 + reach, size=2)
    return float(contrast), float(saturation)


def _erased(rng: np.random.Generator) -> Rectangle:
    area, ratio = rng.uniform(*ERASED), math.exp(rng.uniform(*np.log(RATIOS)))
    height, width = min(1.0, math.sqrt(area * ratio)), min(1.0, math.sqrt(area / ratio))
    return rng.uniform(0, 1 - height), rng.uniform(0, 1 - width), height, width


def _resized(image: Image, crop: Rectangle) -> Image:
    from PIL import Image as Pillow

    size = image.shape[0]
    top, left, height, width = (share * size for share in crop)
    box = (left, top, min(size, left + width), min(size, top + height))
    whole = Pillow.fromarray(np.ascontiguousarray(image))
    return np.asarray(whole.resize((size, size), Pillow.Resampling.BILINEAR, box=box))


def _moved(image: Image, down: int, right: int) -> Image:
    """The view that begins `down` and `right` pixels further; beyond the image its edge repeats."""
    if (down, right) == (0, 0):
        return image
    size = image.shape[0]
    ahead = ((max(0, -down), max(0, down)), (max(0, -right), max(0, right)), (0, 0))
    return np.pad(image, ahead, mode="edge")[max(0, down) :, max(0, right) :][:size, :size]


def _coloured(image: Image, one: Variation) -> Image:
    from PIL import Image as Pillow
    from PIL import ImageEnhance

    picture = ImageEnhance.Contrast(Pillow.fromarray(image)).enhance(one.contrast)
    return np.array(ImageEnhance.Color(picture).enhance(one.saturation))
