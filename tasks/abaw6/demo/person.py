"""Who is drawn: everything about a face that does not move.

Lengths are in face units: the face is 2 units high, from the top of the forehead (-1) to the chin (+1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

HAIR_SHAPES = ("bald", "short", "side", "fringe", "long", "curly", "bun")

_SKINS = (
    (250, 222, 200),
    (240, 200, 172),
    (226, 178, 142),
    (205, 152, 114),
    (172, 120, 86),
    (134, 90, 64),
    (98, 64, 48),
)
_HAIRS = (
    (28, 22, 20),
    (52, 34, 24),
    (88, 56, 34),
    (128, 84, 46),
    (186, 146, 84),
    (150, 60, 32),
    (150, 148, 146),
    (222, 216, 208),
)
_EYES = ((70, 44, 28), (96, 64, 36), (62, 96, 66), (74, 112, 150), (110, 120, 126))


@dataclass(frozen=True)
class Person:
    """One identity; a draw of `random_person`. Factors are around 1, shifts around 0 (face units)."""

    skin: Colour
    hair: Colour
    hair_shape: str
    eye: Colour
    lips: Colour
    clothes: Colour
    width: float  # half the face's width
    taper: float  # how much the jaw narrows, 0 .. 0.4
    eye_gap: float  # from the midline to an eye's centre
    eye_size: float
    eye_tilt: float
    brow_thick: float
    brow_height: float  # shift of the resting brows, positive is lower
    brow_slant: float  # inner end lower (+) or higher (-) at rest
    nose: float
    nose_length: float
    mouth_width: float
    mouth_full: float
    mouth_height: float
    smile: float  # resting lift of the lip corners: a sad (-) or a smiling (+) neutral face
    lid: float  # resting opening of the eyes
    folds: float  # how visible wrinkles are at rest: age, 0 .. 1
    expressive: float  # how far the same muscle moves this face
    lean: float  # the left side moves (1 + lean), the right (1 - lean) as far
    glasses: str  # "" | "round" | "square" | "dark-rim"
    beard: str  # "" | "stubble" | "moustache" | "full"
    earrings: bool
    freckles: int  # seed of the marks, 0: none


def random_person(rng: np.random.Generator) -> Person:
    """A new identity, a function of `rng`'s state alone."""

    def near(mean: float, sd: float) -> float:
        return float(mean + sd * np.clip(rng.normal(), -2, 2))

    def vary(colour: Colour, sd: float) -> Colour:
        shift = rng.normal(0, 0.35 * sd, 3) + rng.normal(0, 1.5 * sd)
        r, g, b = (int(v) for v in np.clip(np.asarray(colour) + shift, 8, 250))
        return r, g, b

    shade = int(rng.integers(len(_SKINS)))
    skin = vary(_SKINS[shade], 5)
    dark_hair = shade >= 4
    hair = vary(_HAIRS[int(rng.integers(3 if dark_hair else len(_HAIRS)))], 6)
    masculine = bool(rng.random() < 0.5)
    shapes = ("bald", "short", "side", "fringe", "curly") if masculine else ("side", "fringe", "long", "curly", "bun")
    red = 0.62 if rng.random() < (0.1 if masculine else 0.35) else 0.85
    lips = vary((int(skin[0] * 0.86), int(skin[1] * 0.66 * red), int(skin[2] * 0.68 * red)), 5)
    return Person(
        skin=skin,
        hair=hair,
        hair_shape=shapes[int(rng.integers(len(shapes)))],
        eye=_EYES[int(rng.integers(2 if dark_hair else len(_EYES)))],
        lips=lips,
        clothes=vary((int(rng.integers(30, 220)), int(rng.integers(30, 220)), int(rng.integers(30, 220))), 1),
        width=near(0.76, 0.05),
        taper=float(rng.uniform(0.08, 0.34)),
        eye_gap=near(0.34, 0.022),
        eye_size=near(1.0, 0.08),
        eye_tilt=near(0.0, 0.02),
        brow_thick=near(1.0, 0.28) * (1.15 if masculine else 0.85),
        brow_height=near(0.0, 0.03),
        brow_slant=near(0.0, 0.02),
        nose=near(1.0, 0.14),
        nose_length=near(0.0, 0.03),
        mouth_width=near(0.32, 0.03),
        mouth_full=near(1.0, 0.2),
        mouth_height=near(0.0, 0.03),
        smile=near(0.0, 0.016),
        lid=near(1.0, 0.09),
        folds=float(rng.beta(1.3, 2.5)),
        expressive=near(1.0, 0.1),
        lean=near(0.0, 0.08),
        glasses=str(rng.choice(["", "round", "square", "dark-rim"], p=[0.72, 0.1, 0.1, 0.08])),
        beard=str(rng.choice(["", "stubble", "moustache", "full"], p=[0.55, 0.2, 0.1, 0.15])) if masculine else "",
        earrings=bool(not masculine and rng.random() < 0.4),
        freckles=int(rng.integers(1, 2**31)) if rng.random() < 0.25 else 0,
    )
