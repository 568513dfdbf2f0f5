"""Several systems on the same recordings: how likely each is the best, and which of them cannot be told apart.

All are rescored on the same drawn recordings. The probability of being the best is the share of draws in which a system
has the highest P; draws with several highest ones are shared between them. Two systems are told apart where the
studentised p-value of their difference (that of `bootstrap.paired`), corrected for the number of all pairs
(Holm), is below 1 - level. Tie groups are letters (compact letter display, Piepho 2004): systems that share one cannot
be told apart, systems that share none can.

Shapes: S systems, G groups (raw recordings), B draws, L labels, N pairs of systems.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from string import ascii_lowercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics import Float64s, Metric, Scorer, Stats
from harness.statistics.draws import Fold, strata_of, weights
from harness.statistics.influence import gradient_of, sums_of
from harness.statistics.intervals import Drawn, holm, p_values

MOST = 20  # systems compared pair by pair: of more pairs, Holm finds hardly a difference in 10,000 draws
ROOM = 1 << 18  # numbers of statistics held at once: 2 MB, which stay in the processor's cache
ROUNDING = 1e-12  # differences in P that are none


@dataclass(frozen=True)
class Standing:
    """One system among others: how likely its P is the highest, and the letters of its tie groups ("" : not asked)."""

    best: float
    tie: str


def standings(
    metric: Metric, systems: Sequence[Sequence[Fold]], *, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> list[Standing]:
    """Where each system stands; `systems` give their folds (one, or the five of *folds mean*) on the same rows.

    All are asked which is the best; of more than `MOST` systems only the `MOST` of highest P get letters.
    """
    strata = [np.concatenate(of_fold, axis=1) for of_fold in zip(*(strata_of(metric, s) for s in systems), strict=True)]
    p_S, p_BS = _p_of_all(metric, strata, len(systems), draws, seed)
    best_S = _share_of_best(p_BS)
    order_S = np.argsort(-p_S, kind="stable")
    compared = order_S[:MOST]
    labels = strata[0].shape[1] // len(systems)
    of_compared = [_systems_of(stats_GMk, compared, labels) for stats_GMk in strata]
    differ = _told_apart(metric, of_compared, p_S[compared], p_BS[:, compared], seed, level)
    tie = dict(zip(compared.tolist(), letters(len(compared), differ), strict=True))
    return [Standing(best, tie.get(i, "")) for i, best in enumerate(best_S.tolist())]


def letters(count: int, differ: set[tuple[int, int]]) -> list[str]:
    """The letters of `count` systems, best first, of which the pairs (i, j), i < j, in `differ` can be told apart.

    Insert and absorb (Piepho 2004): as few groups as that finds, each as large as can be.

    >>> letters(4, {(0, 2), (0, 3), (1, 3)})
    ['a', 'ab', 'bc', 'c']
    """
    groups = [frozenset(range(count))]
    for i, j in sorted(differ):
        parted = [g for g in groups if not {i, j} <= g]
        parted += [g - {one} for g in groups if {i, j} <= g for one in (i, j)]
        groups = [g for g in dict.fromkeys(parted) if not any(g < other for other in parted)]
    groups.sort(key=sorted)
    return ["".join(_letter(n) for n, group in enumerate(groups) if i in group) for i in range(count)]


def _letter(n: int) -> str:
    """a .. z, then a2 .. z2, and so on."""
    turn, place = divmod(n, len(ascii_lowercase))
    return ascii_lowercase[place] + (str(turn + 1) if turn else "")


def _share_of_best(p_BS: Float64s) -> Float64s:
    highest_BS = p_BS >= p_BS.max(axis=1, keepdims=True) - ROUNDING
    return np.asarray((highest_BS / highest_BS.sum(axis=1, keepdims=True)).mean(axis=0))


def _p_of_all(
    metric: Metric, strata: Sequence[Stats], systems: int, draws: int, seed: int
) -> tuple[Float64s, Float64s]:
    """p_S as measured and p_BS in every draw: the mean over strata (folds)."""

    def p_of(score_of: Scorer, weights_BG: Float64s) -> Float64s:
        return np.asarray(score_of(weights_BG).reshape(len(weights_BG), systems, -1).mean(axis=2))

    p_S, p_BS = np.zeros(systems), np.zeros((draws, systems))
    for fold, stats_GMk in enumerate(strata):
        score_of = metric.scorer(stats_GMk)
        p_S += p_of(score_of, np.ones((1, len(stats_GMk))))[0]
        for start, weights_BG in _pieces(len(stats_GMk), draws, seed, fold, stats_GMk[0].size):
            p_BS[start : start + len(weights_BG)] += p_of(score_of, weights_BG)
    return p_S / len(strata), p_BS / len(strata)


def _told_apart(
    metric: Metric, strata: Sequence[Sequence[Stats]], p_S: Float64s, p_BS: Float64s, seed: int, level: float
) -> set[tuple[int, int]]:
    """Pairs whose difference is not put down to the recordings drawn."""
    pairs = list(combinations(range(len(p_S)), 2))
    if not pairs:
        return set()
    first_N, other_N = (np.array(side) for side in zip(*pairs, strict=True))
    variance_N, variance_BN = np.zeros(len(pairs)), np.zeros((len(p_BS), len(pairs)))
    for fold, systems in enumerate(strata):
        sums_GSLj = np.stack([sums_of(metric, stats_GLk) for stats_GLk in systems], axis=1)
        once_1G = np.ones((1, len(systems[0])))
        variance_N += _variance(metric, sums_GSLj, once_1G, first_N, other_N)[0]
        for start, weights_BG in _pieces(len(systems[0]), len(p_BS), seed, fold, len(systems) * len(systems[0])):
            variance_BN[start : start + len(weights_BG)] += _variance(metric, sums_GSLj, weights_BG, first_N, other_N)
    drawn = Drawn(
        _difference(p_S[first_N], p_S[other_N]),
        np.sqrt(variance_N) / len(strata),
        np.zeros((0, len(pairs))),  # influences: only BCa asks for them
        _difference(p_BS[:, first_N], p_BS[:, other_N]),
        np.sqrt(variance_BN) / len(strata),
    )
    corrected = holm(p_values(drawn, "studentised").tolist())
    return {pair for pair, p in zip(pairs, corrected, strict=True) if p < 1 - level}


def _variance(
    metric: Metric, sums_GSLj: Float64s, weights_BG: Float64s, first_N: NDArray[Any], other_N: NDArray[Any]
) -> Float64s:
    """variance_BN of the difference in P of every pair: squared differences of influences, added up."""
    clusters, systems, labels, j = sums_GSLj.shape
    total_BMj = (weights_BG @ sums_GSLj.reshape(clusters, -1)).reshape(-1, systems * labels, j)
    gradient_BSJ = gradient_of(metric, total_BMj).reshape(-1, systems, labels * j)
    flat_SJG = sums_GSLj.reshape(clusters, systems, -1).transpose(1, 2, 0)
    influence_BSG = np.ascontiguousarray((gradient_BSJ.transpose(1, 0, 2) @ flat_SJG).transpose(1, 0, 2))
    product_BSS = (influence_BSG * weights_BG[:, None, :]) @ influence_BSG.transpose(0, 2, 1)
    own_BS = np.diagonal(product_BSS, axis1=1, axis2=2)
    variance_BN = own_BS[:, first_N] + own_BS[:, other_N] - 2 * product_BSS[:, first_N, other_N]
    return np.asarray(np.clip(variance_BN, 0.0, None) / labels**2)


def _difference(first: Float64s, other: Float64s) -> Float64s:
    """Exactly 0 for equal systems, whose scores may be rounded differently where they stand in one matrix."""
    off = first - other
    return np.where(np.abs(off) < ROUNDING, 0.0, off)


def _systems_of(stats_GMk: Stats, which: NDArray[Any], labels: int) -> list[Stats]:
    """stats_GLk of some systems of those that stand side by side along the labels."""
    return [stats_GMk[:, i * labels : (i + 1) * labels] for i in which.tolist()]


def _pieces(clusters: int, draws: int, seed: int, fold: int, size: int) -> Iterator[tuple[int, Float64s]]:
    """`weights` in pieces small enough for `size` numbers a draw, each with the number of its first draw."""
    step, start = max(1, ROOM // size), 0
    for weights_BG in weights(clusters, draws, seed, fold):
        for at in range(0, len(weights_BG), step):
            yield start + at, weights_BG[at : at + step]
        start += len(weights_BG)
