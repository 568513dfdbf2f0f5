"""Two runs on the same recordings: the paired cluster-bootstrap difference, from their statistics alone.

The statistics of a video hold what its labels are (tp + fn; the target's moments), so that runs judged on different
labels are told apart here without reading a label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness import bootstrap
from harness.board_rows import SPLITS
from harness.errors import MissingData, UserError, unknown
from harness.metrics import Metric, Stats, get
from harness.records import read_row, read_stats
from harness.splits import FOLDS

OVER_FOLDS: dict[str, Callable[..., bootstrap.Difference]] = {
    "folds-mean": bootstrap.paired_folds_mean,
    "folds-pooled": bootstrap.paired_folds_pooled,
}
MUST_AGREE = ("task", "task_version", "metric", "labels")


@dataclass(frozen=True)
class Judged:
    """One run on one split: its row, and per fold (one, but for the two summaries) statistics by video."""

    folder: Path
    row: Mapping[str, Any]
    folds: tuple[tuple[Stats, list[str], list[str]], ...]

    @property
    def name(self) -> str:
        """How the comparison names it."""
        return f"{self.row['system']}@{self.row['profile']} seed {self.row['seed']}"


def read_judged(folder: Path, split: str) -> Judged:
    """The row and the statistics of one split of a run; MissingData where they are not there.

    `folder` holds rows, or exactly one folder that does.
    """
    if split not in SPLITS:
        raise unknown("split to compare", split, SPLITS)
    folder = run_folder(folder)
    path = folder / f"{split}.json"
    if not path.exists():
        there = [name for name in SPLITS if (folder / f"{name}.json").exists()]
        raise MissingData(f"No split {split!r} in {folder}; it has {', '.join(there)}")
    names = [f"fold-{i}" for i in range(1, FOLDS + 1)] if split in OVER_FOLDS else [split]
    return Judged(folder, read_row(path), tuple(read_stats(folder / f"{name}.stats.npz") for name in names))


def compare(first: Judged, other: Judged, **how: Any) -> bootstrap.Difference:
    """How much `other` scores above `first`; UserError naming every way in which they were judged differently.

    `how`: level, draws, seed and method of `harness.bootstrap`.
    """
    split = first.row["split"]
    metric = get(first.row["metric"])
    _refuse_different_rows(first, other)
    pairs = [_aligned(metric, a, b, first, other) for a, b in zip(first.folds, other.folds, strict=True)]
    folds_a = [(stats_a, groups) for stats_a, _, groups in pairs]
    folds_b = [(stats_b, groups) for _, stats_b, groups in pairs]
    return OVER_FOLDS.get(split, bootstrap.paired_folds_mean)(metric, folds_b, folds_a, **how)


def run_folder(folder: Path) -> Path:
    """The folder of a run's rows: this one, or the only one in it that has rows; else an error that names them."""
    if not folder.is_dir():
        raise MissingData(f"No run at {folder}; runs lie in runs/<task>/<system@profile>/<run id>")
    if _has_rows(folder):
        return folder
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and _has_rows(path))
    if len(inner) == 1:
        return inner[0]
    if inner:
        raise UserError(f"{folder} holds {len(inner)} runs, expected one of: {', '.join(map(str, inner))}")
    raise MissingData(f"No finished split in {folder}; runs lie in runs/<task>/<system@profile>/<run id>")


def _has_rows(folder: Path) -> bool:
    return any((folder / f"{split}.json").exists() for split in SPLITS)


def _refuse_different_rows(first: Judged, other: Judged) -> None:
    a, b = first.row, other.row
    facts = [(name.replace("_", " "), a[name], b[name]) for name in MUST_AGREE]
    facts += [("data", a["data"]["name"], b["data"]["name"]), ("fold list", a["data"]["folds"], b["data"]["folds"])]
    differ = [f"{name}: {_short(of_a)} and {_short(of_b)}" for name, of_a, of_b in facts if of_a != of_b]
    if differ:
        raise _refusal(first, other, "; ".join(differ))


def _aligned(
    metric: Metric,
    a: tuple[Stats, list[str], list[str]],
    b: tuple[Stats, list[str], list[str]],
    first: Judged,
    other: Judged,
) -> tuple[Stats, Stats, list[str]]:
    """Both runs' statistics in the order of the first one's videos, once they are of the same labels."""
    stats_a, videos_a, groups_a = a
    stats_b, videos_b, groups_b = b
    only = sorted(set(videos_a) ^ set(videos_b))
    if only:
        raise _refusal(
            first, other, f"{len(only)} videos are judged in one of them only, such as {', '.join(only[:3])}"
        )
    place = {video: i for i, video in enumerate(videos_b)}
    order = [place[video] for video in videos_a]
    if groups_a != [groups_b[i] for i in order]:
        raise _refusal(first, other, "the same videos belong to other recordings")
    stats_b = stats_b[order]
    told_a, told_b = _labels_told(metric, stats_a), _labels_told(metric, stats_b)
    unlike = [video for video, x, y in zip(videos_a, told_a, told_b, strict=True) if not np.allclose(x, y, rtol=1e-9)]
    if unlike:
        policies = [judged.row["data"]["partial_rows"] for judged in (first, other)]
        why = f" (partly invalid rows: {' and '.join(policies)})" if policies[0] != policies[1] else ""
        named = ", ".join(unlike[:3])
        raise _refusal(first, other, f"the labelled rows of {len(unlike)} videos differ, such as {named}{why}")
    return stats_a, stats_b, groups_a


def _labels_told(metric: Metric, stats_VLk: Stats) -> Stats:
    """What statistics say of the labels alone: rows and positives, or rows and the target's moments."""
    of = dict(zip(metric.columns, np.moveaxis(stats_VLk, -1, 0), strict=True))
    if "tp" in of:
        return np.stack([of["n"], of["tp"] + of["fn"]], axis=-1)
    return np.stack([of["n"], of["mean_t"] + of["rest_t"], of["m2_t"], of["min_t"], of["max_t"]], axis=-1)


def _refusal(first: Judged, other: Judged, why: str) -> UserError:
    return UserError(f"{first.folder} and {other.folder} cannot be compared, they were judged differently: {why}")


def _short(value: object) -> str:
    if isinstance(value, str) and len(value) > 16:
        return value[:12]
    return (
        ", ".join(map(str, value))
        if isinstance(value, Sequence) and not isinstance(value, str)
        else str(value) or "none"
    )
