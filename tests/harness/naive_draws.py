"""Made-up videos in recordings, and the bootstrap done naively: rows really repeated as often as they were drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import metrics
from harness.statistics import bootstrap

Array = NDArray[Any]
Rows = list[tuple[str, Array, Array]]  # group, pred_RL, target_RL
DRAWS = 60


def f1_naive(pred_RL: Array, target_RL: Array) -> Array:
    from sklearn.metrics import f1_score

    return np.asarray(f1_score(target_RL.astype(int), pred_RL.astype(int), average=None, zero_division=0))


def ccc_naive(pred_RL: Array, target_RL: Array) -> Array:
    off_p, off_t = pred_RL - pred_RL.mean(axis=0), target_RL - target_RL.mean(axis=0)
    shift = (pred_RL - target_RL).mean(axis=0)
    return np.asarray(2 * (off_p * off_t).mean(axis=0) / ((off_p**2).mean(axis=0) + (off_t**2).mean(axis=0) + shift**2))


def pearson_naive(pred_RL: Array, target_RL: Array) -> Array:
    from scipy.stats import pearsonr

    return np.asarray(pearsonr(pred_RL, target_RL, axis=0).statistic)


NAIVE: dict[str, Callable[[Array, Array], Array]] = {"f1": f1_naive, "ccc": ccc_naive, "pearson": pearson_naive}


def world(name: str, *, videos: int = 30, groups: int = 20, labels: int = 4, seed: int = 0, skill: float = 0.5) -> Rows:
    """Videos of 1 to 25 rows; several videos may share a recording."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for v in range(videos):
        n = int(rng.integers(1, 26))
        noise = np.random.default_rng([seed, v, int(skill * 100)])
        if name == "f1":
            truth_R = rng.integers(labels, size=n)
            said_R = np.where(noise.random(n) < skill, truth_R, noise.integers(labels, size=n))
            rows.append((f"rec{v % groups}", np.eye(labels)[said_R], np.eye(labels)[truth_R]))
        else:
            truth_RL = rng.normal(size=(n, labels)) + rng.normal(size=labels)
            rows.append((f"rec{v % groups}", skill * truth_RL + noise.normal(size=(n, labels)), truth_RL))
    return rows


def statistics(name: str, rows: Rows) -> tuple[Array, list[str]]:
    metric = metrics.get(name)
    return np.array([metric.stats(pred, target) for _, pred, target in rows]), [group for group, _, _ in rows]


def resampled(name: str, rows: Rows, counts_G: Array) -> Array:
    """The score of rows really repeated as often as their recording was drawn, recordings sorted by name."""
    drawn = np.repeat(sorted({group for group, _, _ in rows}), counts_G)
    parts = [(pred, target) for chosen in drawn for group, pred, target in rows if group == chosen]
    return NAIVE[name](*(np.concatenate(side) for side in zip(*parts, strict=True)))


def all_weights(clusters: int, draws: int, seed: int = 0, fold: int = 0) -> Array:
    return np.concatenate(list(bootstrap.weights(clusters, draws, seed, fold))).astype(int)
