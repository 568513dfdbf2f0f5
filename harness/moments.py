"""What CCC and Pearson are closed from: n, means, centred second moments and extremes of two sides, mergeable exactly.

A mean is kept as a rounded number and the rest that rounding lost, so that the difference of two means stays exact
where all values carry a large offset. Shapes: as in `harness.metrics`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Stats = NDArray[Any]  # S_..Lk: int64 for F1, float64 for CCC and Pearson
Float64s = NDArray[np.float64]

N, MEAN_P, REST_P, MEAN_T, REST_T, M2_P, M2_T, CROSS, MIN_P, MAX_P, MIN_T, MAX_T = range(12)
COLUMNS = (
    *("n", "mean_p", "rest_p", "mean_t", "rest_t", "m2_p", "m2_t", "cross"),
    *("min_p", "max_p", "min_t", "max_t"),
)
EMPTY = (0.0,) * 8 + (np.inf, -np.inf) * 2
MEANS = ((MEAN_P, REST_P), (MEAN_T, REST_T))
SQUARES = ((M2_P, 0, 0), (M2_T, 1, 1), (CROSS, 0, 1))  # column, and the two sides whose distances it multiplies


def of_rows(pred_R: Float64s, target_R: Float64s) -> tuple[float, ...]:
    """The twelve numbers of one label in two passes: means, then centred sums, corrected for the means' rounding."""
    n = len(pred_R)
    if n == 0:
        return EMPTY
    mean_p, mean_t = pred_R.mean(), target_R.mean()
    off_p, off_t = pred_R - mean_p, target_R - mean_t
    rest_p, rest_t = off_p.mean(), off_t.mean()
    off_p, off_t = off_p - rest_p, off_t - rest_t
    centred = (np.sum(off_p * off_p), np.sum(off_t * off_t), np.sum(off_p * off_t))
    extremes = (pred_R.min(), pred_R.max(), target_R.min(), target_R.max())
    return (float(n), mean_p, rest_p, mean_t, rest_t, *centred, *extremes)


def merged(stats_VLk: Stats, weight_V: Float64s) -> Stats:
    """Chan's formula, `sum w*M2 + sum w*n*(mean - grand mean)^2`: S_Lk of sets that occur `weight_V` (> 0) times."""
    s = np.moveaxis(stats_VLk, -1, 0)
    n_VL = weight_V[:, None] * s[N]
    base, center, off = _offsets(s, n_VL)
    out_Lk = np.empty(stats_VLk.shape[1:])
    out_Lk[:, N] = n_VL.sum(axis=0)
    for side, (mean, rest) in enumerate(MEANS):
        out_Lk[:, mean], out_Lk[:, rest] = _two_sum(base[side], center[side])
    for column, x, y in SQUARES:
        out_Lk[:, column] = (weight_V[:, None] * s[column] + n_VL * off[x] * off[y]).sum(axis=0)
    for low in (MIN_P, MIN_T):
        out_Lk[:, low] = s[low].min(axis=0, initial=np.inf)
        out_Lk[:, low + 1] = s[low + 1].max(axis=0, initial=-np.inf)
    return out_Lk


class Combined:
    """weights_BV -> S_BLk of the same sets under many weightings (counts, zero or more).

    Around the mean of all sets together, Chan's formula is one matrix product and a correction to each draw's own
    mean. Where that correction is not small, digits would cancel: such draws are merged by themselves. A side that is
    constant everywhere has nothing to cancel. Extremes are those of all sets, but where a draw was merged by itself:
    whether a draw is constant, which is all that a score asks, they tell all the same.
    """

    def __init__(self, stats_VLk: Stats) -> None:
        self.stats_VLk = stats_VLk
        s = np.moveaxis(stats_VLk, -1, 0)
        self.base, self.center, off = _offsets(s, s[N])
        squares = [s[column] + s[N] * off[x] * off[y] for column, x, y in SQUARES]
        self.columns_VC = np.concatenate([s[N], *(s[N] * off_VL for off_VL in off), *squares], axis=1)
        self.extremes_Lk = merged(stats_VLk, np.ones(len(stats_VLk)))[:, MIN_P:]
        low_L2, high_L2 = self.extremes_Lk[:, ::2], self.extremes_Lk[:, 1::2]
        self.constant_2L = (low_L2 >= high_L2).T

    def __call__(self, weights_BV: Float64s) -> Stats:
        out_BLk, cancelled_B = self._around_the_mean(weights_BV)
        out_BLk[..., MIN_P:] = self.extremes_Lk
        return self._again(out_BLk, cancelled_B, weights_BV)

    def _around_the_mean(self, weights_BV: Float64s) -> tuple[Stats, NDArray[np.bool_]]:
        """S_BLk without extremes, and the draws whose digits cancel."""
        labels = self.stats_VLk.shape[1]
        added_BC = weights_BV @ self.columns_VC  # one matrix product for all of them
        added = [added_BC[:, at : at + labels] for at in range(0, added_BC.shape[1], labels)]
        out_BLk = np.empty((len(weights_BV), *self.stats_VLk.shape[1:]))
        total_BL = out_BLk[..., N] = added[0]
        grand = [off_BL / np.maximum(total_BL, 1.0) for off_BL in added[1:3]]
        for side, (mean, rest) in enumerate(MEANS):
            out_BLk[..., mean], out_BLk[..., rest] = _two_sum(self.base[side], self.center[side] + grand[side])
        cancelled_B = np.zeros(len(weights_BV), dtype=bool)
        for around_BL, (column, x, y) in zip(added[3:], SQUARES, strict=True):
            out_BLk[..., column] = around_BL - total_BL * grand[x] * grand[y]
            if x == y:  # the cross-product is safe where both squares are (Cauchy-Schwarz)
                cancelled_B |= ((out_BLk[..., column] <= 0.5 * around_BL) & ~self.constant_2L[x]).any(axis=1)
        return out_BLk, cancelled_B

    def _again(self, out_BLk: Stats, cancelled_B: NDArray[np.bool_], weights_BV: Float64s) -> Stats:
        for b in cancelled_B.nonzero()[0]:
            drawn_V = weights_BV[b] > 0
            out_BLk[b] = merged(self.stats_VLk[drawn_V], weights_BV[b, drawn_V])
        return out_BLk


def _offsets(s: Stats, n_VL: Float64s) -> tuple[list[Float64s], list[Float64s], list[Float64s]]:
    """Of both sides: a base_L near the means, the grand mean's distance from it, and each set's from the grand mean."""
    base, center, off = [], [], []
    for mean, rest in MEANS:
        base_L = s[mean][n_VL.argmax(axis=0), np.arange(n_VL.shape[1])] if len(n_VL) else np.zeros(n_VL.shape[1])
        mean_VL = np.where(n_VL > 0, (s[mean] - base_L) + s[rest], 0.0)
        center_L = (n_VL * mean_VL).sum(axis=0) / np.maximum(n_VL.sum(axis=0), 1.0)
        base.append(base_L)
        center.append(center_L)
        off.append(np.where(n_VL > 0, mean_VL - center_L, 0.0))
    return base, center, off


def _two_sum(a_L: Float64s, b_BL: Float64s) -> tuple[Float64s, Float64s]:
    """a + b as its rounded sum and the exact rest (Knuth)."""
    sum_BL = a_L + b_BL
    back_BL = sum_BL - a_L
    return sum_BL, (a_L - (sum_BL - back_BL)) + (b_BL - back_BL)
