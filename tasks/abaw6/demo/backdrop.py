"""What is behind the people: one drawn picture per scene and recording, a function of the seed alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Draw = ImageDraw.ImageDraw


def _mix(a: tuple[float, ...], b: tuple[float, ...], share: float) -> tuple[int, int, int]:
    r, g, c = (int(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return r, g, c


def _fade(draw: Draw, w: int, y0: int, y1: int, top: tuple[float, ...], low: tuple[float, ...]) -> None:
    for y in range(y0, y1):
        draw.line([(0, y), (w, y)], fill=_mix(top, low, (y - y0) / max(1, y1 - y0)))


def _office(draw: Draw, w: int, h: int, rng: np.random.Generator) -> None:
    wall = tuple(rng.uniform((185, 188, 180), (232, 228, 220)))
    _fade(draw, w, 0, h, wall, _mix(wall, (120, 120, 120), 0.3))
    left = bool(rng.random() < 0.5)
    x0 = w * (rng.uniform(0.02, 0.12) if left else rng.uniform(0.55, 0.65))
    x1, y1 = x0 + w * rng.uniform(0.28, 0.38), h * rng.uniform(0.45, 0.65)
    draw.rectangle([x0 - 3, h * 0.03, x1 + 3, y1 + 3], fill=(246, 246, 244))
    panes = int(rng.integers(2, 4))
    for i in range(panes):
        step = (x1 - x0) / panes
        draw.rectangle([x0 + i * step + 2, h * 0.05, x0 + (i + 1) * step - 2, y1], fill=(206, 228, 246))
    sx = w * (0.62 if left else 0.05)
    for shelf in range(3):
        y = h * (0.18 + 0.22 * shelf)
        draw.rectangle([sx, y, sx + w * 0.34, y + h * 0.02], fill=(120, 92, 66))
        x = sx + 2
        while x < sx + w * 0.31:
            thick, tall = w * rng.uniform(0.012, 0.03), h * rng.uniform(0.08, 0.15)
            draw.rectangle([x, y - tall, x + thick, y], fill=tuple(int(v) for v in rng.integers(50, 210, 3)))
            x += thick + 1 + (w * 0.05 if rng.random() < 0.12 else 0)
    draw.rectangle([0, h * 0.9, w, h], fill=(150, 116, 82))


def _street(draw: Draw, w: int, h: int, rng: np.random.Generator) -> None:
    _fade(draw, w, 0, int(h * 0.78), (120, 172, 226), (214, 230, 240))
    x = -w * rng.uniform(0, 0.1)
    while x < w:
        wide, top = w * rng.uniform(0.14, 0.28), h * rng.uniform(0.05, 0.42)
        colour = tuple(int(v) for v in rng.uniform((120, 90, 70), (206, 176, 150)))
        draw.rectangle([x, top, x + wide, h * 0.78], fill=colour)
        pane = _mix(colour, (50, 60, 80), 0.75)
        for wy in np.arange(top + h * 0.05, h * 0.72, h * 0.11):
            for wx in np.arange(x + wide * 0.1, x + wide * 0.85, wide * 0.27):
                draw.rectangle([wx, wy, wx + wide * 0.14, wy + h * 0.06], fill=pane)
        x += wide + w * rng.choice([0.0, 0.05])
    draw.rectangle([0, h * 0.74, w, h], fill=(120, 118, 114))
    for _ in range(int(rng.integers(1, 4))):
        tx, r = w * rng.random(), h * rng.uniform(0.12, 0.2)
        draw.rectangle([tx - r * 0.1, h * 0.5, tx + r * 0.1, h * 0.8], fill=(84, 62, 44))
        for dx, dy in ((-0.5, 0.1), (0.5, 0.0), (0.0, -0.5), (0.0, 0.2)):
            cx, cy = tx + dx * r, h * 0.45 + dy * r
            draw.ellipse([cx - r * 0.8, cy - r * 0.8, cx + r * 0.8, cy + r * 0.8], fill=(62, 116, 54))
    for _ in range(int(rng.integers(1, 3))):
        cx, colour = w * rng.random(), tuple(int(v) for v in rng.integers(40, 230, 3))
        draw.rectangle([cx, h * 0.72, cx + w * 0.26, h * 0.82], fill=colour)
        draw.rectangle([cx + w * 0.05, h * 0.66, cx + w * 0.2, h * 0.73], fill=_mix(colour, (40, 50, 60), 0.6))


def _night(draw: Draw, w: int, h: int, rng: np.random.Generator) -> None:
    _fade(draw, w, 0, h, (8, 12, 34), (40, 34, 52))
    lamps = ((255, 190, 90), (255, 236, 190), (250, 90, 70), (90, 170, 255), (120, 230, 160))
    for _ in range(int(rng.integers(14, 30))):
        x, y, r = w * rng.random(), h * rng.uniform(0.05, 0.85), h * rng.uniform(0.015, 0.07)
        lamp = lamps[int(rng.integers(len(lamps)))]
        draw.ellipse([x - r, y - r, x + r, y + r], fill=_mix((24, 24, 44), lamp, rng.uniform(0.35, 1.0)))
    draw.rectangle([0, h * 0.86, w, h], fill=(26, 24, 34))


def _stage(draw: Draw, w: int, h: int, rng: np.random.Generator) -> None:
    hue = np.array(((120, 20, 34), (34, 26, 96), (70, 20, 92))[int(rng.integers(3))])
    phase, pitch = rng.uniform(0, 6), rng.uniform(0.14, 0.3) * 256 / w
    for x in range(w):
        fold = 0.45 + 0.55 * abs(np.sin(x * pitch + phase + np.sin(x * 0.05)))
        draw.line([(x, 0), (x, h)], fill=tuple(int(v) for v in hue * fold))
    for _ in range(int(rng.integers(2, 5))):
        x0, x1, half = w * rng.random(), w * rng.random(), w * rng.uniform(0.05, 0.13)
        beam = tuple(int(v) for v in rng.uniform((150, 60, 120), (255, 200, 255)))
        draw.polygon([(x0, -5), (x1 - half, h), (x1 + half, h)], fill=(*beam, 70))
        draw.ellipse([x0 - 8, -8, x0 + 8, 8], fill=(*beam, 255))
    draw.rectangle([0, h * 0.92, w, h], fill=(30, 20, 20))


def _home(draw: Draw, w: int, h: int, rng: np.random.Generator) -> None:
    wall = tuple(rng.uniform((196, 150, 104), (226, 190, 150)))
    draw.rectangle([0, 0, w, h], fill=_mix(wall, wall, 0))
    stripe, wide = _mix(wall, (255, 240, 214), 0.3), w * rng.uniform(0.04, 0.09)
    for x in np.arange(0, w, 2 * wide):
        draw.rectangle([x, 0, x + wide, h * 0.7], fill=stripe)
    for _ in range(int(rng.integers(1, 4))):
        x, y = w * rng.random(), h * rng.uniform(0.05, 0.3)
        a, b = w * rng.uniform(0.06, 0.12), h * rng.uniform(0.1, 0.18)
        draw.rectangle([x, y, x + a, y + b], fill=(96, 66, 44))
        draw.rectangle([x + 3, y + 3, x + a - 3, y + b - 3], fill=tuple(int(v) for v in rng.integers(70, 230, 3)))
    sofa = tuple(int(v) for v in rng.uniform((60, 40, 40), (150, 130, 120)))
    draw.rounded_rectangle([w * 0.02, h * 0.58, w * 0.98, h * 1.1], 12, fill=sofa)
    lx = w * rng.choice([0.1, 0.9])
    shade = [(lx - 14, h * 0.38), (lx + 14, h * 0.38), (lx + 8, h * 0.24), (lx - 8, h * 0.24)]
    draw.polygon(shade, fill=(255, 234, 170))
    draw.line([(lx, h * 0.38), (lx, h * 0.7)], fill=(80, 60, 40), width=2)


_BACKDROPS: dict[str, Callable[[Draw, int, int, np.random.Generator], None]] = {
    "office": _office,
    "street": _street,
    "night": _night,
    "stage": _stage,
    "home": _home,
}
SCENES = tuple(_BACKDROPS)


def backdrop(name: str, seed: int, width: int, height: int, defocus: float) -> Image.Image:
    """The RGB picture behind the people of one recording, blurred by `defocus` pixels at a height of 192."""
    picture = Image.new("RGB", (width, height))
    _BACKDROPS[name](ImageDraw.Draw(picture, "RGBA"), width, height, np.random.default_rng(seed))
    return picture.filter(ImageFilter.GaussianBlur(defocus * height / 192.0))
