"""Rows to judge, whole and in pieces, and CCC by hand, for the tests of metrics and of merging."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # nothing of harness is behind a reference
    from harness.metrics import Metric

Array = NDArray[Any]
EXACT = 1e-12


def ccc_by_hand(pred_R: Array, target_R: Array) -> float:
    """Lin's CCC with population moments, float64, two passes."""
    if len(pred_R) == 0 or np.ptp(pred_R) == 0 or np.ptp(target_R) == 0:
        return 0.0
    n = len(pred_R)
    off_p, off_t = (x - fsum(x) / n for x in (pred_R, target_R))
    off_p, off_t = off_p - fsum(off_p) / n, off_t - fsum(off_t) / n
    shift = fsum(pred_R - target_R) / n
    return 2 * fsum(off_p * off_t) / (fsum(off_p**2) + fsum(off_t**2) + n * shift**2)


def binary(seed: int, rows: int = 300, labels: int = 5) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.integers(2, size=(rows, labels)).astype(float), rng.integers(2, size=(rows, labels)).astype(float)


def pieces(metric: Metric, pred_RL: Array, target_RL: Array, count: int, seed: int = 0) -> Array:
    """stats_VLk of the rows cut at random places, some pieces empty."""
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(pred_RL) + 1, size=count - 1))
    parts = zip(np.split(pred_RL, cuts), np.split(target_RL, cuts), strict=True)
    return np.array([metric.stats(pred, target) for pred, target in parts])
