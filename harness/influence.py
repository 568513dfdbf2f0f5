"""How much each recording moves a score, to first order, and the standard error that follows.

Every score here is a smooth function of sums over recordings: counts, or n, sums, squares and products. Its gradient
times a recording's own sums is that recording's influence; squared influences add up to the squared standard error
(the infinitesimal jackknife: Jaeckel 1972, Efron 1982). For a score that does not change when every sum is doubled, as
all of these, the influences add up to zero.

Shapes: G groups (raw recordings), B draws, L labels, j sums per label, M = L + 1 (every label, then P, their mean).
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics import MEAN_P, MEAN_T, REST_P, REST_T, Float64s, Metric, Stats

FEW_SUMS = 12  # up to here the products of sums are quicker than influences


def sums_of(metric: Metric, stats_GLk: Stats) -> Float64s:
    """sums_GLj: what the score is a function of, added up over recordings."""
    s = np.moveaxis(np.asarray(stats_GLk, dtype=np.float64), -1, 0)
    if metric.name == "f1":
        _, tp, fp, fn = s
        return np.stack([tp, 2 * tp + fp + fn], axis=-1)
    n = s[0]
    # one origin for both sides, so that their distance stays, and squares of a large offset do not
    rows_L = n.sum(axis=0)
    origin_L = (n * (s[MEAN_T] + s[REST_T])).sum(axis=0) / np.maximum(rows_L, 1.0)
    x, y = (np.where(n > 0, (s[mean] - origin_L) + s[rest], 0.0) for mean, rest in ((MEAN_P, REST_P), (MEAN_T, REST_T)))
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


def influence(sums_GLj: Float64s, gradient_Lj: Float64s) -> Float64s:
    """influence_GM of each recording on every label's score and on P."""
    of_GL = (sums_GLj * gradient_Lj).sum(axis=-1)
    return np.column_stack([of_GL, of_GL.mean(axis=1)])


def variance(weights_BG: NDArray[Any], sums_GLj: Float64s, gradient_BLj: Float64s) -> Float64s:
    """variance_BM of scores whose recording g was drawn `weights_BG[b, g]` times: squared influences, added up."""
    groups, labels, j = sums_GLj.shape
    weights_BG = np.asarray(weights_BG, dtype=np.float64)
    of_label = _from_products if j <= FEW_SUMS else _from_influences
    on_p_BG = gradient_BLj.reshape(len(gradient_BLj), -1) @ sums_GLj.reshape(groups, -1).T / labels
    return np.column_stack([of_label(weights_BG, sums_GLj, gradient_BLj), _weighted_squares(weights_BG, on_p_BG)])


def _from_products(weights_BG: Float64s, sums_GLj: Float64s, gradient_BLj: Float64s) -> Float64s:
    """variance_BL by adding up the products of sums once: one pass over (B, G), for j (j + 1) / 2 numbers a label."""
    groups, labels, j = sums_GLj.shape
    pairs = list(combinations_with_replacement(range(j), 2))
    products_GLq = np.stack([sums_GLj[..., a] * sums_GLj[..., b] for a, b in pairs], axis=-1)
    added_BLq = (weights_BG @ products_GLq.reshape(groups, -1)).reshape(-1, labels, len(pairs))
    twice = [1.0 if a == b else 2.0 for a, b in pairs]
    factors_BLq = np.stack([gradient_BLj[..., a] * gradient_BLj[..., b] for a, b in pairs], axis=-1) * twice
    return np.asarray(np.clip((added_BLq * factors_BLq).sum(axis=-1), 0.0, None))


def _from_influences(weights_BG: Float64s, sums_GLj: Float64s, gradient_BLj: Float64s) -> Float64s:
    """variance_BL from every recording's influence in every draw, label by label."""
    columns = [gradient_BLj[:, i] @ sums_GLj[:, i].T for i in range(sums_GLj.shape[1])]
    return np.stack([_weighted_squares(weights_BG, of_BG) for of_BG in columns], axis=-1)


def _weighted_squares(weights_BG: Float64s, of_BG: Float64s) -> Float64s:
    return np.asarray(np.einsum("bg,bg->b", weights_BG, of_BG * of_BG))  # of two factors einsum is quick, of three slow
