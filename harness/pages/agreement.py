"""Prediction against truth over all judged rows: confusion of classes, counts of labels, scatter of values.

Shapes: R judged rows, L labels, k numbers per label; C_LL counts rows by true label, then by decided one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from harness.kinds import Kind
from harness.metrics import F1, Stats
from harness.pages.evidence import Case
from harness.pages.svg import drawing, short, tag
from harness.types import Floats

BINS = 48
SHADES = 6  # of a density: a bin holds up to 1/32, 1/16 ... 1 of the fullest
DOTS = 400  # rows up to which every one is a dot of its own


@dataclass(frozen=True)
class Counts:
    """What one label's decisions came to."""

    label: str
    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def precision(self) -> float | None:
        """None where it was never decided for."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> float | None:
        """None where it never holds."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None


def counts(stats_VLk: Stats, labels: Sequence[str]) -> list[Counts]:
    """Per label, from the statistics of F1."""
    n_L, tp_L, fp_L, fn_L = np.moveaxis(F1().merge(stats_VLk), -1, 0)
    tn_L = n_L - tp_L - fp_L - fn_L
    of_labels = zip(labels, *(one.tolist() for one in (tp_L, fp_L, fn_L, tn_L)), strict=True)
    return [Counts(label, *four) for label, *four in of_labels]


def confusion(cases: Iterable[Case], labels: int) -> NDArray[np.int64]:
    """C_LL over rows with a label and a prediction, of a task whose rows have exactly one label."""
    count_LL = np.zeros((labels, labels), dtype=np.int64)
    for case in cases:
        known_R = ~np.isnan(case.target_RL + case.scores_RL).any(axis=1)
        pair = case.target_RL[known_R].argmax(axis=1), case.scores_RL[known_R].argmax(axis=1)
        np.add.at(count_LL, pair, 1)
    return count_LL


def left_out(cases: Iterable[Case]) -> int:
    """Rows with a label that the confusion has no place for: no prediction, or one for none of the labels."""
    unsaid = [~np.isnan(case.target_RL).any(axis=1) & np.isnan(case.scores_RL).any(axis=1) for case in cases]
    return sum(int(unsaid_R.sum()) for unsaid_R in unsaid)


def shares(count_LL: NDArray[np.int64], axis: int) -> list[list[float | None]]:
    """Counts as shares of their row (axis 1) or their column (axis 0); None where that holds nothing."""
    total = count_LL.sum(axis=axis, keepdims=True)
    share_LL = count_LL / np.maximum(total, 1)
    empty_LL = np.broadcast_to(total == 0, count_LL.shape)
    return [[None if empty else share for share, empty in zip(*row, strict=True)]
            for row in zip(share_LL.tolist(), empty_LL.tolist(), strict=True)]  # fmt: skip


def pairs(cases: Iterable[Case], label: int) -> tuple[Floats, Floats]:
    """target_R and pred_R of one label, over rows where both are known."""
    both = [(case.target_RL[:, label], case.scores_RL[:, label]) for case in cases]
    target_R, pred_R = (np.concatenate([one[i] for one in both]) for i in (0, 1))
    known_R = ~np.isnan(target_R + pred_R)
    return target_R[known_R], pred_R[known_R]


def scatter(target_R: Floats, pred_R: Floats, kind: Kind, what: str) -> Markup:
    """Truth to the right, prediction upwards, the diagonal where they agree; a density where there are many rows."""
    low, high = kind.low, kind.high
    side = float(BINS)

    def place(values_R: Floats) -> NDArray[np.float64]:
        return np.clip((values_R.astype(np.float64) - low) / (high - low) * side, 0.0, side)

    x_R, y_R = place(target_R), side - place(pred_R)
    shapes = [tag("line", class_="zero", x1=0, y1=side, x2=side, y2=0, vector_effect="non-scaling-stroke")]
    if low < 0 < high:
        zero = side * -low / (high - low)
        for ends in ({"x1": zero, "x2": zero, "y1": 0, "y2": side}, {"x1": 0, "x2": side, "y1": side - zero,
                     "y2": side - zero}):  # fmt: skip
            shapes.append(tag("line", class_="rule", vector_effect="non-scaling-stroke", **ends))
    if len(x_R) <= DOTS:
        shapes += [tag("circle", class_="point", cx=x, cy=y, r=0.55) for x, y in zip(x_R.tolist(), y_R.tolist(),
                   strict=True)]  # fmt: skip
    else:
        shapes += _density(x_R, y_R)
    return drawing(what, shapes, box=(side, side), class_="scatter")


def _density(x_R: NDArray[Any], y_R: NDArray[Any]) -> list[Markup]:
    """Bins of one shade as one path: a page holds thousands of them."""
    count_XY, _, _ = np.histogram2d(x_R, y_R, bins=BINS, range=((0, BINS), (0, BINS)))
    with np.errstate(divide="ignore"):
        level_XY = np.floor(SHADES + np.log2(count_XY / count_XY.max()) - 1e-9).clip(0, SHADES - 1)
    drawn = []
    for level in range(SHADES):
        at = np.argwhere((count_XY > 0) & (level_XY == level))
        d = "".join(f"M{short(x)} {short(y)}h1v1h-1z" for x, y in at.tolist())
        if d:
            drawn.append(tag("path", class_="bin", d=d, opacity=(level + 0.7) / SHADES))
    return drawn
