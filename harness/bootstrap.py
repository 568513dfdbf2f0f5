"""Intervals and comparisons by exact cluster bootstrap: draw recordings, merge their statistics, close the score again.

Every draw is an exact rescoring of the resampled recordings (no approximation), at the cost of a weighted sum.
Shapes: V videos, G groups (raw recordings), B draws, L labels, k numbers per label (see `harness.metrics`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.influence import gradient_of, influence, sums_of, variance
from harness.intervals import Drawn, difference_limits, limits, p_values
from harness.metrics import Float64s, Metric, Stats

Fold = tuple[Stats, Sequence[str]]  # stats_VLk and groups_V of one fold's held-out videos
Weights = NDArray[np.int64]
E = TypeVar("E", bound="Estimate")

CHUNK = 1 << 18  # weights held at once: 2 MB, which also keeps the sums in the processor's cache
METHOD = "studentised"


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
    """P and every label. `clusters` recordings were drawn `draws` times; one cluster alone gives no width."""

    p: E
    labels: tuple[E, ...]
    clusters: int
    draws: int
    level: float
    method: str


ScoreInterval = Found[Estimate]
Difference = Found[Contrast]  # how much system a scores above system b on the same rows


def weights(clusters: int, draws: int, seed: int = 0, fold: int = 0) -> Iterator[Weights]:
    """How often each recording is in each draw, weights_BG in chunks of draws; every row sums to `clusters`.

    Multinomial counts: `clusters` recordings are drawn with replacement. The draws depend on (clusters, seed, fold)
    alone; a longer run begins with the draws of a shorter one.
    """
    rng = np.random.default_rng([seed, fold])
    step = max(1, CHUNK // clusters)
    for start in range(0, draws, step):
        n = min(step, draws - start)
        picks_BG = rng.integers(clusters, size=(n, clusters)) + np.arange(n)[:, None] * clusters
        yield np.bincount(picks_BG.ravel(), minlength=n * clusters).reshape(n, clusters)


def by_group(metric: Metric, stats_VLk: Stats, groups_V: Sequence[str]) -> tuple[list[str], Stats]:
    """Sorted group names and stats_GLk, the videos of each recording merged.

    The order of the videos changes nothing, not even a last bit: they are merged in the order of their numbers.
    """
    if len(groups_V) != len(stats_VLk):
        raise ValueError(f"{len(stats_VLk)} videos have statistics, {len(groups_V)} have a group")
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups_V):
        members.setdefault(group, []).append(index)
    names = sorted(members)
    merged = []
    for name in names:
        some_VLk = stats_VLk[members[name]]
        order_V = np.lexsort(some_VLk.reshape(len(some_VLk), -1).T)
        merged.append(metric.merge(some_VLk[order_V]) if len(some_VLk) > 1 else some_VLk[0])
    return names, np.array(merged, dtype=stats_VLk.dtype).reshape(-1, *stats_VLk.shape[1:])


def interval(
    metric: Metric,
    stats_VLk: Stats,
    groups_V: Sequence[str],
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    method: str = METHOD,
) -> ScoreInterval:
    """Score of all rows pooled, with the interval of a bootstrap over recordings; `method`: `harness.intervals`."""
    return folds_mean(metric, [(stats_VLk, groups_V)], level=level, draws=draws, seed=seed, method=method)


def folds_mean(
    metric: Metric,
    folds: Sequence[Fold],
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    method: str = METHOD,
) -> ScoreInterval:
    """The mean of the folds' scores; recordings are drawn within each fold, independently of the others."""
    strata = [(stats_GLk,) for stats_GLk in _strata(metric, folds)]
    drawn = _draw(metric, strata, draws, seed, errors=method == "studentised")
    lows, highs = limits(drawn, method, level, metric.bounds)
    columns = zip(drawn.points_M.tolist(), lows.tolist(), highs.tolist(), strict=True)
    *labels, p = [Estimate(*column) for column in columns]
    return Found(p, tuple(labels), _clusters(strata), draws, level, method)


def folds_pooled(
    metric: Metric,
    folds: Sequence[Fold],
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    method: str = METHOD,
) -> ScoreInterval:
    """The score of all folds' rows merged; recordings are drawn from all folds together."""
    return folds_mean(metric, [_pool(metric, folds)], level=level, draws=draws, seed=seed, method=method)


def paired(
    metric: Metric,
    stats_a_VLk: Stats,
    stats_b_VLk: Stats,
    groups_V: Sequence[str],
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    method: str = METHOD,
) -> Difference:
    """Score of a minus score of b on the same videos, both rescored on the same drawn recordings.

    Swapping a and b mirrors every number exactly; identical systems give 0 and p = 1.
    """
    folds_a, folds_b = [(stats_a_VLk, groups_V)], [(stats_b_VLk, groups_V)]
    return paired_folds_mean(metric, folds_a, folds_b, level=level, draws=draws, seed=seed, method=method)


def paired_folds_mean(
    metric: Metric,
    folds_a: Sequence[Fold],
    folds_b: Sequence[Fold],
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    method: str = METHOD,
) -> Difference:
    """`paired` for the mean of the folds' scores; recordings are drawn within each fold."""
    strata_a, strata_b = _strata(metric, folds_a), _strata(metric, folds_b)
    _same_rows(metric, folds_a, folds_b, strata_a, strata_b)
    # computed in an order of the pair's own, so that a swap mirrors to the last bit
    swap = [stats.tobytes() for stats in strata_a] > [stats.tobytes() for stats in strata_b]
    strata = list(zip(strata_b, strata_a, strict=True) if swap else zip(strata_a, strata_b, strict=True))
    drawn = _draw(metric, strata, draws, seed, errors=method == "studentised")
    widest = metric.bounds[1] - metric.bounds[0]
    low_M, high_M = difference_limits(drawn, method, level, (-widest, widest))
    found = (-drawn.points_M, -high_M, -low_M) if swap else (drawn.points_M, low_M, high_M)
    columns = (*found, p_values(drawn, method))
    *labels, p = [Contrast(*(x + 0.0 for x in one)) for one in zip(*(c.tolist() for c in columns), strict=True)]
    return Found(p, tuple(labels), _clusters(strata), draws, level, method)  # + 0.0 turns -0.0 into 0.0


def paired_folds_pooled(
    metric: Metric,
    folds_a: Sequence[Fold],
    folds_b: Sequence[Fold],
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    method: str = METHOD,
) -> Difference:
    """`paired` for all folds' rows merged; recordings are drawn from all folds together."""
    pooled_a, pooled_b = [_pool(metric, folds_a)], [_pool(metric, folds_b)]
    return paired_folds_mean(metric, pooled_a, pooled_b, level=level, draws=draws, seed=seed, method=method)


def _strata(metric: Metric, folds: Sequence[Fold]) -> list[Stats]:
    """stats_GLk of each fold; a recording in two folds is an error, for their draws would not be independent."""
    named = [by_group(metric, *fold) for fold in folds]
    names = [name for fold_names, _ in named for name in fold_names]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"recordings in more than one fold: {', '.join(twice[:5])}")
    return [stats_GLk for _, stats_GLk in named]


def _pool(metric: Metric, folds: Sequence[Fold]) -> Fold:
    _strata(metric, folds)
    return np.concatenate([stats for stats, _ in folds]), [group for _, groups in folds for group in groups]


def _same_rows(
    metric: Metric, folds_a: Sequence[Fold], folds_b: Sequence[Fold], strata_a: list[Stats], strata_b: list[Stats]
) -> None:
    groups_a, groups_b = ([sorted(set(groups)) for _, groups in folds] for folds in (folds_a, folds_b))
    if groups_a != groups_b:
        raise ValueError("two systems can only be compared on the same recordings")
    for a_GLk, b_GLk in zip(strata_a, strata_b, strict=True):
        if a_GLk.shape != b_GLk.shape or (metric.rows(a_GLk) != metric.rows(b_GLk)).any():
            raise ValueError("two systems can only be compared on the same labelled rows")


def _clusters(strata: Sequence[tuple[Stats, ...]]) -> int:
    return sum(len(systems[0]) for systems in strata)


def _draw(metric: Metric, strata: Sequence[tuple[Stats, ...]], draws: int, seed: int, *, errors: bool) -> Drawn:
    """Scores of one system, or of the first less the second: the mean over strata, as measured and in every draw.

    Without `errors` the draws have no standard errors (zeros): only studentised intervals ask for them.
    """
    labels = strata[0][0].shape[1]
    points_M, drawn_BM = np.zeros(labels + 1), np.zeros((draws, labels + 1))
    variance_M, variance_BM = np.zeros(labels + 1), np.zeros((draws, labels + 1))
    influences = []
    for fold, systems in enumerate(strata):
        one = _Stratum(metric, systems)
        once_1G = np.ones((1, one.clusters), dtype=np.int64)
        points_M += one.scores(once_1G)[0]
        variance_M += one.variance(once_1G)[0]
        influences.append(one.influence())
        start = 0
        for weights_BG in weights(one.clusters, draws, seed, fold):
            stop = start + len(weights_BG)
            drawn_BM[start:stop] += one.scores(weights_BG)
            if errors:
                variance_BM[start:stop] += one.variance(weights_BG)
            start = stop
    n = len(strata)
    error_M, drawn_error_BM = np.sqrt(variance_M) / n, np.sqrt(variance_BM) / n
    return Drawn(points_M / n, error_M, np.concatenate(influences) / n, drawn_BM / n, drawn_error_BM)


class _Stratum:
    """The recordings of one fold, under one system or two that are compared."""

    def __init__(self, metric: Metric, systems: tuple[Stats, ...]) -> None:
        self.metric, self.systems, self.clusters = metric, systems, len(systems[0])
        if not self.clusters:
            raise ValueError("a bootstrap needs at least one recording")
        self.sums = [sums_of(metric, stats_GLk) for stats_GLk in systems]
        self.signs = (1.0, -1.0)[: len(systems)]

    def scores(self, weights_BG: Weights) -> Float64s:
        """score_BM of each weighting."""
        scores = [self.metric.score(self.metric.weighted(stats_GLk, weights_BG)) for stats_GLk in self.systems]
        score_BL = scores[0] if len(scores) == 1 else scores[0] - scores[1]
        return np.column_stack([score_BL, score_BL.mean(axis=1)])

    def variance(self, weights_BG: Weights) -> Float64s:
        """variance_BM of these scores: their squared standard errors."""
        return variance(weights_BG, np.concatenate(self.sums, axis=-1), self._gradient(weights_BG))

    def influence(self) -> Float64s:
        """influence_GM on the score as measured."""
        return influence(np.concatenate(self.sums, axis=-1), self._gradient(np.ones((1, self.clusters)))[0])

    def _gradient(self, weights_BG: NDArray[Any]) -> Float64s:
        given = weights_BG.astype(np.float64)
        parts = []
        for sign, sums_GLj in zip(self.signs, self.sums, strict=True):
            total_BLj = (given @ sums_GLj.reshape(self.clusters, -1)).reshape(len(given), *sums_GLj.shape[1:])
            parts.append(sign * gradient_of(self.metric, total_BLj))
        return np.concatenate(parts, axis=-1)
