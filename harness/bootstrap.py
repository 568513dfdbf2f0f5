"""Intervals and comparisons by exact cluster bootstrap: draw recordings, merge their statistics, close the score again.

Every draw is an exact rescoring of the resampled recordings (no approximation), at the cost of a weighted sum.
Shapes: V videos, G groups (raw recordings), B draws, L labels, k numbers per label (see `harness.metrics`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.metrics import Float64s, Metric, Stats

Fold = tuple[Stats, Sequence[str]]  # stats_VLk and groups_V of one fold's held-out videos
Weights = NDArray[np.int64]

CHUNK = 1 << 18  # weights held at once: 2 MB, which also keeps the sums in the processor's cache


@dataclass(frozen=True)
class Estimate:
    """A score with its interval, as fractions."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ScoreInterval:
    """P and every label's score. `clusters` recordings were drawn `draws` times; one cluster alone gives no width."""

    p: Estimate
    labels: tuple[Estimate, ...]
    clusters: int
    draws: int
    level: float
    method: Literal["percentile"] = "percentile"


@dataclass(frozen=True)
class Contrast:
    """A difference a - b, its interval, and the two-sided bootstrap p-value (never 0: the draws are finite)."""

    value: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Difference:
    """How much system a scores above system b on the same rows, for P and for every label."""

    p: Contrast
    labels: tuple[Contrast, ...]
    clusters: int
    draws: int
    level: float
    method: Literal["percentile"] = "percentile"


def weights(clusters: int, draws: int, seed: int = 0, fold: int = 0) -> Iterator[Weights]:
    """How often each recording is in each draw, weights_BG in chunks of draws; every row sums to `clusters`.

    Multinomial counts: `clusters` recordings are drawn with replacement. The draws depend on (clusters, seed, fold)
    alone; a longer run begins with the draws of a shorter one.
    """
    if clusters < 1:
        raise ValueError("a bootstrap needs at least one recording")
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
) -> ScoreInterval:
    """Score of all rows pooled, with the percentile interval of a bootstrap over recordings."""
    return folds_mean(metric, [(stats_VLk, groups_V)], level=level, draws=draws, seed=seed)


def folds_mean(
    metric: Metric, folds: Sequence[Fold], *, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> ScoreInterval:
    """The mean of the folds' scores; recordings are drawn within each fold, independently of the others."""
    strata = _strata(metric, folds)
    points_L, drawn_BL = _mean_scores(metric, strata), _drawn_scores(metric, strata, draws, seed)
    estimates = _columns(points_L, drawn_BL, level, lambda value, low, high, _: Estimate(value, low, high))
    return ScoreInterval(estimates[-1], tuple(estimates[:-1]), sum(map(len, strata)), draws, level)


def folds_pooled(
    metric: Metric, folds: Sequence[Fold], *, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> ScoreInterval:
    """The score of all folds' rows merged; recordings are drawn from all folds together."""
    return folds_mean(metric, [_pool(metric, folds)], level=level, draws=draws, seed=seed)


def paired(
    metric: Metric,
    stats_a_VLk: Stats,
    stats_b_VLk: Stats,
    groups_V: Sequence[str],
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Difference:
    """Score of a minus score of b on the same videos, both rescored on the same drawn recordings.

    p = 2 * min(share of draws <= 0, share >= 0), each share as (count + 1) / (draws + 1), at most 1. Swapping a and b
    mirrors every number exactly; identical systems give 0 and p = 1.
    """
    folds_a, folds_b = [(stats_a_VLk, groups_V)], [(stats_b_VLk, groups_V)]
    return paired_folds_mean(metric, folds_a, folds_b, level=level, draws=draws, seed=seed)


def paired_folds_mean(
    metric: Metric,
    folds_a: Sequence[Fold],
    folds_b: Sequence[Fold],
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Difference:
    """`paired` for the mean of the folds' scores; recordings are drawn within each fold."""
    strata_a, strata_b = _strata(metric, folds_a), _strata(metric, folds_b)
    _same_rows(metric, folds_a, folds_b, strata_a, strata_b)
    drawn_BL = _drawn_scores(metric, strata_a, draws, seed) - _drawn_scores(metric, strata_b, draws, seed)
    points_L = _mean_scores(metric, strata_a) - _mean_scores(metric, strata_b)
    contrasts = _columns(points_L, drawn_BL, level, _contrast)
    return Difference(contrasts[-1], tuple(contrasts[:-1]), sum(map(len, strata_a)), draws, level)


def paired_folds_pooled(
    metric: Metric,
    folds_a: Sequence[Fold],
    folds_b: Sequence[Fold],
    *,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Difference:
    """`paired` for all folds' rows merged; recordings are drawn from all folds together."""
    pooled_a, pooled_b = [_pool(metric, folds_a)], [_pool(metric, folds_b)]
    return paired_folds_mean(metric, pooled_a, pooled_b, level=level, draws=draws, seed=seed)


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


def _mean_scores(metric: Metric, strata: Sequence[Stats]) -> Float64s:
    return np.asarray(np.mean([metric.score(metric.merge(stats_GLk)) for stats_GLk in strata], axis=0))


def _drawn_scores(metric: Metric, strata: Sequence[Stats], draws: int, seed: int) -> Float64s:
    """score_BL: of each draw, the mean over strata."""
    total_BL: Float64s = np.zeros((draws, strata[0].shape[1]))
    for fold, stats_GLk in enumerate(strata):
        start = 0
        for weights_BG in weights(len(stats_GLk), draws, seed, fold):
            stop = start + len(weights_BG)
            total_BL[start:stop] += metric.score(metric.weighted(stats_GLk, weights_BG))
            start = stop
    return total_BL / len(strata)


def _columns(points_L: Float64s, drawn_BL: Float64s, level: float, make: Callable[..., Any]) -> list[Any]:
    """`make(value, low, high, drawn_B)` for every label, then for P."""
    points = np.append(points_L, points_L.mean())
    drawn = np.column_stack([drawn_BL, drawn_BL.mean(axis=1)])
    tail = (1 - level) / 2
    lows, highs = np.quantile(drawn, tail, axis=0), -np.quantile(-drawn, tail, axis=0)  # so that a swap mirrors exactly
    columns = zip(points.tolist(), lows.tolist(), highs.tolist(), drawn.T, strict=True)
    return [make(*column) for column in columns]


def _contrast(value: float, low: float, high: float, drawn_B: Float64s) -> Contrast:
    below, above = int((drawn_B <= 0).sum()), int((drawn_B >= 0).sum())
    p_value = min(1.0, 2 * (min(below, above) + 1) / (len(drawn_B) + 1))
    return Contrast(value + 0.0, low + 0.0, high + 0.0, p_value)  # + 0.0 turns -0.0 into 0.0
