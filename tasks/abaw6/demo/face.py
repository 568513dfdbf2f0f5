"""A face drawn from its action units (FACS: Ekman and Friesen 1978; Ekman, Friesen and Hager 2002).

Each action unit moves or marks what its muscle moves; a person's own features, lean and expressiveness come on top.
Face units as in `person`; the side s is -1 on the left of the picture and +1 on the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from abaw6.demo.head import Head, join
from abaw6.demo.person import Colour, Person
from abaw6.demo.sketch import HALF, Points, turn
from harness.types import Box

AUS = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26")
HAIRLINE = -0.78  # detectors' boxes start about there
FACE_SHARE = 1.0 / HALF  # the face's height, forehead to chin, as a share of the picture's

_T = np.linspace(-1.0, 1.0, 15)
_LINE = np.linspace(0.0, 1.0, 7)
_BOW = 1.0 - 0.2 * np.exp(-((_T / 0.16) ** 2))
_LENS = (1.0 - _T**2) ** 0.75


@dataclass(frozen=True)
class Pose:
    """Where the head and the eyes turn: degrees (yaw to the picture's right, pitch up), blink 0 .. 1, gaze -1 .. 1."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    blink: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0


class _Face(Head):
    """One face to draw, part by part."""

    def __init__(self, person: Person, au_12: Sequence[float], pose: Pose) -> None:
        if len(au_12) != len(AUS):
            raise ValueError(f"expected {len(AUS)} action units, got {len(au_12)}")
        super().__init__(person, {au: min(1.0, max(0.0, float(v))) for au, v in zip(AUS, au_12, strict=True)})
        self.pose = pose

    def forehead(self) -> None:
        fold, pen = self.tone(0.62), self.pen
        for row in range(3):
            rest = 0.12 * self.who.folds
            y = -0.59 - 0.1 * row + self.who.brow_height * 0.5
            inner = rest + 0.75 * self.au("AU1")
            pen.stroke(0.52 * (_LINE - 0.5), y + 0.03 * np.sin(_LINE * np.pi), 0.034, fold, inner)
            for s in (-1, 1):
                x = s * (0.28 + 0.3 * _LINE)
                pen.stroke(x, y + 0.02 + 0.07 * _LINE, 0.034, fold, rest + 0.75 * self.au("AU2", s))
        frown = self.au("AU4")
        if frown > 0.02 or self.who.folds > 0.4:
            pen.soft(0.0, -0.33, 0.16, 0.13, self.tone(0.66), 0.5 * frown)
            for s in (-1, 1):
                x = s * (0.062 - 0.02 * frown) + 0.012 * s * np.sin(_LINE * np.pi)
                pen.stroke(x, -0.47 + 0.24 * _LINE, 0.03, self.tone(0.5), 0.14 * self.who.folds + 0.85 * frown)

    def brows(self) -> None:
        who = self.who
        r, g, b = (min(int(h * 0.85), d) for h, d in zip(who.hair, self.tone(0.55), strict=True))
        ink: Colour = (r, g, b)
        for s in (-1, 1):
            up_in, up_out, down = self.au("AU1", s), self.au("AU2", s), self.au("AU4", s)
            together = np.array([0.07, 0.055, 0.04, 0.03, 0.02]) * down
            x = s * (who.eye_gap + np.array([-0.22, -0.11, 0.0, 0.11, 0.23]) - together)
            rest = np.array([-0.365, -0.41, -0.43, -0.42, -0.365]) + who.brow_height
            slant = who.brow_slant * np.array([1.0, 0.5, 0.0, -0.5, -1.0])
            raise_in = np.array([0.17, 0.14, 0.07, 0.015, 0.0]) * up_in
            raise_out = np.array([0.0, 0.035, 0.1, 0.16, 0.17]) * up_out
            y = rest + slant - raise_in - raise_out + np.array([0.13, 0.12, 0.09, 0.06, 0.03]) * down
            half = np.array([0.028, 0.036, 0.034, 0.026, 0.008]) * who.brow_thick
            self.pen.between(x, y - half, y + half, ink, 0.95, lift=0.03)

    def eyes(self) -> None:
        for s in (-1, 1):
            self._eye(s)

    def _eye(self, s: int) -> None:
        who, pen = self.who, self.pen
        cheek, tight = self.au("AU6", s), self.au("AU7", s)
        open_by = who.lid * (1.0 + 0.16 * max(self.au("AU1", s), self.au("AU2", s)) - 0.1 * self.au("AU4", s))
        top = 0.115 * open_by * (1.0 - 0.52 * tight) * (1.0 - self.pose.blink)
        low = 0.078 * who.lid * (1.0 - 0.75 * tight) * (1.0 - 0.7 * cheek) * (1.0 - 0.6 * self.pose.blink)
        low = max(low, -0.6 * top)
        half = 0.185 * who.eye_size
        cx, cy = s * who.eye_gap, -0.13 + 0.02 * self.pose.blink
        tilt = -s * who.eye_tilt * _T * 2.0
        x, lens = cx + half * _T, _LENS
        y_top, y_low = cy + tilt - top * lens, cy + tilt + low * lens
        pen.soft(cx, cy - 0.06, 0.24, 0.17, self.tone(0.74), 0.3)
        pen.between(x, y_top, y_low, (244, 242, 238), lift=0.02)
        if top + low > 0.02:
            ix, iy = cx + 0.05 * self.pose.gaze_x, cy - 0.008 - 0.03 * self.pose.gaze_y
            r = 0.094
            pen.ellipse(ix, iy, r, r, who.eye, lift=0.02)
            pen.ellipse(ix, iy, r * 0.48, r * 0.48, (14, 12, 12), lift=0.02)
            pen.ellipse(ix + 0.022, iy - 0.026, 0.015, 0.015, (255, 255, 255), lift=0.02)
        lid = self.tone(0.86)
        pen.between(x, y_top, cy + tilt - 0.155 * lens, lid, lift=0.03)
        pen.between(x, y_low, cy + tilt + 0.115 * lens, self.tone(0.97), lift=0.03)
        pen.stroke(x, y_top, 0.034, (34, 24, 22), 0.95, lift=0.04)
        pen.stroke(x, y_low, 0.016, self.tone(0.5), 0.55 + 0.4 * tight, lift=0.04)
        if tight > 0.02:  # the lids' bulges: a hard line below the lower and a shade above the upper lid
            pen.stroke(x, cy + tilt + low * lens + 0.045 * lens + 0.012, 0.032, self.tone(0.55), 0.8 * tight, lift=0.03)
            pen.stroke(x, y_top - 0.04, 0.045, self.tone(0.6), 0.75 * tight, lift=0.03)

    def cheeks(self) -> None:
        pen, who = self.pen, self.who
        for s in (-1, 1):
            up = self.au("AU6", s)
            if up > 0.02:
                pen.soft(s * 0.42, 0.2 - 0.06 * up, 0.25, 0.17, self.tone(1.08, 1.6), 0.95 * up)
                x = s * (0.2 + 0.36 * _LINE)
                pen.stroke(x, 0.045 + 0.055 * np.sin(_LINE * np.pi) - 0.04 * _LINE, 0.045, self.tone(0.6), 0.85 * up)
            for ray in (-1, 0, 1):
                x = s * (who.eye_gap + 0.215 + 0.13 * _LINE)
                y = -0.12 + 0.045 * ray + 0.075 * ray * _LINE
                pen.stroke(x, y, 0.034, self.tone(0.55), 0.12 * who.folds + 0.85 * up)

    def nose(self) -> None:
        pen, who = self.pen, self.who
        lift = self.au("AU10")
        tip = 0.2 + who.nose_length
        wing = tip - 0.025 * lift
        pen.area(
            np.array([-0.05, 0.05, 0.085 * who.nose, 0.12 * who.nose, -0.12 * who.nose, -0.085 * who.nose]),
            np.array([-0.2, -0.2, tip - 0.12, tip, tip, tip - 0.12]),
            self.tone(1.05),
            0.6,
            lift=0.1,
        )
        pen.stroke(0.05 + 0.06 * _LINE * who.nose, -0.2 + (tip + 0.12) * _LINE, 0.035, self.tone(0.74), 0.6, lift=0.08)
        pen.ellipse(0.0, tip - 0.02, 0.085 * who.nose, 0.07, self.tone(1.04, 0.4), 0.9, lift=0.2)
        for s in (-1, 1):
            wide = 1.0 + 0.14 * self.au("AU10", s)
            pen.ellipse(s * 0.105 * who.nose * wide, wing, 0.055, 0.05, self.tone(0.93, 0.4), lift=0.1)
            pen.ellipse(s * 0.06 * who.nose * wide, wing + 0.032, 0.032, 0.018, self.tone(0.34), 0.9, lift=0.12)

    def folds(self) -> None:
        """Nasolabial folds: AU10 arches and deepens their upper part, AU12 draws them out round the mouth."""
        for s in (-1, 1):
            up, smile = self.au("AU10", s), self.au("AU12", s)
            x = s * (0.145 * self.who.nose + (0.2 + 0.1 * smile) * _LINE + 0.1 * up * np.sin(_LINE * np.pi))
            y = 0.16 - 0.035 * up + (0.3 - 0.06 * smile) * _LINE**1.2 - 0.05 * up * np.sin(_LINE * np.pi)
            alpha = 0.1 + 0.25 * self.who.folds + 0.8 * up + 0.45 * smile
            self.pen.stroke(x, y, 0.03 + 0.022 * up, self.tone(0.6), alpha)
            if up > 0.02:
                nx = s * (0.06 + 0.09 * _LINE)
                self.pen.stroke(nx, 0.02 - 0.09 * _LINE, 0.024, self.tone(0.6), 0.6 * up, lift=0.08)

    def mouth(self) -> None:
        pen, who, au = self.pen, self.who, self.au
        press, tight, part = au("AU24"), au("AU23"), au("AU25")
        smile = np.where(_T < 0, au("AU12", -1), au("AU12", 1))
        sad = np.where(_T < 0, au("AU15", -1), au("AU15", 1))
        gap = (0.14 * part + self.jaw * (0.4 + 0.6 * min(1.0, part))) * max(0.0, 1.0 - 0.8 * press)
        half = who.mouth_width * (1.0 - 0.28 * tight - 0.1 * press - 0.1 * au("AU26") + 0.38 * smile + 0.04 * sad)
        x, side = half * _T, np.abs(_T)
        base = 0.5 + who.mouth_height + 0.25 * self.jaw
        line = base - (who.smile + 0.2 * smile) * side**1.7 + 0.07 * smile + 0.16 * sad * side**2.4 - 0.03 * sad
        thin = (1.0 - 0.6 * tight) * (1.0 - 0.8 * press)
        raised = 0.085 * au("AU10") * (1.0 - side**4)
        inner_top = line - 0.18 * gap * _LENS - 0.5 * raised
        inner_low = line + 0.82 * gap * _LENS - 0.3 * raised * (1.0 - min(1.0, 2.0 * part))
        top = inner_top - 0.08 * who.mouth_full * thin * (1.0 - 0.22 * au("AU12")) * _LENS * _BOW - 0.5 * raised
        low = inner_low + 0.105 * who.mouth_full * thin * (1.0 - 0.15 * au("AU12")) * _LENS
        if who.beard in ("moustache", "full"):
            mx, my = join(x * 1.12, (x * 1.05)[::-1]), join(top - 0.09 * (1 - 0.6 * side), (line - 0.01)[::-1])
            pen.area(mx, my, who.hair, 0.93, lift=0.02)
        r, g, b = who.lips
        pen.soft(0.0, base, 1.35 * float(half.max()), 0.24, self.tone(0.8, 1.6), 0.6 * tight)
        red = 1.0 + 0.25 * tight
        lips: Colour = (min(255, int(r * red)), int(g * (1.0 - 0.4 * tight)), int(b * (1.0 - 0.4 * tight)))
        pen.between(x, top, inner_top, (int(lips[0] * 0.9), int(lips[1] * 0.9), int(lips[2] * 0.9)))
        pen.between(x, inner_low, low, lips)
        if gap > 0.012:
            self._cavity(x, inner_top, inner_low, gap)
        pen.stroke(x, inner_top, 0.022 + 0.02 * press, self.tone(0.3), 0.85)
        if tight > 0.02:  # a hard red edge and small wrinkles towards the lips
            for edge in (top, low):
                pen.stroke(x, edge, 0.032, (int(r * 0.8), int(g * 0.45), int(b * 0.45)), 0.9 * tight)
            for s in (-1, 1):
                pen.stroke(x[-1] * s * (1.0 + 0.16 * _LINE), np.full(7, line[-1]), 0.03, self.tone(0.55), 0.7 * tight)
        if press > 0.02:  # the skin bulges above and below the pressed lips
            for edge, away in ((top, -0.05), (low, 0.055)):
                pen.stroke(x * 0.85, edge + away, 0.045, self.tone(1.12), 0.7 * press)
                pen.stroke(x * 0.95, edge + away * 1.9, 0.028, self.tone(0.62), 0.75 * press)
        self._around_mouth(x, line, low)

    def _cavity(self, x: Points, top: Points, low: Points, gap: float) -> None:
        pen = self.pen
        pen.between(x, top, low, (58, 18, 20))
        inner = slice(2, -2)
        teeth = np.minimum(low, top + np.minimum(0.055, 0.6 * gap) * _LENS)
        pen.area(join(x[inner], x[inner][::-1]), join(top[inner], teeth[inner][::-1]), (240, 234, 222))
        if gap > 0.13:
            tongue = low - 0.35 * gap * _LENS
            inner = slice(3, -3)
            pen.area(join(x[inner], x[inner][::-1]), join(tongue[inner], low[inner][::-1]), (176, 84, 84))

    def _around_mouth(self, x: Points, line: Points, low: Points) -> None:
        pen, au, fold = self.pen, self.au, self.tone(0.6)
        chin = float(low[7]) + 0.1
        pen.stroke(0.3 * (_LINE - 0.5), chin - 0.02 * np.sin(_LINE * np.pi), 0.03, fold, 0.3 + 0.3 * au("AU15"))
        for s, corner in ((-1, 0), (1, -1)):
            cx, cy = float(x[corner]), float(line[corner])
            sad, smile = au("AU15", s), au("AU12", s)
            pen.stroke(cx + s * 0.035 * _LINE, cy + 0.005 + 0.13 * _LINE, 0.034, fold, 0.85 * sad)
            arc = (_LINE - 0.5) * np.pi
            pen.stroke(cx + s * (0.02 + 0.05 * np.cos(arc)), cy - 0.01 + 0.09 * np.sin(arc), 0.028, fold, 0.7 * smile)
        if au("AU15") > 0.02:
            pen.soft(0.0, chin + 0.11, 0.15, 0.07, self.tone(0.8), 0.5 * au("AU15"))


def draw_face(person: Person, au_12: Sequence[float], pose: Pose, size: int) -> NDArray[np.uint8]:
    """RGBA picture, `size` x `size`, of the head and neck; the face is centred and `FACE_SHARE` of it high.

    `au_12` are intensities in 0 .. 1, in the order of `AUS`. Raises ValueError where there are not twelve.
    """
    return np.asarray(picture(person, au_12, pose, size))


def picture(person: Person, au_12: Sequence[float], pose: Pose, size: int) -> Image.Image:
    """`draw_face` as a Pillow image."""
    face = _Face(person, au_12, pose)
    for part in (
        face.hair_behind,
        face.head,
        face.forehead,
        face.cheeks,
        face.eyes,
        face.nose,
        face.folds,
        face.mouth,
        face.hair_front,
        face.brows,
        face.glasses,
    ):
        part()
    return face.pen.paint(turn(pose.yaw, pose.pitch, pose.roll), size, person.skin)


def face_box(person: Person, au_12: Sequence[float], pose: Pose) -> Box:
    """The box from the hairline to the chin in `draw_face`'s picture, as shares of its size."""
    x, y = _Face(person, au_12, pose).outline()
    y = np.maximum(y, HAIRLINE)
    xy_2N = turn(pose.yaw, pose.pitch, pose.roll) @ np.array([x, y, np.zeros_like(x)])
    (x0, y0), (x1, y1) = xy_2N.min(axis=1), xy_2N.max(axis=1)
    return Box(*((v / (2.0 * HALF) + 0.5) for v in (float(x0), float(y0), float(x1), float(y1))))
