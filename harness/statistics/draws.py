"""Drawing recordings: how often each is in each draw, and exact scores of every draw with their standard errors.

Every draw is an exact rescoring of the resampled recordings (no approximation), at the cost of a weighted sum.
Shapes: V videos, G groups (raw recordings), B draws, L labels, M = L + 1 (every label, then P, their mean), k numbers
per label (see `harness.metrics`), j sums per label (see `harness.statistics.influence`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.metrics import Float64s, Metric, Stats
from harness.statistics.influence import Influences, sums_of
from harness.statistics.intervals import Drawn

Fold = tuple[Stats, Sequence[str]]  # stats_VLk and groups_V of one fold's held-out videos

CHUNK = 1 << 18  # weights held at once: 2 MB, which also keeps the sums in the processor's cache


@dataclass(frozen=True, eq=False)
class Each:
    """Scores of S systems, as measured and in every draw."""

    points_SM: Float64s
    drawn_BSM: Float64s


def weights(clusters: int, draws: int, seed: int = 0, fold: int = 0) -> Iterator[Float64s]:
    """How often each recording is in each draw, weights_BG (whole numbers) in chunks of draws; rows sum to `clusters`.

    Multinomial counts: `clusters` recordings are drawn with replacement. The draws depend on (clusters, seed, fold)
    alone; a longer run begins with the draws of a shorter one.
    """
    rng = np.random.default_rng([seed, fold])
    step = max(1, CHUNK // clusters)
    first_B1, once = np.arange(step)[:, None] * clusters, np.ones(step * clusters)
    for start in range(0, draws, step):
        n = min(step, draws - start)
        picks_BG = rng.integers(clusters, size=(n, clusters))
        picks_BG += first_B1[:n]
        # counted as floats, which is what they are multiplied as: converting them takes longer than drawing
        counts = np.bincount(picks_BG.ravel(), once[: n * clusters], minlength=n * clusters)
        yield np.asarray(counts, dtype=np.float64).reshape(n, clusters)


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
    merged = [_merged(metric, stats_VLk, members[name]) for name in names]
    return names, np.array(merged, dtype=stats_VLk.dtype).reshape(-1, *stats_VLk.shape[1:])


def _merged(metric: Metric, stats_VLk: Stats, members: list[int]) -> Stats:
    """S_Lk of one recording's videos."""
    if len(members) == 1:
        return np.asarray(stats_VLk[members[0]])
    some_VLk = stats_VLk[members]
    order_V = np.lexsort(some_VLk.reshape(len(some_VLk), -1).T)
    return metric.merge(some_VLk[order_V])


def strata_of(metric: Metric, folds: Sequence[Fold]) -> list[Stats]:
    """stats_GLk of each fold; a recording in two folds is an error, for their draws would not be independent."""
    named = [by_group(metric, *fold) for fold in folds]
    names = [name for fold_names, _ in named for name in fold_names]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"recordings in more than one fold: {', '.join(twice[:5])}")
    return [stats_GLk for _, stats_GLk in named]


def pooled(metric: Metric, folds: Sequence[Fold]) -> Fold:
    """All folds as one."""
    strata_of(metric, folds)
    return np.concatenate([stats for stats, _ in folds]), [group for _, groups in folds for group in groups]


def draw(
    metric: Metric,
    strata: Sequence[tuple[Stats, ...]],
    shares: Sequence[float],
    draws: int,
    seed: int,
    *,
    errors: bool,
) -> tuple[Drawn, Each]:
    """A weighted sum of several systems' scores, as measured and in every draw; and each system's by itself.

    `strata` hold stats_GLk of every system, fold by fold: a score is the mean over folds, recordings are drawn within
    each. `shares` say how much each system counts: (1,) for one score, (1, -1) for a difference. Without `errors` the
    draws have no standard errors (zeros): only studentised intervals ask for them.
    """
    labels, folds = strata[0][0].shape[1], len(strata)
    each_BSM = np.zeros((draws, len(shares), labels + 1))
    points_SM = np.zeros((len(shares), labels + 1))
    variance_M, variance_BM = np.zeros(labels + 1), np.zeros((draws, labels + 1))
    influences = []
    for fold, systems in enumerate(strata):
        one = Stratum(metric, systems, shares)
        once_1G = np.ones((1, one.clusters))
        points_SM += one.scores(once_1G)[0]
        variance_M += one.influences.variance(once_1G)[0]
        influences.append(one.influences.influence())
        start = 0
        for weights_BG in weights(one.clusters, draws, seed, fold):
            stop = start + len(weights_BG)
            each_BSM[start:stop] += one.scores(weights_BG)
            if errors:
                variance_BM[start:stop] += one.influences.variance(weights_BG)
            start = stop
    points_SM, each_BSM = points_SM / folds, each_BSM / folds
    drawn = Drawn(
        summed(points_SM, shares),
        np.sqrt(variance_M) / folds,
        np.concatenate(influences) / folds,
        summed(each_BSM, shares),
        np.sqrt(variance_BM) / folds,
    )
    return drawn, Each(points_SM, each_BSM)


def summed(each_SM: Float64s, shares: Sequence[float]) -> Float64s:
    """score_...M of scores_...SM of several systems, each counted by its share."""
    total_M = shares[0] * each_SM[..., 0, :]
    for system, share in enumerate(shares[1:], 1):
        total_M = total_M + share * each_SM[..., system, :]
    return np.asarray(total_M)


class Stratum:
    """The recordings of one fold, under one system or several that are counted together."""

    def __init__(self, metric: Metric, systems: Sequence[Stats], shares: Sequence[float]) -> None:
        self.clusters = len(systems[0])
        if not self.clusters:
            raise ValueError("a bootstrap needs at least one recording")
        self.scorers = [metric.scorer(stats_GLk) for stats_GLk in systems]
        self.influences = Influences(metric, [sums_of(metric, stats_GLk) for stats_GLk in systems], shares)

    def scores(self, weights_BG: Float64s) -> Float64s:
        """score_BSM of each weighting and system."""
        scores = [score_of(weights_BG) for score_of in self.scorers]
        return np.stack([np.column_stack([score_BL, score_BL.mean(axis=1)]) for score_BL in scores], axis=1)
