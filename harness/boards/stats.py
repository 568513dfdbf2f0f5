"""The statistics that lie beside a row, and whether those of two rows are of the same labels.

With the statistics of a video lies a hash of its judged labels, so that runs judged on different labels are told apart
here without reading one. Files from before that have none; of those, what statistics say of the labels (tp + fn; the
target's moments) must agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import MissingData
from harness.metrics import Metric, Stats
from harness.records import read_stats, read_truths
from harness.splits import FOLDS
from harness.statistics.bootstrap import Fold

SUMMARIES = ("folds-mean", "folds-pooled")


@dataclass(frozen=True, eq=False)
class FoldStats:
    """stats_VLk of one split's judged videos, with their keys, their recordings and hashes of their judged labels."""

    stats_VLk: Stats
    videos: list[str]
    groups: list[str]
    truths: list[str] | None = None

    @property
    def fold(self) -> Fold:
        return self.stats_VLk, self.groups


class Unlike(Exception):
    """Two rows were judged on different labels; the message says how."""


def read(row: Path) -> tuple[FoldStats, ...]:
    """The statistics of the row in file `row`: of its split, or of the five folds for a row over folds.

    MissingData where they are not there.
    """
    names = [f"fold-{i}" for i in range(1, FOLDS + 1)] if row.stem in SUMMARIES else [row.stem]
    paths = [row.with_name(f"{name}.stats.npz") for name in names]
    return tuple(FoldStats(*read_stats(path), read_truths(path)) for path in paths)


def found(row: Path) -> tuple[FoldStats, ...] | None:
    """`read`, or None where not all are there: of real data they are not shared."""
    try:
        return read(row)
    except MissingData:
        return None


def aligned(metric: Metric, first: FoldStats, other: FoldStats) -> FoldStats:
    """`other` in the order of the first one's videos; Unlike where it is not of the same labels."""
    only = sorted(set(first.videos) ^ set(other.videos))
    if only:
        raise Unlike(f"{len(only)} videos are judged in one of them only, such as {', '.join(only[:3])}")
    place = {video: i for i, video in enumerate(other.videos)}
    order = [place[video] for video in first.videos]
    if first.groups != [other.groups[i] for i in order]:
        raise Unlike("the same videos belong to other recordings")
    stats_VLk = other.stats_VLk[order]
    if stats_VLk.shape != first.stats_VLk.shape:
        raise Unlike(f"they have {first.stats_VLk.shape[1]} and {stats_VLk.shape[1]} labels")
    if first.truths is not None and other.truths is not None:
        like_V = np.array(first.truths) == np.array([other.truths[i] for i in order])
    else:
        told_VLi, other_VLi = _labels_told(metric, first.stats_VLk), _labels_told(metric, stats_VLk)
        like_V = np.all(np.isclose(told_VLi, other_VLi, rtol=1e-9), axis=(1, 2))
    unlike = [video for video, like in zip(first.videos, like_V.tolist(), strict=True) if not like]
    if unlike:
        raise Unlike(f"the labelled rows of {len(unlike)} videos differ, such as {', '.join(unlike[:3])}")
    truths = None if other.truths is None else [other.truths[i] for i in order]
    return FoldStats(stats_VLk, first.videos, first.groups, truths)


def _labels_told(metric: Metric, stats_VLk: Stats) -> Stats:
    """What statistics say of the labels alone: rows and positives, or rows and the target's moments."""
    of = dict(zip(metric.columns, np.moveaxis(stats_VLk, -1, 0), strict=True))
    if "tp" in of:
        return np.stack([of["n"], of["tp"] + of["fn"]], axis=-1)
    return np.stack([of["n"], of["mean_t"] + of["rest_t"], of["m2_t"], of["min_t"], of["max_t"]], axis=-1)
