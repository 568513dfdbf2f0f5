from __future__ import annotations

import numpy as np

from abaw6.demo.person import HAIR_SHAPES, random_person


def test_a_person_depends_on_the_generator_alone() -> None:
    assert random_person(np.random.default_rng(7)) == random_person(np.random.default_rng(7))
    assert random_person(np.random.default_rng(7)) != random_person(np.random.default_rng(8))


def test_people_differ_in_every_respect_that_is_drawn() -> None:
    rng = np.random.default_rng(0)
    people = [random_person(rng) for _ in range(200)]
    assert len(set(people)) == 200
    assert {p.hair_shape for p in people} == set(HAIR_SHAPES)
    assert {p.beard for p in people} == {"", "stubble", "moustache", "full"}
    assert {p.glasses for p in people} == {"", "round", "square", "dark-rim"}
    assert {p.earrings for p in people} == {False, True}
    brightness = np.array([sum(p.skin) / 3 for p in people])
    assert brightness.std() > 40
    smiles = np.array([p.smile for p in people])
    assert smiles.min() < -0.02
    assert smiles.max() > 0.02


def test_colours_are_bytes() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        p = random_person(rng)
        colours = np.array([p.skin, p.hair, p.eye, p.lips, p.clothes])
        assert colours.min() >= 0
        assert colours.max() <= 255
