"""A metric is mergeable statistics plus one closing formula: one definition for score, folds, bootstrap and shards.

Shapes: R rows, L labels, V sets to merge (videos, recordings), B bootstrap draws, k numbers per label (last axis of S).

Conventions that change numbers, each pinned by a test:

* pooled over all labelled rows, never averaged per video; a row is labelled where its target is not NaN, per label;
* population moments (divide by n, not n - 1);
* F1 is 0 for a label without a true positive, false positive or false negative;
* CCC and Pearson are 0 where a side is constant (its min equals its max) and where no row is labelled;
* the labels are the task's fixed list; P is the plain mean over them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.errors import unknown

Stats = NDArray[Any]  # S_..Lk: int64 for F1, float64 for CCC and Pearson
Float64s = NDArray[np.float64]
MetricName = Literal["f1", "ccc", "pearson"]


class Metric(Protocol):
    """One score per label, always higher is better, defined on statistics that can be merged in any order."""

    name: str
    bounds: tuple[float, float]
    higher_is_better: bool
    columns: tuple[str, ...]

    def stats(self, pred_RL: NDArray[Any], target_RL: NDArray[Any]) -> Stats:
        """S_Lk of one video. NaN in a target leaves the entry out; a prediction of a labelled row must be finite."""

    def weighted(self, stats_VLk: Stats, weights_BV: NDArray[Any]) -> Stats:
        """S_BLk, each draw b holding the rows of video v `weights_BV[b, v]` times (counts, zero or more)."""

    def score_draws(self, stats_VLk: Stats, weights_BV: NDArray[Any]) -> Float64s:
        """score_BL of each draw: `score(weighted(...))`, without what of it no score needs."""

    def merge(self, stats_VLk: Stats) -> Stats:
        """S_Lk of all rows together."""

    def score(self, stats_Lk: Stats) -> Float64s:
        """score_..L from S_..Lk; any leading dimensions."""

    def rows(self, stats_Lk: Stats) -> NDArray[np.int64]:
        """Number of labelled rows, n_..L."""

    def undefined(self, stats_Lk: Stats) -> NDArray[np.bool_]:
        """Where a score is 0 by convention and not by measurement, so that `coverage` can name the labels."""


class F1:
    """F1 = 2 tp / (2 tp + fp + fn) of each label; pred and target are 0/1 matrices (one-hot where one label holds).

    >>> f1 = F1()
    >>> one_hot = np.eye(3)
    >>> f1.score(f1.stats(one_hot[[0, 0, 1, 1]], one_hot[[0, 1, 1, 1]])).round(4).tolist()
    [0.6667, 0.8, 0.0]

    The third label occurs nowhere: it counts as 0 in P, and `undefined` names it.

    >>> f1.undefined(f1.stats(one_hot[[0, 0, 1, 1]], one_hot[[0, 1, 1, 1]])).tolist()
    [False, False, True]
    """

    name: str = "f1"
    bounds: tuple[float, float] = (0.0, 1.0)
    higher_is_better: bool = True
    columns: tuple[str, ...] = ("n", "tp", "fp", "fn")

    def stats(self, pred_RL: NDArray[Any], target_RL: NDArray[Any]) -> Stats:
        pred_RL, target_RL, valid_RL = _checked(pred_RL, target_RL)
        for side, values_RL in (("predictions", pred_RL), ("targets", target_RL)):
            if not np.isin(values_RL[valid_RL], (0.0, 1.0)).all():
                raise ValueError(f"F1 needs {side} of 0 and 1 (decide first), got other values")
        said_RL, true_RL = (pred_RL == 1) & valid_RL, (target_RL == 1) & valid_RL
        counts = (valid_RL, said_RL & true_RL, said_RL & ~true_RL, ~said_RL & true_RL)
        return np.stack([each_RL.sum(axis=0, dtype=np.int64) for each_RL in counts], axis=-1)

    def weighted(self, stats_VLk: Stats, weights_BV: NDArray[Any]) -> Stats:
        flat = np.asarray(weights_BV, np.float64) @ stats_VLk.reshape(len(stats_VLk), -1).astype(np.float64)
        return flat.astype(np.int64).reshape(-1, *stats_VLk.shape[1:])  # exact: counts below 2**53

    def score_draws(self, stats_VLk: Stats, weights_BV: NDArray[Any]) -> Float64s:
        _, tp, fp, fn = np.moveaxis(stats_VLk.astype(np.float64), -1, 0)
        columns = np.concatenate([2 * tp, 2 * tp + fp + fn], axis=1)
        twice_BL, events_BL = np.split(np.asarray(weights_BV, np.float64) @ columns, 2, axis=1)  # exact, as above
        return np.asarray(twice_BL / np.maximum(events_BL, 1))

    def merge(self, stats_VLk: Stats) -> Stats:
        return np.asarray(stats_VLk.sum(axis=0, dtype=np.int64))

    def score(self, stats_Lk: Stats) -> Float64s:
        _, tp, fp, fn = np.moveaxis(stats_Lk, -1, 0)
        events = 2 * tp + fp + fn
        return np.asarray(2 * tp / np.maximum(events, 1), dtype=np.float64)

    def rows(self, stats_Lk: Stats) -> NDArray[np.int64]:
        return np.asarray(stats_Lk[..., 0], dtype=np.int64)

    def undefined(self, stats_Lk: Stats) -> NDArray[np.bool_]:
        return np.asarray(stats_Lk[..., 1:].sum(axis=-1) == 0)


# A mean is kept as a rounded number and the rest that rounding lost, so that the difference of two means stays exact
# where all values carry a large offset.
N, MEAN_P, REST_P, MEAN_T, REST_T, M2_P, M2_T, CROSS, MIN_P, MAX_P, MIN_T, MAX_T = range(12)
MEANS = ((MEAN_P, REST_P), (MEAN_T, REST_T))
SQUARES = ((M2_P, 0, 0), (M2_T, 1, 1), (CROSS, 0, 1))  # column, and the two sides whose distances it multiplies


class _Moments(ABC):
    """The statistics CCC and Pearson share: n, means, centred second moments and extremes of both sides."""

    columns: tuple[str, ...] = (
        *("n", "mean_p", "rest_p", "mean_t", "rest_t", "m2_p", "m2_t", "cross"),
        *("min_p", "max_p", "min_t", "max_t"),
    )
    bounds: tuple[float, float] = (-1.0, 1.0)
    higher_is_better: bool = True
    empty: ClassVar[tuple[float, ...]] = (0.0,) * 8 + (np.inf, -np.inf) * 2

    def stats(self, pred_RL: NDArray[Any], target_RL: NDArray[Any]) -> Stats:
        pred_RL, target_RL, valid_RL = _checked(pred_RL, target_RL)
        pairs = ((pred_RL[keep_R, i], target_RL[keep_R, i]) for i, keep_R in enumerate(valid_RL.T))
        return np.array([_moments(pred_R, target_R) for pred_R, target_R in pairs]).reshape(-1, len(self.empty))

    def weighted(self, stats_VLk: Stats, weights_BV: NDArray[Any]) -> Stats:
        weights_BV = np.asarray(weights_BV, dtype=np.float64)
        out_BLk, cancelled_B = _combine(stats_VLk, weights_BV)
        for label in range(stats_VLk.shape[1]):
            for low in (MIN_P, MIN_T):
                out_BLk[:, label, low] = _smallest_drawn(stats_VLk[:, label, low], weights_BV)
                out_BLk[:, label, low + 1] = -_smallest_drawn(-stats_VLk[:, label, low + 1], weights_BV)
        self._again(out_BLk, cancelled_B, stats_VLk, weights_BV)
        return out_BLk

    def _again(self, out_BLk: Stats, cancelled_B: NDArray[np.bool_], stats_VLk: Stats, weights_BV: Float64s) -> None:
        for b in cancelled_B.nonzero()[0]:
            drawn_V = weights_BV[b] > 0
            out_BLk[b] = _chan(stats_VLk[drawn_V], weights_BV[b, drawn_V])

    def score_draws(self, stats_VLk: Stats, weights_BV: NDArray[Any]) -> Float64s:
        weights_BV = np.asarray(weights_BV, dtype=np.float64)
        out_BLk, cancelled_B = _combine(stats_VLk, weights_BV)
        # a draw is constant where all is, or where its squares cancel: so the extremes of the others may be anyone's
        out_BLk[..., MIN_P:] = _chan(stats_VLk, np.ones(len(stats_VLk)))[:, MIN_P:]
        self._again(out_BLk, cancelled_B, stats_VLk, weights_BV)
        return self.score(out_BLk)

    @abstractmethod
    def score(self, stats_Lk: Stats) -> Float64s:
        """What CCC and Pearson differ in."""

    def merge(self, stats_VLk: Stats) -> Stats:
        return _chan(stats_VLk, np.ones(len(stats_VLk)))

    def rows(self, stats_Lk: Stats) -> NDArray[np.int64]:
        return np.asarray(stats_Lk[..., N], dtype=np.int64)

    def undefined(self, stats_Lk: Stats) -> NDArray[np.bool_]:
        constant_p, constant_t = (stats_Lk[..., low] == stats_Lk[..., low + 1] for low in (MIN_P, MIN_T))
        return np.asarray((stats_Lk[..., N] == 0) | constant_p | constant_t)

    def _ratio(self, above: Float64s, below: Float64s, stats_Lk: Stats) -> Float64s:
        zero = self.undefined(stats_Lk) | (below == 0)  # below is 0 without being constant only by underflow
        score = np.where(zero, 0.0, above / np.where(zero, 1.0, below))
        return np.asarray(np.clip(score, *self.bounds))


class CCC(_Moments):
    """Lin's concordance, 2 cov / (var_p + var_t + (mean_p - mean_t)^2), with population moments (paper Eq. 4).

    >>> ccc, target = CCC(), np.array([[0.0], [0.5], [1.0]])
    >>> ccc.score(ccc.stats(target, target)).tolist()
    [1.0]
    >>> ccc.score(ccc.stats(target + 0.5, target)).round(6).tolist()
    [0.571429]
    >>> ccc.score(ccc.stats(np.full((3, 1), 0.1), target)).tolist()
    [0.0]
    """

    name: str = "ccc"

    def score(self, stats_Lk: Stats) -> Float64s:
        s = np.moveaxis(stats_Lk, -1, 0)
        shift = (s[MEAN_P] - s[MEAN_T]) + (s[REST_P] - s[REST_T])
        return self._ratio(2 * s[CROSS], s[M2_P] + s[M2_T] + s[N] * shift**2, stats_Lk)


class Pearson(_Moments):
    """Pearson's correlation.

    >>> pearson, target = Pearson(), np.array([[0.0], [0.5], [1.0]])
    >>> pearson.score(pearson.stats(3 * target + 1, target)).tolist()
    [1.0]
    >>> pearson.score(pearson.stats(np.zeros((3, 1)), target)).tolist()
    [0.0]
    """

    name: str = "pearson"

    def score(self, stats_Lk: Stats) -> Float64s:
        s = np.moveaxis(stats_Lk, -1, 0)
        return self._ratio(s[CROSS], np.sqrt(s[M2_P]) * np.sqrt(s[M2_T]), stats_Lk)


METRICS: dict[str, Metric] = {metric.name: metric for metric in (F1(), CCC(), Pearson())}


def get(name: str) -> Metric:
    """The metric a `Kind` names.

    >>> get("f1").bounds
    (0.0, 1.0)
    """
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    return METRICS[name]


def _checked(pred_RL: NDArray[Any], target_RL: NDArray[Any]) -> tuple[Float64s, Float64s, NDArray[np.bool_]]:
    """Both as float64 and the mask of labelled entries; ValueError for other shapes or unusable predictions."""
    pred_RL, target_RL = np.asarray(pred_RL, dtype=np.float64), np.asarray(target_RL, dtype=np.float64)
    if pred_RL.shape != target_RL.shape or pred_RL.ndim != 2:
        raise ValueError(f"expected two matrices of rows by labels, got {pred_RL.shape} and {target_RL.shape}")
    valid_RL = ~np.isnan(target_RL)
    if not np.isfinite(pred_RL[valid_RL]).all():
        raise ValueError("a prediction of a labelled row is not finite")
    return pred_RL, target_RL, valid_RL


def _moments(pred_R: Float64s, target_R: Float64s) -> tuple[float, ...]:
    """The twelve numbers of one label in two passes: means, then centred sums, corrected for the means' rounding."""
    n = len(pred_R)
    if n == 0:
        return _Moments.empty
    mean_p, mean_t = pred_R.mean(), target_R.mean()
    off_p, off_t = pred_R - mean_p, target_R - mean_t
    rest_p, rest_t = off_p.mean(), off_t.mean()
    off_p, off_t = off_p - rest_p, off_t - rest_t
    centred = (np.sum(off_p * off_p), np.sum(off_t * off_t), np.sum(off_p * off_t))
    extremes = (pred_R.min(), pred_R.max(), target_R.min(), target_R.max())
    return (float(n), mean_p, rest_p, mean_t, rest_t, *centred, *extremes)


def _chan(stats_VLk: Stats, weight_V: Float64s) -> Stats:
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


def _combine(stats_VLk: Stats, weights_BV: Float64s) -> tuple[Stats, NDArray[np.bool_]]:
    """S_BLk of many weightings without extremes, and the draws that `_chan` must do again.

    Around the mean of all sets together, Chan's formula is one matrix product and a correction to each draw's own
    mean. Where that correction is not small, digits would cancel: such draws are named, not trusted. A side that is
    constant everywhere has nothing to cancel.
    """
    s = np.moveaxis(stats_VLk, -1, 0)
    base, center, off = _offsets(s, s[N])
    squares = [s[column] + s[N] * off[x] * off[y] for column, x, y in SQUARES]
    columns = [s[N], *(s[N] * off_VL for off_VL in off), *squares]
    labels = stats_VLk.shape[1]
    added_BC = weights_BV @ np.concatenate(columns, axis=1)  # one matrix product for all of them
    added = [added_BC[:, at : at + labels] for at in range(0, added_BC.shape[1], labels)]
    out_BLk = np.empty((len(weights_BV), *stats_VLk.shape[1:]))
    total_BL = out_BLk[..., N] = added[0]
    grand = [off_BL / np.maximum(total_BL, 1.0) for off_BL in added[1:3]]
    for side, (mean, rest) in enumerate(MEANS):
        out_BLk[..., mean], out_BLk[..., rest] = _two_sum(base[side], center[side] + grand[side])
    cancelled_B = np.zeros(len(weights_BV), dtype=bool)
    for around_BL, (column, x, y) in zip(added[3:], SQUARES, strict=True):
        out_BLk[..., column] = around_BL - total_BL * grand[x] * grand[y]
        if x == y:  # the cross-product is safe where both squares are (Cauchy-Schwarz)
            low = (MIN_P, MIN_T)[x]
            constant_L = s[low].min(axis=0, initial=np.inf) >= s[low + 1].max(axis=0, initial=-np.inf)
            cancelled_B |= ((out_BLk[..., column] <= 0.5 * around_BL) & ~constant_L).any(axis=1)
    return out_BLk, cancelled_B


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


def _smallest_drawn(value_V: Float64s, weights_BV: Float64s, first: int = 12) -> Float64s:
    """min over the drawn videos of each draw, inf where none is drawn.

    Videos are looked at from the smallest on: of 100,000 draws all but one hold one of the first dozen.
    """
    order_V = value_V.argsort(kind="stable")
    front_BV = weights_BV[:, order_V[:first]] > 0
    at_B = front_BV.argmax(axis=1)
    found_B = front_BV[np.arange(len(at_B)), at_B]
    smallest_B = np.where(found_B, value_V[order_V[at_B]], np.inf)
    if not found_B.all():
        rest_BV = weights_BV[~found_B] > 0
        smallest_B[~found_B] = np.where(rest_BV, value_V, np.inf).min(axis=1)
    return smallest_B
