"""A pen for drawing on a head: shapes are noted in face units, turned with the head at once, and painted in order.

Suffixes: N points of all shapes together; x points right, y down, z out of the face.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Points = NDArray[np.float64]

HALF = 1.7  # face units from the middle of a tile to its edge: the face is 2 of the 3.4 units high
OVERSAMPLE = 2

_FAN = np.linspace(0.0, 2.0 * np.pi, 25)[:-1]
_COS, _SIN = np.cos(_FAN), np.sin(_FAN)


def turn(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """The first two rows of the head's rotation (degrees): x and y on the picture of a point (x, y, z)."""
    a, b, c = np.deg2rad((yaw, pitch, roll))
    turn_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    turn_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray((turn_z @ turn_x @ turn_y)[:2])


@cache
def _taper(points: int) -> Points:
    return np.sin(np.linspace(0.25, np.pi - 0.25, points))


class Sketch:
    """Shapes noted in order; `paint` turns and draws them all. Colours are (r, g, b), alpha 0 .. 1."""

    def __init__(self) -> None:
        self._xyz: list[Points] = []
        self._ops: list[tuple[int, tuple[int, ...], bool]] = []

    def area(
        self,
        x: Points,
        y: Points,
        colour: tuple[int, int, int],
        alpha: float = 1.0,
        *,
        lift: float = 0.0,
        flat: float | None = None,
        solid: bool = False,
    ) -> None:
        """A filled outline on the face's surface, `lift` above it, or at depth `flat`; `solid` parts hide the scene."""
        if alpha <= 0.02:
            return
        z = 0.62 - 0.62 * x * x - 0.26 * y * y + lift if flat is None else np.full(len(x), flat)
        self._xyz.append(np.array([x, y, z]))
        self._ops.append((len(x), (*colour, int(255 * min(1.0, alpha))), solid))

    def between(
        self, x: Points, top: Points, low: Points, colour: tuple[int, int, int], alpha: float = 1.0, **place: Any
    ) -> None:
        """What lies between two curves over the same x."""
        self.area(np.concatenate((x, x[::-1])), np.concatenate((top, low[::-1])), colour, alpha, **place)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, colour: tuple[int, int, int], alpha: float = 1.0, **place: Any
    ) -> None:
        """A filled ellipse."""
        self.area(x + rx * _COS, y + ry * _SIN, colour, alpha, **place)

    def soft(
        self, x: float, y: float, rx: float, ry: float, colour: tuple[int, int, int], alpha: float, **place: Any
    ) -> None:
        """A spot that fades outwards: three nested ellipses."""
        for share in (1.0, 0.72, 0.45):
            self.ellipse(x, y, rx * share, ry * share, colour, alpha * 0.4, **place)

    def stroke(
        self, x: Points, y: Points, thick: float, colour: tuple[int, int, int], alpha: float = 1.0, **place: Any
    ) -> None:
        """A line through the points, `thick` in its middle and tapering to both ends."""
        if alpha <= 0.02:
            return
        dx, dy = np.empty_like(x), np.empty_like(y)
        dx[1:-1], dy[1:-1] = x[2:] - x[:-2], y[2:] - y[:-2]
        dx[0], dy[0], dx[-1], dy[-1] = x[1] - x[0], y[1] - y[0], x[-1] - x[-2], y[-1] - y[-2]
        half = thick * _taper(len(x)) / (2.0 * np.hypot(dx, dy) + 1e-9)
        ox, oy = -dy * half, dx * half
        self.area(
            np.concatenate((x + ox, (x - ox)[::-1])), np.concatenate((y + oy, (y - oy)[::-1])), colour, alpha, **place
        )

    def paint(self, rotation: NDArray[np.float64], size: int, ground: tuple[int, int, int]) -> Image.Image:
        """RGBA picture of `size` pixels; edges are smooth by drawing twice as large."""
        side = size * OVERSAMPLE
        xy_2N = rotation @ np.concatenate(self._xyz, axis=1)
        xy_N2 = (xy_2N.T * (side / (2.0 * HALF)) + side / 2.0).ravel().tolist()
        picture, mask = Image.new("RGB", (side, side), ground), Image.new("L", (side, side), 0)
        draw, cover = ImageDraw.Draw(picture, "RGBA"), ImageDraw.Draw(mask)
        at = 0
        for count, ink, solid in self._ops:
            corners = xy_N2[at : at + 2 * count]
            draw.polygon(corners, fill=ink)
            if solid:
                cover.polygon(corners, fill=255)
            at += 2 * count
        picture.putalpha(mask)
        return picture.reduce(OVERSAMPLE)
