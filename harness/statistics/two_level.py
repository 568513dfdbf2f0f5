"""Intervals for a training procedure: recordings are drawn, and the seeds of its runs.

Every run is judged on the same recordings, so recordings and seeds are crossed, and each draw draws both, independently
(the pigeonhole bootstrap, Owen 2007): recordings with replacement, the same ones for every run; then as many runs as
there are, with replacement; its score is the mean of theirs. Drawn from S runs, seeds would seem to vary less than they
do by (S - 1) / S, so a draw's distance from the mean over all runs is stretched by the root of S / (S - 1).

Studentised, an error has both parts: the influence of recordings on the mean over runs, and the runs' sample variance
divided by S. From few runs that variance is hardly known, so a draw's own is multiplied by a chi-square of S - 1
degrees over S - 1, as for S normal numbers: where seeds alone matter, the interval is that of Student's t.

Runs that agree in everything give the interval of one of them. Shapes: as in `harness.statistics.draws`; S runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from harness.metrics import Float64s, Metric, Stats
from harness.statistics.bootstrap import Difference, How, Options, ScoreInterval, contrasts, estimates
from harness.statistics.draws import Fold, draw, strata_of
from harness.statistics.intervals import Drawn

Run = Sequence[Fold]  # one fold, or the five of *folds mean*


def seeds_mean(metric: Metric, runs: Sequence[Run], **options: Unpack[Options]) -> ScoreInterval:
    """The mean of the runs' scores, each over its folds; ValueError for fewer than two runs or other recordings."""
    how, strata = How(**options), [strata_of(metric, run) for run in runs]
    return estimates(metric, _draw(metric, [strata], how), strata[0], how)


def paired_seeds_mean(
    metric: Metric, runs_a: Sequence[Run], runs_b: Sequence[Run], **options: Unpack[Options]
) -> Difference:
    """Mean score of the runs a minus that of the runs b, on the same recordings; seeds are drawn for each by itself.

    Swapping a and b mirrors every number exactly.
    """
    how, sides = How(**options), [[strata_of(metric, run) for run in runs] for runs in (runs_a, runs_b)]
    # computed in an order of the pair's own, so that a swap mirrors to the last bit
    swap = _bytes(sides[0]) > _bytes(sides[1])
    drawn = _draw(metric, sides[::-1] if swap else sides, how)
    return contrasts(metric, drawn, sides[0][0], how, swapped=swap)


def _draw(metric: Metric, sides: Sequence[Sequence[list[Stats]]], how: How) -> Drawn:
    """The first side's mean over runs, less the other's where there are two."""
    if min(map(len, sides)) < 2:
        raise ValueError("the spread over seeds needs two runs or more")
    runs = [run for side in sides for run in side]
    for run in runs[1:]:
        _same_rows(metric, runs[0], run)
    shares = [sign / len(side) for sign, side in zip((1.0, -1.0), sides, strict=False) for _ in side]
    strata = [tuple(systems) for systems in zip(*runs, strict=True)]
    drawn, each = draw(metric, strata, shares, how.draws, how.seed, errors=how.errors)
    drawn_BM, added_M, added_BM = drawn.drawn_BM, np.zeros_like(drawn.points_M), np.zeros_like(drawn.drawn_BM)
    start = 0
    for number, side in enumerate(sides):
        own = slice(start, start := start + len(side))
        rng = np.random.default_rng([how.seed, len(side), 1 + number])
        picks_BS = rng.integers(len(side), size=(how.draws, len(side)))
        off_BM, spread_BM = _over_runs(each.drawn_BSM[:, own], picks_BS)
        drawn_BM = drawn_BM + (-1) ** number * off_BM
        added_BM += spread_BM * rng.chisquare(len(side) - 1, size=(how.draws, 1)) / (len(side) - 1)
        added_M += each.points_SM[own].var(axis=0, ddof=1) / len(side)
    error_BM = np.sqrt(drawn.drawn_error_BM**2 + added_BM)
    return Drawn(drawn.points_M, np.sqrt(drawn.error_M**2 + added_M), drawn.influence_GM, drawn_BM, error_BM)


def _over_runs(score_BSM: Float64s, picks_BS: NDArray[np.int64]) -> tuple[Float64s, Float64s]:
    """Of each draw, how far the mean of the runs drawn is from that of all, stretched; and such a mean's variance."""
    draws, runs = picks_BS.shape
    counts_BS = np.zeros((draws, runs))
    np.add.at(counts_BS, (np.arange(draws)[:, None], picks_BS), 1.0)
    off_BSM = score_BSM - score_BSM.mean(axis=1, keepdims=True)
    off_BM = np.einsum("bs,bsm->bm", counts_BS / runs, off_BSM) * np.sqrt(runs / (runs - 1))
    return off_BM, np.asarray((off_BSM**2).sum(axis=1) / (runs - 1) / runs)


def _same_rows(metric: Metric, first: Sequence[Stats], other: Sequence[Stats]) -> None:
    for a_GLk, b_GLk in zip(first, other, strict=True):
        if a_GLk.shape != b_GLk.shape or (metric.rows(a_GLk) != metric.rows(b_GLk)).any():
            raise ValueError("runs can only be taken together on the same labelled rows")


def _bytes(runs: Sequence[Sequence[Stats]]) -> list[bytes]:
    return [stats_GLk.tobytes() for strata in runs for stats_GLk in strata]
