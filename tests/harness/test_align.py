from __future__ import annotations

import numpy as np
import pytest

from harness.align import TEMPLATE_52, aligned, similarity


def moved(points_N2: np.ndarray, angle: float, scale: float, shift: tuple[float, float]) -> np.ndarray:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points_N2 @ turn.T + np.array(shift)


@pytest.mark.parametrize(("angle", "scale", "shift"), [(0.3, 2.0, (5, -3)), (-2.8, 0.4, (0, 40)), (0, 1, (0, 0))])
def test_a_similarity_is_found_again(angle: float, scale: float, shift: tuple[float, float]):
    matrix_23 = similarity(TEMPLATE_52, moved(TEMPLATE_52, angle, scale, shift))
    np.testing.assert_allclose(matrix_23[:, 0], [scale * np.cos(angle), scale * np.sin(angle)], atol=1e-12)
    np.testing.assert_allclose(matrix_23[:, 2], shift, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_of_noisy_points_it_is_the_least_squares_one(parity, seed: int):
    """Against the linear least squares of the same four unknowns: (x, y) -> (a x - b y + c, b x + a y + d)."""
    rng = np.random.default_rng(seed)
    to_N2 = moved(TEMPLATE_52, rng.uniform(-3, 3), 1.7, (9, 4)) + rng.normal(0, 6, (5, 2))

    (x, y), one, zero = TEMPLATE_52.T, np.ones(5), np.zeros(5)
    system = np.concatenate([np.stack([x, -y, one, zero], axis=1), np.stack([y, x, zero, one], axis=1)])
    a, b, c, d = np.linalg.lstsq(system, to_N2.T.ravel())[0]
    difference = np.abs(similarity(TEMPLATE_52, to_N2) - [[a, -b, c], [b, a, d]]).max()
    parity("Umeyama's similarity", "linear least squares of its four unknowns", difference, at_most=1e-10)


def test_mirrored_points_are_turned_never_mirrored():
    matrix_23 = similarity(TEMPLATE_52, TEMPLATE_52 * np.array([-1, 1]))
    assert np.linalg.det(matrix_23[:, :2]) > 0


@pytest.mark.parametrize("angle", [0.0, 0.5, -1.2])
def test_a_turned_face_comes_upright(angle: float):
    """A picture with a dot at each landmark: in the crop the dots lie where the template says."""
    points_52 = moved(TEMPLATE_52 - 56, angle, 1.5, (150, 140))
    image = np.zeros((300, 320, 3), np.uint8)
    y, x = np.mgrid[0:300, 0:320] + 0.5
    for px, py in points_52:
        image[(x - px) ** 2 + (y - py) ** 2 < 25] = 255
    crop = aligned(image, points_52.astype(np.float32), 224, margin=1.0)
    assert crop.shape == (224, 224, 3)
    for px, py in TEMPLATE_52 * 2:
        near_y, near_x = np.mgrid[int(py) - 12 : int(py) + 13, int(px) - 12 : int(px) + 13]
        weight = crop[near_y, near_x, 0].astype(float)
        centre = ((near_x + 0.5) * weight).sum() / weight.sum(), ((near_y + 0.5) * weight).sum() / weight.sum()
        assert centre == pytest.approx((px, py), abs=0.6)
