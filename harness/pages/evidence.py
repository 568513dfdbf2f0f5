"""What a report rests on: a run's row, its statistics and predictions, and, where the data is there, the truth.

Shapes: R judged rows of a video, V videos, L labels, k numbers per label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.boards.compare import OVER_FOLDS, run_folder
from harness.boards.rows import ROW_FILE
from harness.datasets import DEMO, locate
from harness.errors import HarnessError, MissingData, UserError, unknown
from harness.metrics import Stats
from harness.plugins import Plugins
from harness.progress import Progress, silent
from harness.records import read_row, read_stats
from harness.resolve import lookup
from harness.splits import FOLDS
from harness.types import Floats, Reader, TaskSpec, Video


@dataclass(frozen=True, eq=False)
class Case:
    """One judged video: scores_RL, NaN where others predicted nothing, and target_RL, NaN where unlabelled."""

    video: Video
    scores_RL: Floats
    target_RL: Floats


@dataclass(frozen=True)
class Truth:
    """The task, a reader of the very data the run was judged on, and every judged video by key."""

    task: TaskSpec
    reader: Reader
    cases: Mapping[str, Case]


@dataclass(frozen=True)
class Evidence:
    """A finished split. `stats_VLk`, `videos` and `groups` are empty where nothing was judged; `missing` says why
    there is no truth."""

    folder: Path
    row: Mapping[str, Any]
    stats_VLk: Stats
    videos: list[str]
    groups: list[str]
    truth: Truth | None
    missing: str = ""

    @property
    def data(self) -> str:
        name: str = self.row["data"]["name"]
        return name


def read_evidence(
    folder: Path,
    split: str,
    *,
    plugins: Plugins,
    data: Mapping[str, str],
    progress: Progress = silent,
) -> Evidence:
    """Everything a report of this run and split can show.

    `folder` is a run's, or holds exactly one; `data` says where data sets lie, as `--data` does. MissingData where the
    split is not finished; without the run's own data, `truth` is None and `missing` says why.
    """
    folder = folder if (folder / f"{split}.json").exists() else run_folder(folder)
    path = folder / f"{split}.json"
    if not ROW_FILE.fullmatch(path.name):
        raise unknown("split", split, _splits_of(folder))
    if not path.exists():
        raise MissingData(f"No split {split!r} in {folder}; it has {', '.join(_splits_of(folder))}")
    row = read_row(path)
    names = [f"fold-{i}" for i in range(1, FOLDS + 1)] if split in OVER_FOLDS else [split]
    read = [read_stats(folder / f"{name}.stats.npz") for name in names] if row["score"] is not None else []
    stats_VLk = np.concatenate([stats for stats, _, _ in read]) if read else np.empty((0, len(row["labels"]), 0))
    videos, groups = ([name for one in read for name in one[i]] for i in (1, 2))
    truth, missing = None, ""
    if row["score"] is None:
        missing = "nothing was judged here: the labels of this split are not given"
    else:
        try:
            truth = _truth(folder, names, row, plugins, data, progress)
        except (MissingData, UserError) as error:  # the page says so, and is made without
            missing = str(error)
    return Evidence(folder, row, stats_VLk, videos, groups, truth, missing)


def _truth(
    folder: Path,
    names: list[str],
    row: Mapping[str, Any],
    plugins: Plugins,
    data: Mapping[str, str],
    progress: Progress,
) -> Truth:
    task: TaskSpec = lookup(plugins, "tasks", row["task"]).thing
    if list(task.labels) != row["labels"] or task.version != row["task_version"]:
        raise UserError(f"task {task.name!r} has changed since: this run is of version {row['task_version']} with "
                        f"the labels {', '.join(row['labels'])}")  # fmt: skip
    told = row["data"]
    options = {DEMO: "", **data} if told["name"] == DEMO else dict(data)
    root = locate(told["reader"], options, plugins.manager)
    if root.name != told["name"]:
        raise MissingData(f"the run was judged on {told['name']}, and {told['reader']} is set up as {root.name} here")
    reader: Reader = lookup(plugins, "readers", told["reader"]).thing(root.path, task, told["partial_rows"])
    if reader.fingerprint() != told["fingerprint"]:
        raise MissingData(f"the {told['name']} data here is not what the run was judged on: its files differ")
    scores = {key: of for name in names for key, of in _predictions(folder / f"{name}.parquet", row["labels"]).items()}
    videos = [video for video in reader.videos() if video.key in scores]
    cases = {}
    for video in progress(videos, f"read labels {task.name}"):
        target_RL = reader.targets(video)
        if target_RL.shape != scores[video.key].shape:
            n = len(scores[video.key])
            raise HarnessError(f"{folder}: {n} predictions of {video.key}, which has {len(target_RL)} rows of labels")
        cases[video.key] = Case(video, scores[video.key], target_RL)
    return Truth(task, reader, cases)


def _predictions(path: Path, labels: list[str]) -> dict[str, Floats]:
    """scores_RL of every video in a table of predictions, in the order of its rows."""
    import pandas as pd

    if not path.exists():
        raise MissingData(f"there are no predictions at {path}")
    table = pd.read_parquet(path, columns=["video", *(f"score {label}" for label in labels)])
    return {str(key): some.to_numpy(np.float32) for key, some in table.set_index("video").groupby(level=0, sort=False)}


def _splits_of(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.iterdir() if ROW_FILE.fullmatch(path.name))
