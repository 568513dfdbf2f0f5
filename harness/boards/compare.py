"""Two runs on the same recordings: the paired cluster-bootstrap difference, from their statistics alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.rows import SPLITS
from harness.boards.stats import FoldStats, Unlike, aligned, read
from harness.errors import HarnessError, MissingData, UserError, unknown
from harness.metrics import Metric, get
from harness.records import read_row
from harness.statistics import bootstrap

OVER_FOLDS: dict[str, Callable[..., bootstrap.Difference]] = {
    "folds-mean": bootstrap.paired_folds_mean,
    "folds-pooled": bootstrap.paired_folds_pooled,
}
MUST_AGREE = ("task", "task_version", "metric", "labels")
NEEDED = (*MUST_AGREE, "data", "split", "score", "system", "profile", "seed", "run", "partial")


@dataclass(frozen=True)
class Judged:
    """One run on one split: its row, and per fold (one, but for the two summaries) statistics by video."""

    folder: Path
    row: Mapping[str, Any]
    folds: tuple[FoldStats, ...]

    @property
    def name(self) -> str:
        """How the comparison names it."""
        return f"{self.row['system']}@{self.row['profile']} seed {self.row['seed']}"

    @property
    def scores(self) -> dict[str, float]:
        """Of every label and of P."""
        score = self.row["score"]
        return {name: one["value"] for name, one in (*score["labels"].items(), ("P", score["P"]))}

    def told(self) -> dict[str, Any]:
        """What JSON says of it."""
        names = ("system", "profile", "seed", "run", "partial")
        return {name: self.row[name] for name in names} | {"P": self.scores["P"]}


def read_judged(folder: Path, split: str) -> Judged:
    """The row and the statistics of one split of a run; MissingData where they are not there.

    `folder` holds rows, or exactly one folder that does.
    """
    if split not in SPLITS:
        raise unknown("split to compare", split, SPLITS)
    folder = run_folder(folder, "; or several seeds, with --seeds")
    path = folder / f"{split}.json"
    if not path.exists():
        there = [name for name in SPLITS if (folder / f"{name}.json").exists()]
        raise MissingData(f"No split {split!r} in {folder}; it has {', '.join(there)}")
    row = read_row(path)
    lacking = [name for name in NEEDED if name not in row]
    if lacking:
        raise HarnessError(f"{path} is no row of a run: it lacks {', '.join(lacking)}")
    if row["score"] is None:
        raise UserError(f"{path} has no score: its videos were predicted, not judged")
    return Judged(folder, row, read(path))


def compare(first: Judged, other: Judged, **how: Any) -> bootstrap.Difference:
    """How much `other` scores above `first`; UserError naming every way in which they were judged differently.

    `how`: level, draws, seed and method of `harness.statistics.bootstrap`.
    """
    split = first.row["split"]
    metric = get(first.row["metric"])
    refuse_different_rows(first, other)
    folds_a = [fold.fold for fold in first.folds]
    folds_b = [like(metric, a, b, first, other).fold for a, b in zip(first.folds, other.folds, strict=True)]
    return OVER_FOLDS.get(split, bootstrap.paired_folds_mean)(metric, folds_b, folds_a, **how)


def run_folders(folder: Path) -> list[Path]:
    """`folder`, or those in it that hold rows; MissingData where there is none."""
    if not folder.is_dir():
        raise MissingData(f"No run at {folder}; runs lie in runs/<task>/<system@profile>/<run id>")
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and _has_rows(path))
    if not inner and not _has_rows(folder):
        raise MissingData(f"No finished split in {folder}; runs lie in runs/<task>/<system@profile>/<run id>")
    return [folder] if _has_rows(folder) else inner


def run_folder(folder: Path, otherwise: str = "") -> Path:
    """The folder of a run's rows: this one, or the only one in it that has rows.

    UserError where there are several; it ends with what else they would be good for.
    """
    found = run_folders(folder)
    if len(found) > 1:
        named = ", ".join(map(str, found))
        raise UserError(f"{folder} holds {len(found)} runs, expected one of: {named}{otherwise}")
    return found[0]


def _has_rows(folder: Path) -> bool:
    return any((folder / f"{split}.json").exists() for split in SPLITS)


def refuse_different_rows(first: Judged, other: Judged) -> None:
    """UserError naming every fact in which two rows differ that must agree for their scores to compare."""
    a, b = first.row, other.row
    facts = [(name.replace("_", " "), a[name], b[name]) for name in MUST_AGREE]
    facts += [("data", a["data"]["name"], b["data"]["name"]), ("fold list", a["data"]["folds"], b["data"]["folds"])]
    differ = [f"{name}: {_short(of_a)} and {_short(of_b)}" for name, of_a, of_b in facts if of_a != of_b]
    if differ:
        raise _refusal(first, other, "; ".join(differ))


def like(metric: Metric, a: FoldStats, b: FoldStats, first: Judged, other: Judged) -> FoldStats:
    """The other run's statistics in the order of the first one's videos, once they are of the same labels."""
    try:
        return aligned(metric, a, b)
    except Unlike as unlike:
        policies = [judged.row["data"]["partial_rows"] for judged in (first, other)]
        why = f" (partly invalid rows: {' and '.join(policies)})" if policies[0] != policies[1] else ""
        raise _refusal(first, other, f"{unlike}{why}") from None


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
