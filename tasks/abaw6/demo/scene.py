"""Where a recording takes place: the place behind the people and what its light and its camera do to their faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from abaw6.demo.backdrop import SCENES, backdrop
from abaw6.demo.face import FACE_SHARE, Pose, face_box, picture
from abaw6.demo.person import Person
from harness.errors import unknown
from harness.types import Box

__all__ = ["SCENES", "Placed", "Setting", "compose", "crop", "random_setting"]

Placed = tuple[Person, Sequence[float], Pose, tuple[float, float], float]
Range = tuple[float, float]
Light = tuple[float, float, float]


@dataclass(frozen=True)
class Setting:
    """One recording's place, light and camera: a draw of `random_setting`."""

    name: str
    seed: int  # of the backdrop and the grain
    light_from: float  # degrees: 0 right, 90 below, 180 left, 270 above
    light_edge: float  # how abruptly light turns to shade
    lit: Light  # share of light that the lit and
    shade: Light  # the shaded side of a face get, per colour
    gain: float
    contrast: float
    gamma: float
    tint: Light
    blur: float  # pixels at a height of 192
    defocus: float  # of the backdrop
    grain: float  # standard deviation, grey levels
    flicker: float  # how far the gain swings
    flicker_hz: float


@dataclass(frozen=True)
class _Look:
    """From what ranges a scene's recordings are drawn."""

    light_from: tuple[Range, ...]
    light_edge: Range
    lit: Light
    shade: Light
    gain: Range
    contrast: Range
    gamma: Range
    tint: Light
    blur: Range
    defocus: Range
    grain: Range
    flicker: Range = (0.0, 0.0)


_LOOKS = {
    # bright and even, cool daylight from a window at one side
    "office": _Look(((150, 210), (-30, 30)), (1.0, 2.0), (1.0, 1.0, 1.0), (0.74, 0.78, 0.84), (1.0, 1.12), (0.85, 1.0),
                    (0.88, 1.0), (0.97, 1.0, 1.02), (0.2, 0.5), (0.6, 1.4), (1.5, 3.0)),
    # a hard sun from above at one side: half of the face in shade
    "street": _Look(((195, 240), (300, 345)), (4.0, 8.0), (1.0, 0.98, 0.9), (0.5, 0.54, 0.64), (0.98, 1.15),
                    (1.05, 1.22), (0.95, 1.1), (1.03, 1.0, 0.95), (0.2, 0.6), (0.8, 1.8), (1.0, 2.5)),
    # dark, grainy, blue, with a warm lamp at one side
    "night": _Look(((0, 360),), (1.5, 3.5), (1.0, 0.86, 0.66), (0.46, 0.52, 0.72), (0.75, 1.0), (0.82, 1.0),
                   (0.95, 1.15), (0.92, 0.98, 1.12), (0.5, 0.95), (1.5, 2.6), (5.0, 9.0), (0.0, 0.06)),
    # coloured spots from above, soft focus
    "stage": _Look(((240, 300),), (1.5, 3.0), (1.0, 0.8, 0.94), (0.52, 0.34, 0.6), (1.0, 1.3), (1.1, 1.35),
                   (0.9, 1.1), (1.12, 0.88, 1.02), (0.5, 0.9), (1.0, 2.0), (2.0, 5.0), (0.05, 0.16)),
    # warm, low contrast, a lamp below eye level
    "home": _Look(((20, 70), (110, 160)), (1.0, 2.0), (1.0, 0.93, 0.8), (0.66, 0.55, 0.44), (0.9, 1.1), (0.7, 0.86),
                  (0.85, 1.0), (1.08, 0.98, 0.84), (0.4, 0.85), (0.8, 1.6), (2.5, 5.0)),
}  # fmt: skip


def random_setting(rng: np.random.Generator, name: str) -> Setting:
    """A recording's setting of the scene `name`; UserError where there is no such scene."""
    if name not in _LOOKS:
        raise unknown("scene", name, SCENES)
    look = _LOOKS[name]
    where = look.light_from[int(rng.integers(len(look.light_from)))]

    def colour(mean: Light, sd: float) -> Light:
        r, g, b = (float(v) for v in np.asarray(mean) + rng.uniform(-sd, sd, 3))
        return r, g, b

    return Setting(
        name=name,
        seed=int(rng.integers(2**31)),
        light_from=float(rng.uniform(*where)),
        light_edge=float(rng.uniform(*look.light_edge)),
        lit=colour(look.lit, 0.0),
        shade=colour(look.shade, 0.06),
        gain=float(rng.uniform(*look.gain)),
        contrast=float(rng.uniform(*look.contrast)),
        gamma=float(rng.uniform(*look.gamma)),
        tint=colour(look.tint, 0.06),
        blur=float(rng.uniform(*look.blur)),
        defocus=float(rng.uniform(*look.defocus)),
        grain=float(rng.uniform(*look.grain)),
        flicker=float(rng.uniform(*look.flicker)),
        flicker_hz=float(rng.uniform(0.3, 1.5)),
    )


@lru_cache(maxsize=8)
def _backdrop(setting: Setting, width: int, height: int) -> Image.Image:
    return backdrop(setting.name, setting.seed, width, height, setting.defocus)


@lru_cache(maxsize=16)
def _light(setting: Setting, size: int) -> Image.Image:
    """How much light each pixel of a head's picture gets: from lit to shaded across the face."""
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    towards = np.cos(np.deg2rad(setting.light_from)) * x + np.sin(np.deg2rad(setting.light_from)) * y
    share = 1.0 / (1.0 + np.exp(-2.2 * setting.light_edge * (towards + 0.05)))
    lit, shade = np.asarray(setting.lit), np.asarray(setting.shade)
    gain = np.clip(shade + (lit - shade) * share[..., None], 0.0, 1.0)
    return Image.fromarray((gain * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BILINEAR)


@lru_cache(maxsize=8)
def _grain(setting: Setting, width: int, height: int) -> NDArray[np.int16]:
    """A field of noise larger than a frame, from which each frame cuts its own piece."""
    field = np.random.default_rng(setting.seed).normal(0.0, setting.grain, (2 * height, 2 * width))
    return np.rint(field).astype(np.int16)


def _tone(setting: Setting, t: float) -> list[int]:
    """The camera's curve, one table of 256 per colour: contrast, gamma, gain and tint at second t."""
    gain = setting.gain * (1.0 + setting.flicker * np.sin(2 * np.pi * setting.flicker_hz * t))
    value = np.clip(0.45 + setting.contrast * (np.linspace(0.0, 1.0, 256) - 0.45), 0.0, 1.0) ** setting.gamma * gain
    return [int(v) for tint in setting.tint for v in np.clip(value * tint * 255.0, 0, 255)]


def _body(frame: Image.Image, setting: Setting, person: Person, x: float, y: float, unit: float) -> None:
    """Shoulders below a face at (x, y) whose half height is `unit` pixels."""
    dim = (np.asarray(setting.lit) + np.asarray(setting.shade)) / 2.0
    cloth = tuple(int(v) for v in np.asarray(person.clothes) * dim)
    skin = tuple(int(v) for v in np.asarray(person.skin) * 0.78 * dim)
    wide, top = 1.85 * unit * person.width / 0.76, y + 1.2 * unit
    shape = [(-1.0, 3.4), (-0.97, 0.75), (-0.8, 0.32), (-0.3, 0.0), (0.3, 0.0), (0.8, 0.32), (0.97, 0.75), (1.0, 3.4)]
    draw = ImageDraw.Draw(frame)
    draw.rectangle([x - 0.42 * unit, y + 0.3 * unit, x + 0.42 * unit, top + 0.2 * unit], fill=skin)
    draw.polygon([(x + a * wide, top + b * unit) for a, b in shape], fill=cloth)
    draw.ellipse([x - 0.46 * unit, top - 0.2 * unit, x + 0.46 * unit, top + 0.26 * unit], fill=skin)


def compose(
    setting: Setting,
    faces: Sequence[Placed],
    t: float,
    rng: np.random.Generator,
    width: int,
    height: int,
) -> tuple[NDArray[np.uint8], list[Box]]:
    """One frame and the boxes of its faces, in the given order.

    faces: (person, twelve action units, pose, (centre x, centre y) as shares of the frame, face height as a share
        of the frame's height); later ones stand in front.
    t: seconds since the recording's start (the light may flicker).
    rng: grain and the detector's small unsteadiness; the only thing that is random here.

    Returns a `height` x `width` x 3 RGB frame and each face's box, with a little room, in its pixels.
    """
    frame = _backdrop(setting, width, height).copy()
    boxes = []
    for person, au_12, pose, (cx, cy), scale in faces:
        x, y, size = cx * width, cy * height, max(8, round(scale * height / FACE_SHARE))
        _body(frame, setting, person, x, y, scale * height / 2.0)
        head = picture(person, au_12, pose, size)
        left, top = round(x - size / 2), round(y - size / 2)
        lit = ImageChops.multiply(head.convert("RGB"), _light(setting, size))
        frame.paste(lit, (left, top), head.getchannel("A"))
        boxes.append(_steady(face_box(person, au_12, pose), left, top, size, rng))
    if setting.blur * height / 192.0 > 0.15:
        frame = frame.filter(ImageFilter.BoxBlur(setting.blur * height / 192.0))
    pixels_HWC = np.asarray(frame.point(_tone(setting, t))).astype(np.int16)
    dy, dx = int(rng.integers(height)), int(rng.integers(width))
    pixels_HWC += _grain(setting, width, height)[dy : dy + height, dx : dx + width, None]
    return np.clip(pixels_HWC, 0, 255).astype(np.uint8), boxes


def _steady(share: Box, left: int, top: int, size: int, rng: np.random.Generator) -> Box:
    """The box in the frame's pixels, grown by 4 % to each side and moved by up to 1.5 %, as detectors do."""
    w, h = (share.x1 - share.x0) * size, (share.y1 - share.y0) * size
    dx0, dy0, dx1, dy1 = rng.uniform(-0.015, 0.015, 4)
    return Box(
        left + share.x0 * size + (dx0 - 0.04) * w,
        top + share.y0 * size + (dy0 - 0.04) * h,
        left + share.x1 * size + (dx1 + 0.04) * w,
        top + share.y1 * size + (dy1 + 0.04) * h,
    )


def crop(frame: NDArray[np.uint8], box: Box, size: int = 112, margin: float = 1.3) -> NDArray[np.uint8]:
    """The square around `box`, `margin` times its longer side, as `size` x `size` RGB; beyond the frame its edge."""
    side = max(box.x1 - box.x0, box.y1 - box.y0) * margin
    x0, y0 = (box.x0 + box.x1 - side) / 2.0, (box.y0 + box.y1 - side) / 2.0
    height, width = frame.shape[:2]
    left, top, right, low = int(np.floor(x0)), int(np.floor(y0)), int(np.ceil(x0 + side)), int(np.ceil(y0 + side))
    inside = frame[max(0, top) : max(0, low), max(0, left) : max(0, right)]
    room = [(max(0, -top), max(0, low - height)), (max(0, -left), max(0, right - width)), (0, 0)]
    if any(map(any, room)):
        inside = np.pad(inside, room, mode="edge")
    within = (x0 - left, y0 - top, x0 - left + side, y0 - top + side)
    return np.asarray(Image.fromarray(inside).resize((size, size), Image.Resampling.BILINEAR, box=within))
