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
from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from harness import moments
from harness.errors import unknown
from harness.moments import CROSS, M2_P, M2_T, MEAN_P, MEAN_T, MIN_P, MIN_T, REST_P, REST_T, Combined, N
from harness.moments import Float64s as Float64s
from harness.moments import Stats as Stats

Scorer = Callable[[NDArray[Any]], Float64s]
MetricName = Literal["f1", "ccc", "pearson"]


class Metric(Protocol):
    """One score per label, always higher is better, defined on statistics that can be merged in any order."""

    name: str
    bounds: tuple[float, float]
    higher_is_better: bool
    columns: tuple[str, ...]

    def stats(self, pred_RL: NDArray[Any], target_RL: NDArray[Any]) -> Stats:
        """S_Lk of one video. NaN in a target leaves the entry out; a prediction of a labelled row must be finite."""

    def scorer(self, stats_VLk: Stats) -> Scorer:
        """weights_BV -> score_BL, draw b holding the rows of video v `weights_BV[b, v]` times (0, 1, 2 ...)."""

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

    def scorer(self, stats_VLk: Stats) -> Scorer:
        _, tp, fp, fn = np.moveaxis(stats_VLk.astype(np.float64), -1, 0)
        columns = np.concatenate([2 * tp, 2 * tp + fp + fn], axis=1)

        def scores(weights_BV: NDArray[Any]) -> Float64s:
            added_BC = np.asarray(weights_BV, np.float64) @ columns  # exact: whole numbers below 2**53
            twice_BL, events_BL = np.split(added_BC, 2, axis=1)
            return np.asarray(twice_BL / np.maximum(events_BL, 1))

        return scores

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


class _Moments(ABC):
    """The statistics CCC and Pearson share: n, means, centred second moments and extremes of both sides."""

    columns: tuple[str, ...] = moments.COLUMNS
    bounds: tuple[float, float] = (-1.0, 1.0)
    higher_is_better: bool = True

    def stats(self, pred_RL: NDArray[Any], target_RL: NDArray[Any]) -> Stats:
        pred_RL, target_RL, valid_RL = _checked(pred_RL, target_RL)
        pairs = ((pred_RL[keep_R, i], target_RL[keep_R, i]) for i, keep_R in enumerate(valid_RL.T))
        rows = [moments.of_rows(pred_R, target_R) for pred_R, target_R in pairs]
        return np.array(rows).reshape(-1, len(self.columns))

    def scorer(self, stats_VLk: Stats) -> Scorer:
        combined = Combined(stats_VLk)
        return lambda weights_BV: self.score(combined(np.asarray(weights_BV, dtype=np.float64)))

    @abstractmethod
    def score(self, stats_Lk: Stats) -> Float64s:
        """What CCC and Pearson differ in."""

    def merge(self, stats_VLk: Stats) -> Stats:
        return moments.merged(stats_VLk, np.ones(len(stats_VLk)))

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
