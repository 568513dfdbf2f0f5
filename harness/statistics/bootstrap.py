"""Intervals and comparisons by exact cluster bootstrap: draw recordings, merge their statistics, close the score again.

Shapes: V videos, G groups (raw recordings), B draws, L labels, k numbers per label (see `harness.metrics`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypedDict, TypeVar, Unpack

import numpy as np

from harness.metrics import Metric, Stats
from harness.statistics.draws import Fold, by_group, draw, pooled, strata_of, weights
from harness.statistics.intervals import Drawn, difference_limits, limits, p_values

__all__ = [
    "METHOD", "Contrast", "Difference", "Estimate", "Fold", "Found", "How", "Options", "ScoreInterval", "by_group",
    "contrasts", "estimates", "folds_mean", "folds_pooled", "interval", "paired", "paired_folds_mean",
    "paired_folds_pooled", "weights",
]  # fmt: skip

E = TypeVar("E", bound="Estimate")

METHOD = "studentised"


@dataclass(frozen=True)
class How:
    """How an interval is made. `method`: see `harness.statistics.intervals.limits`."""

    level: float = 0.95
    draws: int = 10_000
    seed: int = 0
    method: str = METHOD

    @property
    def errors(self) -> bool:
        """Whether every draw needs its standard error."""
        return self.method == "studentised"


class Options(TypedDict, total=False):
    """The fields of `How`, as every function here takes them by name."""

    level: float
    draws: int
    seed: int
    method: str


@dataclass(frozen=True)
class Estimate:
    """A score with its interval, as fractions."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Contrast(Estimate):
    """A difference a - b with its interval, and its two-sided p-value (never 0: the draws are finite)."""

    p_value: float


@dataclass(frozen=True)
class Found(Generic[E]):
    """P and every label. `clusters` recordings were drawn `draws` times.

    How much recordings differ cannot be seen in one: then an interval is all that a score can be, and p is 1.
    """

    p: E
    labels: tuple[E, ...]
    clusters: int
    draws: int
    level: float
    method: str


ScoreInterval = Found[Estimate]
Difference = Found[Contrast]  # how much system a scores above system b on the same rows


def interval(metric: Metric, stats_VLk: Stats, groups_V: Sequence[str], **options: Unpack[Options]) -> ScoreInterval:
    """Score of all rows pooled, with the interval of a bootstrap over recordings."""
    return folds_mean(metric, [(stats_VLk, groups_V)], **options)


def folds_mean(metric: Metric, folds: Sequence[Fold], **options: Unpack[Options]) -> ScoreInterval:
    """The mean of the folds' scores; recordings are drawn within each fold, independently of the others."""
    how, strata = How(**options), strata_of(metric, folds)
    drawn, _ = draw(metric, [(stats_GLk,) for stats_GLk in strata], (1.0,), how.draws, how.seed, errors=how.errors)
    return estimates(metric, drawn, strata, how)


def folds_pooled(metric: Metric, folds: Sequence[Fold], **options: Unpack[Options]) -> ScoreInterval:
    """The score of all folds' rows merged; recordings are drawn from all folds together."""
    return folds_mean(metric, [pooled(metric, folds)], **options)


def paired(
    metric: Metric, stats_a_VLk: Stats, stats_b_VLk: Stats, groups_V: Sequence[str], **options: Unpack[Options]
) -> Difference:
    """Score of a minus score of b on the same videos, both rescored on the same drawn recordings.

    Swapping a and b mirrors every number exactly; identical systems give 0 and p = 1.
    """
    folds_a, folds_b = [(stats_a_VLk, groups_V)], [(stats_b_VLk, groups_V)]
    return paired_folds_mean(metric, folds_a, folds_b, **options)


def paired_folds_mean(
    metric: Metric, folds_a: Sequence[Fold], folds_b: Sequence[Fold], **options: Unpack[Options]
) -> Difference:
    """`paired` for the mean of the folds' scores; recordings are drawn within each fold."""
    how, strata_a, strata_b = How(**options), strata_of(metric, folds_a), strata_of(metric, folds_b)
    _same_rows(metric, folds_a, folds_b, strata_a, strata_b)
    # computed in an order of the pair's own, so that a swap mirrors to the last bit
    swap = [stats.tobytes() for stats in strata_a] > [stats.tobytes() for stats in strata_b]
    strata = list(zip(strata_b, strata_a, strict=True) if swap else zip(strata_a, strata_b, strict=True))
    drawn, _ = draw(metric, strata, (1.0, -1.0), how.draws, how.seed, errors=how.errors)
    return contrasts(metric, drawn, strata_a, how, swapped=swap)


def paired_folds_pooled(
    metric: Metric, folds_a: Sequence[Fold], folds_b: Sequence[Fold], **options: Unpack[Options]
) -> Difference:
    """`paired` for all folds' rows merged; recordings are drawn from all folds together."""
    pooled_a, pooled_b = [pooled(metric, folds_a)], [pooled(metric, folds_b)]
    return paired_folds_mean(metric, pooled_a, pooled_b, **options)


def estimates(metric: Metric, drawn: Drawn, strata: Sequence[Stats], how: How) -> ScoreInterval:
    """Draws of a score closed to intervals; `strata` are the recordings drawn, stats_GLk of each fold."""
    lows, highs = limits(drawn, how.method, how.level, metric.bounds)
    if _alone(strata):
        lows, highs = (np.full_like(lows, bound) for bound in metric.bounds)
    columns = zip(drawn.points_M.tolist(), lows.tolist(), highs.tolist(), strict=True)
    *labels, p = [Estimate(*column) for column in columns]
    return Found(p, tuple(labels), sum(map(len, strata)), how.draws, how.level, how.method)


def contrasts(metric: Metric, drawn: Drawn, strata: Sequence[Stats], how: How, *, swapped: bool) -> Difference:
    """Draws of a difference closed to intervals; `swapped`: it was drawn as b - a, and a - b is told."""
    widest = metric.bounds[1] - metric.bounds[0]
    low_M, high_M = difference_limits(drawn, how.method, how.level, (-widest, widest))
    p_M = p_values(drawn, how.method)
    if _alone(strata):
        low_M, high_M, p_M = np.full_like(low_M, -widest), np.full_like(high_M, widest), np.ones_like(p_M)
    found = (-drawn.points_M, -high_M, -low_M) if swapped else (drawn.points_M, low_M, high_M)
    columns = (*found, p_M)
    *labels, p = [Contrast(*(x + 0.0 for x in one)) for one in zip(*(c.tolist() for c in columns), strict=True)]
    return Found(p, tuple(labels), sum(map(len, strata)), how.draws, how.level, how.method)  # + 0.0: no -0.0 left


def _alone(strata: Sequence[Stats]) -> bool:
    """Whether no fold has two recordings to tell apart."""
    return all(len(stats_GLk) < 2 for stats_GLk in strata)


def _same_rows(
    metric: Metric, folds_a: Sequence[Fold], folds_b: Sequence[Fold], strata_a: list[Stats], strata_b: list[Stats]
) -> None:
    groups_a, groups_b = ([sorted(set(groups)) for _, groups in folds] for folds in (folds_a, folds_b))
    if groups_a != groups_b:
        raise ValueError("two systems can only be compared on the same recordings")
    for a_GLk, b_GLk in zip(strata_a, strata_b, strict=True):
        if a_GLk.shape != b_GLk.shape or (metric.rows(a_GLk) != metric.rows(b_GLk)).any():
            raise ValueError("two systems can only be compared on the same labelled rows")
