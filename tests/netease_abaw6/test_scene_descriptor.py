from __future__ import annotations

import numpy as np
import pytest

from harness.types import Box
from netease_abaw6.scene_descriptor import BINS, GRID, WIDEN, describe, mask_faces, mask_inside

CELLS = GRID * GRID


def test_the_mask_is_the_widened_box_cut_at_the_frame() -> None:
    background_HW = mask_faces(100, 200, [Box(40, 40, 60, 60)])
    inside = np.argwhere(background_HW == 0)
    half = 10 * WIDEN
    assert inside.min(axis=0).tolist() == [50 - half, 50 - half]
    assert (inside.max(axis=0) + 1).tolist() == [50 + half, 50 + half]
    at_the_edge = mask_faces(100, 200, [Box(-20, -20, 10, 10), Box(500, 500, 600, 600)])
    assert at_the_edge[0, 0] == 0
    assert at_the_edge[50:, 100:].all()


def test_the_outer_border_is_the_top_and_both_sides() -> None:
    background_HW = mask_inside(100, 100, border=0.1)
    assert background_HW[:10].all()
    assert background_HW[:, :10].all()
    assert background_HW[:, 90:].all()
    assert not background_HW[10:, 10:90].any()


def test_nothing_outside_the_background_has_any_influence() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 255, (97, 131, 3), dtype=np.uint8)
    background_HW = mask_faces(97, 131, [Box(30, 30, 70, 80)])
    changed = np.where(background_HW[..., None] == 0, 255 - image, image)
    np.testing.assert_array_equal(describe(image, background_HW), describe(changed, background_HW))
    assert not np.array_equal(describe(image, background_HW), describe(255 - image, background_HW))


def test_a_plain_frame_has_its_brightness_everywhere_and_no_edges() -> None:
    descriptor_D = describe(np.full((80, 80, 3), 51, np.uint8), np.ones((80, 80), np.float32))
    assert descriptor_D.shape == (3 * BINS + 6 * CELLS,)
    cells = descriptor_D[3 * BINS :].reshape(6, CELLS)
    np.testing.assert_allclose(cells[0], 0.2, atol=1e-6)
    np.testing.assert_allclose(cells[1:3], [[0.5] * CELLS] * 2, atol=1e-6)
    np.testing.assert_allclose(cells[3:], 0.0, atol=1e-6)
    assert descriptor_D[: 3 * BINS].sum() == 3.0  # each histogram has one full bin


@pytest.mark.parametrize(("axis", "upright", "lying"), [(1, True, False), (0, False, True)])
def test_upright_and_lying_edges_are_told_apart(axis: int, upright: bool, lying: bool) -> None:
    stripes = (np.arange(64) // 2 % 2 * 200).astype(np.uint8)
    image = np.repeat(np.expand_dims(np.broadcast_to(stripes, (64, 64)), -1), 3, -1)
    image = image if axis == 1 else image.transpose(1, 0, 2)
    cells = describe(np.ascontiguousarray(image), np.ones((64, 64), np.float32))[3 * BINS :].reshape(6, CELLS)
    assert ((cells[3] > 0.1).all(), (cells[4] > 0.1).all()) == (upright, lying)
    assert (cells[5] > 0.1).all()


def test_a_cell_without_background_takes_the_frames_mean() -> None:
    image = np.full((64, 64, 3), 100, np.uint8)
    image[:16, :16] = 255
    background_HW = np.ones((64, 64), np.float32)
    background_HW[:16, :16] = 0
    brightness = describe(image, background_HW)[3 * BINS : 3 * BINS + CELLS]
    np.testing.assert_allclose(brightness, 100 / 255, atol=1e-6)
