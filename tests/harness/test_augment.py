from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.augment import FACE_KEPT, WHOLE, Variation, augmented, draw, face_kept
from harness.types import Recipe

PLAIN = Recipe(1, 0.1, 1)
RAMP = np.repeat(np.linspace(60, 180, 32)[None, :, None], 32, axis=0).repeat(3, axis=2).astype(np.uint8)
STILL = Recipe(1, 0.1, 1, flip=0.0, shift=0.0)


def many(recipe: Recipe, count: int = 200, seed: int = 0) -> list[Variation]:
    rng = np.random.default_rng(seed)
    return [draw(rng, 32, recipe) for _ in range(count)]


def formerly(images_BHWC, rng, strength):
    """What the plain recipe has always done, one image after the other (rows recorded with it must stay)."""
    out = images_BHWC.copy()
    size = images_BHWC.shape[1]
    reach = round(0.06 * size * strength)
    for i, image in enumerate(images_BHWC):
        if rng.random() < 0.5:
            image = image[:, ::-1]
        dy, dx = rng.integers(-reach, reach + 1, size=2)
        rows = np.clip(np.arange(size) + dy, 0, size - 1)
        columns = np.clip(np.arange(size) + dx, 0, size - 1)
        gain, lift = 1 + strength * rng.uniform(-0.25, 0.25), strength * rng.uniform(-20, 20)
        out[i] = np.clip(image[rows][:, columns] * gain + lift, 0, 255)
    return out


@pytest.mark.parametrize("strength", [1.0, 0.2])
def test_the_plain_recipe_does_what_it_always_did(strength: float):
    images_BHWC = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    before = images_BHWC.copy()
    drawn = many(dataclasses.replace(PLAIN, augment=strength), 20, seed=7)
    np.testing.assert_array_equal(
        augmented(images_BHWC, drawn), formerly(images_BHWC, np.random.default_rng(7), strength)
    )
    np.testing.assert_array_equal(images_BHWC, before)


def test_flips_by_chance():
    assert 70 < sum(one.mirrored for one in many(PLAIN)) < 130
    assert [sum(one.mirrored for one in many(dataclasses.replace(PLAIN, flip=f))) for f in (0.0, 1.0)] == [0, 200]


def test_nothing_is_nothing():
    assert (augmented(RAMP[None], [Variation()]) == RAMP).all()


def test_a_crop_is_its_part_of_the_image_enlarged():
    out = augmented(RAMP[None], [Variation(crop=(0.0, 0.5, 0.5, 0.5))])[0]
    assert out.shape == RAMP.shape
    assert abs(int(out[0, 0, 0]) - int(RAMP[0, 16, 0])) <= 3
    assert abs(int(out[0, -1, 0]) - int(RAMP[0, -1, 0])) <= 3


@settings(max_examples=50, deadline=None)
@given(st.floats(0.05, 0.99), st.floats(0, 1), st.integers(0, 999))
def test_no_variation_loses_the_face(crop: float, shift: float, seed: int):
    recipe = dataclasses.replace(PLAIN, crop=crop, shift=shift)
    for one in many(recipe, 5, seed):
        assert face_kept(one.crop, one.move, 32) >= FACE_KEPT
        top, left, height, width = one.crop
        assert 0 <= top <= top + height <= 1 + 1e-9
        assert 0 <= left <= left + width <= 1 + 1e-9
        assert one.crop == WHOLE or height * width >= crop - 1e-9


def test_a_crop_without_the_face_is_refilled_from_the_neighbours():
    stand_ins = [one.neighbour for one in many(dataclasses.replace(PLAIN, crop=0.1), 300)]
    assert set(stand_ins) == {-1, 0, 1}
    assert {one.neighbour for one in many(PLAIN, 300)} == {0}
    assert {one.neighbour for one in many(dataclasses.replace(PLAIN, crop=0.9), 300)} == {0}


def test_colours_change_and_greys_stay_grey():
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[:, :4], colour[:, 4:] = (200, 40, 40), (60, 60, 60)
    out = augmented(colour[None], [Variation(saturation=0.5)])[0].astype(int)
    assert np.ptp(out[0, 0]) == pytest.approx(80, abs=2)
    assert np.ptp(out[0, 7]) == 0
    flat = augmented(colour[None], [Variation(contrast=0.0)])[0]
    assert np.ptp(flat) == 0
    assert {(one.contrast, one.saturation) for one in many(PLAIN)} == {(1.0, 1.0)}
    drawn = [one.contrast for one in many(dataclasses.replace(PLAIN, colour=0.3))]
    assert 0.7 <= min(drawn) < 0.75 < 1.25 < max(drawn) <= 1.3


def test_what_is_erased_is_a_flat_rectangle():
    drawn = many(dataclasses.replace(STILL, augment=1e-9, erase=0.5))
    assert 70 < sum(one.erased is not None for one in drawn) < 130
    one = next(one for one in drawn if one.erased is not None)
    changed = (augmented(RAMP[None], [Variation(erased=one.erased)])[0] != RAMP).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert 0 < changed.mean() < 0.25
    assert changed[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.8
