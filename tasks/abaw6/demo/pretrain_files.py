"""Face images without labels for pre-training: other people than in any judged data set, one folder per person.

<person>/%05d.jpg    112 x 112, expressions of every kind, several scenes per person
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from abaw6.demo import dynamics, film, prototypes, world

NAME = "demo-pretrain"
_OTHER = 7919  # added to the seed: a population of its own
_SETTINGS = 5  # per person


@dataclass(frozen=True)
class Sitter:
    """One person and how many stills are taken."""

    number: int
    stills: int

    @property
    def name(self) -> str:
        return f"person_{self.number + 1:04d}"


def plan(seed: int, sizes: world.Sizes) -> tuple[Sitter, ...]:
    return tuple(Sitter(number, sizes.stills) for number in range(sizes.train))


def make_folders(root: Path) -> None:
    """Nothing beyond what each person makes."""


def write_person(root: Path, seed: int, sitter: Sitter) -> list[film.BoxRow]:
    """All stills of one person."""
    from abaw6.demo.face import Pose
    from abaw6.demo.person import random_person
    from abaw6.demo.scene import SCENES, compose, random_setting

    rng = world.stream(seed + _OTHER, NAME, sitter.number, "stills")
    person, style = random_person(rng), dynamics.Style.random(rng)
    folder = root / sitter.name
    folder.mkdir()
    for i in range(sitter.stills):
        if i % max(1, sitter.stills // _SETTINGS) == 0:
            setting = random_setting(rng, SCENES[int(rng.integers(len(SCENES)))])
        yaw, pitch, roll = rng.normal(0.0, (9.0, 4.0, 3.5)).clip(-25, 25)
        pose = Pose(
            float(yaw), float(pitch), float(roll), float(rng.random() < 0.05), *map(float, rng.uniform(-0.7, 0.7, 2))
        )
        centre, scale = (0.5, 0.5), float(rng.uniform(0.46, 0.64))
        cast = [(person, _units(rng, style), pose, centre, scale)]
        frame, boxes = compose(setting, cast, i / 10.0, rng, film.WIDTH, film.HEIGHT)
        film.save_crop(frame, boxes[0], folder / f"{i + 1:05d}.jpg")
    return []


def _units(rng: np.random.Generator, style: dynamics.Style) -> dynamics.Array:
    """au_12 of a random moment: some expression at some strength, and single units of their own."""
    names = (*prototypes.EXPRESSIONS, *prototypes.COMPOUNDS)
    ways = prototypes.variants(names[int(rng.integers(len(names)))])
    au_12 = ways[int(rng.integers(len(ways)))] * rng.uniform(0.0, 1.05)
    single_12 = (rng.random(12) < 0.18) * rng.uniform(0.2, 1.0, 12)
    return np.clip(np.maximum(au_12, single_12) * style.gain_12 + style.rest_12, 0.0, 1.0)
