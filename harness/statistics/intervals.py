"""From draws to limits: three ways to close a bootstrap interval, and what many comparisons do to p-values.

Shapes: G groups (raw recordings), B draws, M scores (every label, then P).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from harness.errors import unknown
from harness.metrics import Float64s

Method = Literal["studentised", "percentile", "bca"]
METHODS: tuple[str, ...] = get_args(Method)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Scores and their standard errors, as measured and in every draw, and each recording's influence."""

    points_M: Float64s
    error_M: Float64s
    influence_GM: Float64s
    drawn_BM: Float64s
    drawn_error_BM: Float64s

    def studentised(self) -> Float64s:
        """t_BM: how many of its own standard errors a draw is off; 0 if it is not off, infinite without an error."""
        off_BM = self.drawn_BM - self.points_M
        with np.errstate(divide="ignore", invalid="ignore"):
            t_BM = off_BM / self.drawn_error_BM
        return np.where(off_BM == 0, 0.0, t_BM)


def limits(drawn: Drawn, method: str, level: float, bounds: tuple[float, float]) -> tuple[Float64s, Float64s]:
    """low_M and high_M of a score's interval of this level, within `bounds`; UserError for an unknown method.

    "percentile": the quantiles of the draws. "bca": the same, corrected for bias and skewness (Efron 1987), with the
    acceleration from the influences. "studentised" (the default everywhere): the quantiles of the draws' t, turned
    round, which is what holds its level best where few recordings decide (docs/statistics.md).
    """
    _known(method)
    tail = (1 - level) / 2
    if method == "studentised":
        low_M, high_M = _studentised(drawn, tail)
    elif method == "bca":
        low_M, high_M = _bca(drawn, tail)
    else:
        low_M, high_M = np.quantile(drawn.drawn_BM, (tail, 1 - tail), axis=0)
    return np.clip(low_M, *bounds), np.clip(high_M, *bounds)


def difference_limits(
    drawn: Drawn, method: str, level: float, bounds: tuple[float, float]
) -> tuple[Float64s, Float64s]:
    """`limits` of a difference: studentised, as far to both sides as the draws' |t| goes (Hall 1988).

    Where two systems are alike, differences are hardly skewed, and one quantile of |t| is better known than two of t:
    fewer false alarms (docs/statistics.md).
    """
    if method != "studentised":
        return limits(drawn, method, level, bounds)
    far_M = np.quantile(np.abs(drawn.studentised()), level, axis=0, method="higher")
    width_M = np.where(drawn.error_M > 0, far_M * np.where(drawn.error_M > 0, drawn.error_M, 1.0), 0.0)
    return np.clip(drawn.points_M - width_M, *bounds), np.clip(drawn.points_M + width_M, *bounds)


def p_values(drawn: Drawn, method: str) -> Float64s:
    """p_M, two-sided, that a difference is not 0: but for rounding below 1 - level where `difference_limits` exclude 0.

    Studentised: the share of draws whose |t| is at least the measured one; otherwise twice the smaller share of draws
    on one side of 0. Shares are (count + 1) / (B + 1): never 0, for the draws are finite; 1 where nothing ever differs.
    """
    _known(method)
    if method == "studentised":
        with np.errstate(divide="ignore", invalid="ignore"):
            t_M = np.where(drawn.points_M == 0, 0.0, drawn.points_M / drawn.error_M)
        count_M = (np.abs(drawn.studentised()) >= np.abs(t_M)).sum(axis=0)
        return np.asarray((count_M + 1) / (len(drawn.drawn_BM) + 1), dtype=np.float64)
    below_M, above_M = (drawn.drawn_BM <= 0).sum(axis=0), (drawn.drawn_BM >= 0).sum(axis=0)
    smaller_M: Float64s = np.minimum(below_M, above_M).astype(np.float64)
    return np.minimum(1.0, 2 * (smaller_M + 1) / (len(drawn.drawn_BM) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): the chance that any of them is a false alarm stays below each.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = highest
    return corrected


def _known(method: str) -> None:
    if method not in METHODS:
        raise unknown("method of an interval", method, METHODS)


def _studentised(drawn: Drawn, tail: float) -> tuple[Float64s, Float64s]:
    t_BM = drawn.studentised()
    far_M = np.quantile(t_BM, 1 - tail, axis=0, method="higher")
    near_M = np.quantile(t_BM, tail, axis=0, method="lower")
    known_M = drawn.error_M > 0  # without an error there is no width, whatever the draws do
    error_M = np.where(known_M, drawn.error_M, 1.0)
    low_M = np.where(known_M, drawn.points_M - far_M * error_M, drawn.points_M)
    high_M = np.where(known_M, drawn.points_M - near_M * error_M, drawn.points_M)
    return low_M, high_M


def _bca(drawn: Drawn, tail: float) -> tuple[Float64s, Float64s]:
    from scipy.stats import norm

    count = len(drawn.drawn_BM)
    below_M = (drawn.drawn_BM < drawn.points_M).sum(axis=0) + 0.5 * (drawn.drawn_BM == drawn.points_M).sum(axis=0)
    bias_M = norm.ppf(np.clip(below_M / count, 0.5 / count, 1 - 0.5 / count))
    cubes_M, squares_M = ((drawn.influence_GM**power).sum(axis=0) for power in (3, 2))
    acceleration_M = cubes_M / (6 * np.where(squares_M > 0, squares_M, 1.0) ** 1.5)
    found = []
    for share in (tail, 1 - tail):
        z_M = bias_M + norm.ppf(share)
        shares_M = norm.cdf(bias_M + z_M / (1 - acceleration_M * z_M))
        columns = zip(drawn.drawn_BM.T, shares_M, strict=True)
        found.append(np.array([np.quantile(drawn_B, at) for drawn_B, at in columns]))
    return found[0], found[1]
