from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.statistics.intervals import Drawn, difference_limits, holm, limits, p_values


def drawn(points: list[float], draws: list[list[float]], error: float = 1.0) -> Drawn:
    drawn_BM, many = np.array(draws), len(points)
    return Drawn(np.array(points), np.full(many, error), np.zeros((3, many)), drawn_BM, np.ones_like(drawn_BM))


def test_without_an_error_there_is_no_width():
    low_M, high_M = limits(drawn([0.4], [[0.1], [0.9]], error=0.0), "studentised", 0.95, (0.0, 1.0))
    assert (low_M.tolist(), high_M.tolist()) == ([0.4], [0.4])


def test_draws_that_lost_a_label_reach_to_the_bound():
    """Draws without a single recording of a label score 0 without an error: how low the truth is, they cannot tell."""
    made = drawn([0.4], [[0.0], [0.4], [0.5]])
    made.drawn_error_BM[0] = 0.0
    low_M, high_M = limits(made, "studentised", 0.95, (0.0, 1.0))
    assert high_M.tolist() == [1.0]
    assert low_M[0] == pytest.approx(0.4 - 0.1)


@pytest.mark.parametrize("method", ["studentised", "percentile", "bca"])
def test_limits_stay_within_the_metric(method: str):
    low_M, high_M = limits(drawn([0.02, 0.97], [[-3.0, 0.97], [0.02, 4.0], [3.0, -4.0]]), method, 0.95, (0.0, 1.0))
    assert (low_M >= 0).all()
    assert (high_M <= 1).all()


@pytest.mark.parametrize("method", ["studentised", "percentile"])
def test_what_never_differs_has_p_one(method: str):
    assert p_values(drawn([0.0], [[0.0]] * 9, error=0.0), method).tolist() == [1.0]


def test_p_counts_the_draws_beyond_plus_one():
    draws = [[x] for x in (0.5, 0.8, 1.0, 1.1, 1.2, 1.5, 2.1, -0.3, 0.9)]
    assert p_values(drawn([1.0], draws), "percentile").tolist() == [2 * (1 + 1) / 10]
    # t = 1; of the draws' t, x - 1, those of 2.1 and -0.3 are as far
    assert p_values(drawn([1.0], draws), "studentised").tolist() == [(2 + 1) / 10]


@given(st.lists(st.floats(-3, 3), min_size=40, max_size=60), st.floats(-3, 3), st.sampled_from([0.8, 0.9]))
def test_p_is_below_the_level_where_the_interval_of_a_difference_excludes_0(draws, point, level):
    made = drawn([point], [[point + t] for t in draws])
    low_M, high_M = difference_limits(made, "studentised", level, (-9.0, 9.0))
    assert point - low_M[0] == pytest.approx(high_M[0] - point)
    (p,) = p_values(made, "studentised")
    if low_M[0] > 0 or high_M[0] < 0:
        assert p <= 1 - level + 2 / len(draws)
    else:
        assert p > 1 - level - 2 / len(draws)


def test_a_difference_without_an_error_has_no_width():
    low_M, high_M = difference_limits(drawn([0.4], [[0.1], [0.9]], error=0.0), "studentised", 0.95, (-1.0, 1.0))
    assert (low_M.tolist(), high_M.tolist()) == ([0.4], [0.4])


@pytest.mark.parametrize("of", [limits, difference_limits])
def test_an_unknown_method_is_named(of):
    with pytest.raises(UserError, match="studentised"):
        of(drawn([0.4], [[0.1], [0.9]]), "student", 0.95, (0.0, 1.0))


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12))
def test_holm_is_the_step_down_of_bonferroni(p: list[float]):
    """By its definition: reject the smallest while it is below alpha over the number left."""
    corrected = holm(p)
    for alpha in (0.01, 0.05, 0.3):
        rejected = set()
        for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
            if (len(p) - rank) * p[i] > alpha:
                break
            rejected.add(i)
        assert {i for i, value in enumerate(corrected) if value <= alpha} == rejected
