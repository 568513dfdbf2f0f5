from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.types import Video
from netease_abaw6.smoothing import gaussian


def video(rows: int) -> Video:
    return Video("v", "v", "valid", rows, 30.0, np.ones(rows, bool))


def scores(rows: int, labels: int = 3) -> np.ndarray:
    raw_RL = np.random.default_rng(rows).random((rows, labels))
    return (raw_RL / raw_RL.sum(axis=1, keepdims=True)).astype(np.float32)


def convolved(scores_RL, sigma):
    """The sum of Eq. 5's minimiser, term by term: rows beyond the ends are the end rows; four sigmas to each side."""
    rows, reach = len(scores_RL), int(4 * sigma + 0.5)
    weights = [math.exp(-0.5 * (d / sigma) ** 2) for d in range(-reach, reach + 1)]
    out = np.zeros(scores_RL.shape)
    for r in range(rows):
        for d, weight in zip(range(-reach, reach + 1), weights, strict=True):
            out[r] += weight / sum(weights) * scores_RL[min(max(r + d, 0), rows - 1)]
    return out


@pytest.mark.parametrize("rows", [2, 5, 60])
@pytest.mark.parametrize("sigma", [0.5, 1, 4, 16])
def test_it_is_the_convolution_with_a_gaussian(rows, sigma):
    got_RL = gaussian()(scores(rows), video(rows), sigma)
    assert got_RL.dtype == np.float32
    np.testing.assert_allclose(got_RL, convolved(scores(rows), sigma), atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 80), st.just(0.0) | st.floats(0.01, 30))
def test_probabilities_still_sum_to_one_and_stay_in_bounds(rows, sigma):
    given_RL = scores(rows)
    got_RL = gaussian()(given_RL, video(rows), sigma)
    np.testing.assert_allclose(got_RL.sum(axis=1), 1, atol=1e-5)
    assert got_RL.min() >= given_RL.min() - 1e-6
    assert got_RL.max() <= given_RL.max() + 1e-6


def test_labels_do_not_mix():
    given_RL = scores(20)
    alone_RL = gaussian()(given_RL[:, :1], video(20), 2)
    np.testing.assert_array_equal(gaussian()(given_RL, video(20), 2)[:, :1], alone_RL)


def test_a_constant_stays_what_it_is():
    given_RL = np.full((30, 2), 0.25, np.float32)
    np.testing.assert_allclose(gaussian()(given_RL, video(30), 8), given_RL, atol=1e-7)


def test_sigma_zero_leaves_scores_untouched():
    given_RL = scores(20)
    assert gaussian()(given_RL, video(20), 0) is given_RL


def test_a_single_row_is_left_untouched():
    given_RL = scores(1)
    assert gaussian()(given_RL, video(400), 8) is given_RL


def test_what_is_given_is_not_changed():
    given_RL = scores(20)
    before_RL = given_RL.copy()
    gaussian()(given_RL, video(20), 4)
    np.testing.assert_array_equal(given_RL, before_RL)


@pytest.mark.parametrize(
    ("sigmas", "candidates"),
    [("0,1,2,4,8,16", (0, 1, 2, 4, 8, 16)), ("2.5", (2.5,)), (4, (4,)), (" 0, 3 ", (0, 3))],
)
def test_candidates_are_the_sigmas(sigmas, candidates):
    assert gaussian(sigmas=sigmas).candidates == candidates


def test_the_default_candidates():
    assert gaussian().candidates == (0, 1, 2, 4, 8, 16)


@pytest.mark.parametrize("sigmas", ["", "a,b", "1;2", "-1", "nan", "inf", "1,,2"])
def test_other_sigmas_are_a_users_mistake(sigmas):
    with pytest.raises(UserError, match="sigmas: expected numbers"):
        gaussian(sigmas=sigmas)
