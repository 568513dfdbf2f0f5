"""How well each video was met, from statistics alone: which to look at first.

One measure per metric. F1 with the labels pooled, 2 tp / (2 tp + fp + fn), which is the share of rows met where exactly
one label holds; the root mean squared error for values, since CCC and Pearson of a video whose labels hardly change say
nothing. Shapes: V videos, L labels, k numbers per label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.metrics import Float64s, Metric, Stats

MEASURES = {"f1": "F1, labels pooled, %"}
ERROR = "root mean squared error"


@dataclass(frozen=True)
class Met:
    """One video: its measure, and that as a `share` of 1 (F1) or of the largest error."""

    video: str
    group: str
    rows: int
    value: float
    share: float


def from_worst(metric: Metric, stats_VLk: Stats, videos: Sequence[str], groups: Sequence[str]) -> list[Met]:
    """Every video with a labelled row, worst first; equals by name."""
    rows_V = metric.rows(stats_VLk).max(axis=1)
    value_V = _f1(stats_VLk) if metric.name == "f1" else _error(metric, stats_VLk)
    good_V = value_V if metric.name == "f1" else -value_V
    largest = 1.0 if metric.name == "f1" else max(value_V.max(initial=0.0), 1e-12)
    met = [
        (good, Met(video, group, rows, value, value / largest))
        for video, group, rows, value, good in zip(
            videos, groups, rows_V.tolist(), value_V.tolist(), good_V.tolist(), strict=True
        )
        if rows
    ]
    return [one for _, one in sorted(met, key=lambda pair: (pair[0], pair[1].video))]


def _f1(stats_VLk: Stats) -> Float64s:
    _, tp_V, fp_V, fn_V = np.moveaxis(stats_VLk.sum(axis=1), -1, 0)
    return np.asarray(2 * tp_V / np.maximum(2 * tp_V + fp_V + fn_V, 1), dtype=np.float64)


def _error(metric: Metric, stats_VLk: Stats) -> Float64s:
    """Root mean squared error from moments: E (p - t)^2 = (m2_p + m2_t - 2 cross) / n + (mean_p - mean_t)^2."""
    of = dict(zip(metric.columns, np.moveaxis(stats_VLk, -1, 0), strict=True))
    n_VL = np.maximum(of["n"], 1.0)
    shift_VL = (of["mean_p"] - of["mean_t"]) + (of["rest_p"] - of["rest_t"])
    square_VL = np.clip(of["m2_p"] + of["m2_t"] - 2 * of["cross"], 0.0, None) / n_VL + shift_VL**2
    labelled_VL = of["n"] > 0
    mean_V = (square_VL * labelled_VL).sum(axis=1) / np.maximum(labelled_VL.sum(axis=1), 1)
    return np.asarray(np.sqrt(mean_V), dtype=np.float64)
