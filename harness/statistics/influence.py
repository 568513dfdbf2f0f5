"""How much each recording moves a score, to first order, and the standard error that follows.

Every score here is a smooth function of sums over recordings: counts, or n, sums, squares and products. Its gradient
times a recording's own sums is that recording's influence; squared influences add up to the squared standard error
(the infinitesimal jackknife: Jaeckel 1972, Efron 1982). For a score that does not change when every sum is doubled, as
all of these, the influences add up to zero.

Shapes: G groups (raw recordings), B draws, L labels, j sums per label, M = L + 1 (every label, then P, their mean).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, combinations_with_replacement

import numpy as np

from harness.metrics import Float64s, Metric, Stats
from harness.moments import MEANS

FEW_SUMS = 12  # sums, per label or of all labels, up to which adding up their products is quicker than influences


def sums_of(metric: Metric, stats_GLk: Stats) -> Float64s:
    """sums_GLj: what the score is a function of, added up over recordings."""
    s = np.moveaxis(np.asarray(stats_GLk, dtype=np.float64), -1, 0)
    if metric.name == "f1":
        _, tp, fp, fn = s
        return np.stack([tp, 2 * tp + fp + fn], axis=-1)
    n = s[0]
    # An origin near the means, so that squares of a large offset do not swallow a small spread. CCC asks how far the
    # sides are apart, so they share one; Pearson does not, and a side may be constant but for rounding.
    rows_L = np.maximum(n.sum(axis=0), 1.0)
    origin_p, origin_t = ((n * (s[mean] + s[rest])).sum(axis=0) / rows_L for mean, rest in MEANS)
    origins = (origin_t if metric.name == "ccc" else origin_p, origin_t)
    x, y = (
        np.where(n > 0, (s[mean] - origin_L) + s[rest], 0.0)
        for (mean, rest), origin_L in zip(MEANS, origins, strict=True)
    )
    m2_p, m2_t, cross = s[5:8]
    return np.stack([n, n * x, n * y, m2_p + n * x * x, m2_t + n * y * y, cross + n * x * y], axis=-1)


def gradient_of(metric: Metric, total_BLj: Float64s) -> Float64s:
    """gradient_BLj of each label's score at sums added up over recordings; 0 where the score is 0 by convention."""
    t = np.moveaxis(total_BLj, -1, 0)
    if metric.name == "f1":
        tp, events = t
        some = np.maximum(events, 1.0)
        return np.where(events[..., None] > 0, np.stack([2 / some, -2 * tp / some**2], axis=-1), 0.0)
    n, sum_x, sum_y, square_x, square_y, product = t
    rows = np.maximum(n, 1.0)
    x, y = sum_x / rows, sum_y / rows
    cov, var_x, var_y = product - rows * x * y, square_x - rows * x * x, square_y - rows * y * y
    if metric.name == "ccc":  # 2 cov / below, with below = square_x + square_y - 2 n x y
        below = square_x + square_y - 2 * rows * x * y
        one = np.where(below > 0, 1 / np.where(below > 0, below, 1.0), 0.0)
        score = 2 * cov * one
        each, pair, shared = -score * one, 2 * one, 2 * (score - 1) * one
        return np.stack([-shared * x * y, shared * y, shared * x, each, each, pair], axis=-1)
    spread = np.sqrt(np.clip(var_x, 0, None)) * np.sqrt(np.clip(var_y, 0, None))
    fine = spread > 0
    one = np.where(fine, 1 / np.where(fine, spread, 1.0), 0.0)
    score = cov * one
    half_x, half_y = (0.5 * score / np.where(fine, var, 1.0) for var in (var_x, var_y))
    return np.where(
        fine[..., None],
        np.stack(
            [
                one * x * y - half_x * x * x - half_y * y * y,
                2 * half_x * x - one * y,
                2 * half_y * y - one * x,
                -half_x,
                -half_y,
                one,
            ],
            axis=-1,
        ),
        0.0,
    )


class Influences:
    """The recordings of one stratum, ready to tell the errors of many draws. A score may be a sum of several systems'.

    `systems` are their sums_GLj, `shares` how much each counts: (1,) for one score, (1, -1) for a difference.
    """

    def __init__(self, metric: Metric, systems: Sequence[Float64s], shares: Sequence[float]) -> None:
        self.metric, self.shares = metric, shares
        self.sums_GLj = np.concatenate(systems, axis=-1)
        groups, self.labels, j = self.sums_GLj.shape
        self.flat_GJ = self.sums_GLj.reshape(groups, -1)
        pairs = list(combinations_with_replacement(range(j), 2)) if j <= FEW_SUMS else []
        self.first_q, self.other_q = (np.array([pair[side] for pair in pairs], dtype=int) for side in (0, 1))
        self.times_q = np.where(self.first_q == self.other_q, 1.0, 2.0)
        products_GLq = self.sums_GLj[..., self.first_q] * self.sums_GLj[..., self.other_q]
        self.few = self.labels * j <= FEW_SUMS
        both = combinations(range(self.labels * j), 2) if self.few else ()
        beside = [pair for pair in both if pair[0] // j != pair[1] // j]
        self.left_x, self.right_x = (np.array([pair[side] for pair in beside], dtype=int) for side in (0, 1))
        products_Gx = self.flat_GJ[:, self.left_x] * self.flat_GJ[:, self.right_x]  # of two labels
        # sums and their products are added up in one matrix product
        self.columns_GC = np.concatenate([self.flat_GJ, products_GLq.reshape(groups, -1), products_Gx], axis=1)
        self.ends = [self.labels * j, self.labels * (j + len(pairs))]

    def influence(self) -> Float64s:
        """influence_GM of each recording on every label's score and on P, as measured."""
        gradient_1Lj, *_ = self._gradient(np.ones((1, len(self.flat_GJ))))
        of_GL = (self.sums_GLj * gradient_1Lj[0]).sum(axis=-1)
        return np.column_stack([of_GL, of_GL.mean(axis=1)])

    def variance(self, weights_BG: Float64s) -> Float64s:
        """variance_BM of scores whose recording g was drawn `weights_BG[b, g]` times: squared influences, added up."""
        gradient_BLj, products_BLq, products_Bx = self._gradient(weights_BG)
        gradient_BJ = gradient_BLj.reshape(len(gradient_BLj), -1)
        if len(self.times_q):
            factors_BLq = gradient_BLj[..., self.first_q] * gradient_BLj[..., self.other_q] * self.times_q
            of_BL = np.clip(np.einsum("blq,blq->bl", products_BLq, factors_BLq), 0.0, None)
        else:
            influences = (gradient_BLj[:, i] @ self.sums_GLj[:, i].T for i in range(self.labels))
            of_BL = np.stack([_weighted_squares(weights_BG, of_BG) for of_BG in influences], axis=-1)
        if self.few:
            shared_B = np.einsum("bx,bx->b", products_Bx, gradient_BJ[:, self.left_x] * gradient_BJ[:, self.right_x])
            of_all_B = np.clip(of_BL.sum(axis=1) + 2 * shared_B, 0.0, None)
        else:
            of_all_B = _weighted_squares(weights_BG, gradient_BJ @ self.flat_GJ.T)
        return np.column_stack([of_BL, of_all_B / self.labels**2])

    def _gradient(self, weights_BG: Float64s) -> tuple[Float64s, Float64s, Float64s]:
        """gradient_BLj of the sum of scores at the sums of each draw; added products_BLq of a label's sums, products_Bx
        of two labels'.
        """
        total_BJ, products_BQ, products_Bx = np.split(weights_BG @ self.columns_GC, self.ends, axis=1)
        each = np.split(total_BJ.reshape(len(total_BJ), *self.sums_GLj.shape[1:]), len(self.shares), axis=-1)
        parts = [share * gradient_of(self.metric, own_BLj) for share, own_BLj in zip(self.shares, each, strict=True)]
        return np.concatenate(parts, axis=-1), products_BQ.reshape(len(total_BJ), self.labels, -1), products_Bx


def _weighted_squares(weights_BG: Float64s, of_BG: Float64s) -> Float64s:
    """Of each draw the sum over recordings of weight * of**2; `of_BG` is overwritten."""
    np.square(of_BG, out=of_BG)
    return np.asarray(np.einsum("bg,bg->b", weights_BG, of_BG))
