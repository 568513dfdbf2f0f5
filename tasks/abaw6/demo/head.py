"""A head without expression: skull, hair, ears, beard and glasses of one person, and how they are coloured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from abaw6.demo.person import Colour, Person
from abaw6.demo.sketch import Points, Sketch

_ARC = np.linspace(0.0, 2.0 * np.pi, 41)[:-1]
_LINE = np.linspace(0.0, 1.0, 7)
_HAIRLINES = {"short": -0.72, "side": -0.7, "fringe": -0.68, "long": -0.74, "curly": -0.7, "bun": -0.78}
_RIMS: dict[str, Colour] = {"round": (120, 96, 60), "square": (70, 70, 78), "dark-rim": (24, 22, 24)}


def join(first: Points, second: Points) -> Points:
    """Two runs of points as one outline."""
    return np.concatenate((first, second))


class Head:
    """Draws the parts that only the jaw moves; `au(name, s)` is how far a muscle moves on side s of this person."""

    def __init__(self, person: Person, intensity: Mapping[str, float]) -> None:
        self.who, self.pen, self._intensity = person, Sketch(), intensity

    def au(self, name: str, s: int = 0) -> float:
        return self._intensity[name] * self.who.expressive * (1.0 - s * self.who.lean)

    @property
    def jaw(self) -> float:
        """How far the jaw is down, face units."""
        return 0.2 * self.au("AU26")

    def tone(self, factor: float, warm: float = 0.0) -> Colour:
        """The skin's colour, darker or lighter; `warm` moves it towards red."""
        deeper = 14.0 if factor < 0.7 else 0.0  # so that folds show on dark skin as well
        shift = np.array((18.0, -10.0, 0.0)) * warm - deeper
        r, g, b = np.clip(np.asarray(self.who.skin) * factor + shift, 0, 255).astype(int).tolist()
        return r, g, b

    def outline(self) -> tuple[Points, Points]:
        """The contour of forehead, cheeks and chin."""
        x, y = np.cos(_ARC), np.sin(_ARC)
        low = np.clip(y, 0.0, 1.0)
        broad = self.who.width * (1.0 - self.who.taper * low**1.6)
        return x * broad * np.abs(np.cos(_ARC)) ** -0.12, y + self.jaw * low**1.5

    def hair_behind(self) -> None:
        who, pen = self.who, self.pen
        w = who.width
        if who.hair_shape == "long":
            x = np.array([-1.18, -1.2, -0.95, -0.5, 0.0, 0.5, 0.95, 1.2, 1.18, 0.9, -0.9]) * w
            y = np.array([1.35, -0.2, -0.85, -1.17, -1.25, -1.17, -0.85, -0.2, 1.35, 1.45, 1.45])
            pen.area(x, y, who.hair, flat=-0.25, solid=True)
        elif who.hair_shape == "curly":
            for turn_at in np.linspace(-0.35, np.pi + 0.35, 13):
                x, y = np.cos(turn_at) * w * 1.1, -0.25 - np.sin(turn_at) * 0.86
                pen.ellipse(x, y, 0.27, 0.27, who.hair, flat=-0.1, solid=True)
        elif who.hair_shape == "bun":
            pen.ellipse(0.0, -1.26, 0.3, 0.26, who.hair, flat=-0.3, solid=True)
        if who.hair_shape not in ("bald", "curly"):
            pen.ellipse(0.0, -0.32, w * 1.1, 0.87, who.hair, flat=-0.1, solid=True)

    def head(self) -> None:
        who, pen = self.who, self.pen
        neck = np.array([-0.42, 0.42, 0.44, 0.3, -0.3, -0.44]) * (who.width / 0.76)
        pen.area(neck, np.array([0.4, 0.4, 1.2, 1.36, 1.36, 1.2]), self.tone(0.78), flat=-0.2, solid=True)
        for s in (-1, 1):
            pen.ellipse(s * who.width * 1.0, -0.02, 0.11, 0.2, self.tone(0.9, 0.4), flat=-0.06, solid=True)
            pen.ellipse(s * who.width * 1.0, -0.02, 0.05, 0.12, self.tone(0.72), flat=-0.05)
            if who.earrings:
                pen.ellipse(s * who.width * 1.03, 0.23, 0.045, 0.06, (226, 196, 96), flat=0.0, solid=True)
        x, y = self.outline()
        pen.area(x, y, self.tone(0.84), flat=0.0, solid=True)
        pen.area(x * 0.95, y * 0.965 - 0.012, self.tone(0.95), flat=0.04)
        pen.area(x * 0.84, y * 0.9 - 0.03, who.skin, flat=0.1)
        if who.freckles:
            marks = np.random.default_rng(who.freckles)
            for mx, my in marks.uniform((-0.45, 0.0), (0.45, 0.35), (14, 2)):
                pen.ellipse(mx, my, 0.012, 0.012, self.tone(0.66), 0.7)
        if who.beard in ("full", "stubble"):
            low = y > 0.12
            bx, by = x[low] * 0.98, y[low] * 0.985
            rise = np.linspace(-1, 1, 9)
            side = who.width * 0.93
            alpha = 0.93 if who.beard == "full" else 0.28
            up = 0.36 + self.jaw * 0.3 - 0.3 * rise**4 + 0.05 * np.cos(rise * np.pi)
            pen.area(join(bx, side * rise), join(by, up), who.hair, alpha, flat=0.1)

    def hair_front(self) -> None:
        who, pen = self.who, self.pen
        if who.hair_shape == "bald":
            return
        w = who.width * 1.06
        t = np.linspace(-1.0, 1.0, 15)
        crown = -0.3 - 0.89 * np.sqrt(np.clip(1.0 - (0.97 * t) ** 2, 0.0, 1.0))
        hairline = _HAIRLINES[who.hair_shape] + 0.5 * np.abs(t) ** 3.2
        if who.hair_shape == "side":
            hairline = hairline + 0.16 * t
        elif who.hair_shape == "fringe":
            hairline = hairline + 0.05 * np.abs(np.sin(t * 7.0))
        elif who.hair_shape == "long":
            hairline = hairline + 0.14 * np.clip(np.abs(t) - 0.3, 0, 1) + 0.03
        ends = np.clip(hairline, None, -0.12 if who.hair_shape in ("long", "fringe") else -0.25)
        pen.area(join(t * w, (t * w * 0.98)[::-1]), join(crown, ends[::-1]), who.hair, flat=0.16, solid=True)
        shine: Colour = (min(255, who.hair[0] + 34), min(255, who.hair[1] + 30), min(255, who.hair[2] + 26))
        pen.stroke(0.75 * w * (_LINE - 0.7), -0.93 + 0.12 * (_LINE - 0.4) ** 2, 0.07, shine, 0.5, flat=0.2)

    def glasses(self) -> None:
        who, pen = self.who, self.pen
        if not who.glasses:
            return
        ink = _RIMS[who.glasses]
        thick = 0.045 if who.glasses == "dark-rim" else 0.028
        hole = 1.0 - thick / 0.2
        power = 1.0 if who.glasses == "round" else 0.45
        c, s_ = np.cos(_ARC), np.sin(_ARC)
        rim_x, rim_y = np.sign(c) * np.abs(c) ** power, np.sign(s_) * np.abs(s_) ** power
        for s in (-1, 1):
            centre = s * who.eye_gap
            pen.area(centre + 0.235 * rim_x, -0.1 + 0.19 * rim_y, (215, 230, 240), 0.1, lift=0.12)
            ring_x, ring_y = join(rim_x, rim_x[:1]), join(rim_y, rim_y[:1])
            ring_x, ring_y = join(ring_x, ring_x[::-1] * hole), join(ring_y, ring_y[::-1] * hole)
            pen.area(centre + 0.235 * ring_x, -0.1 + 0.19 * ring_y, ink, lift=0.12)
            reach = np.array([who.eye_gap + 0.235, who.width])
            pen.between(s * reach, np.array([-0.16, -0.14]), np.array([-0.12, -0.1]), ink, 0.9, flat=0.1)
        gap = who.eye_gap - 0.235
        bridge = np.array([-0.15, -0.15])
        pen.between(np.array([-gap, gap]), bridge, bridge + thick, ink, lift=0.14)
