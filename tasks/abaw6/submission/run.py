"""What a finished run predicted, by video id, ready to be asked for single frames.

Shapes: N predicted rows of a video, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abaw6.submission.form import Form, form_of
from harness.errors import MissingData, UserError
from harness.records import read_row
from harness.types import Floats


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of one video, in order of frame; `frame_N` counts from 0 (one row, frame 0, in a video-level task)."""

    frame_N: NDArray[np.int64]
    scores_NL: Floats


@dataclass(frozen=True, eq=False)
class RunScores:
    """One split of a run: scores by video id, and the run's row."""

    form: Form
    row: Mapping[str, Any]
    videos: Mapping[str, Scores]


def read_run(folder: Path, split: str) -> RunScores:
    """The predictions of one finished split; rows without a score (NaN) are as if they were not there.

    `folder` is a run's, or holds exactly one run that has this split. MissingData where the split is not finished;
    UserError where the task has no official file.
    """
    folder = _run_folder(folder, split)
    table, row_file = folder / f"{split}.parquet", folder / f"{split}.json"
    row = read_row(row_file)
    form = form_of(row["task"])
    if tuple(row["labels"]) != form.task.labels:
        expected, came = ", ".join(form.task.labels), ", ".join(row["labels"])
        raise UserError(f"{row_file}: expected the labels {expected}; got {came}")
    return RunScores(form, row, _by_video(table, form))


def _by_video(path: Path, form: Form) -> dict[str, Scores]:
    from pyarrow import parquet

    columns = [f"score {label}" for label in form.task.labels]
    table = parquet.read_table(path, columns=["video", "frame", *columns])
    scores_NL = np.stack([table[column].to_numpy() for column in columns], axis=1).astype(np.float32)
    keys = table["video"].combine_chunks().dictionary_encode()
    key_N = keys.indices.to_numpy()
    frame_N = np.maximum(table["frame"].to_numpy().astype(np.int64) - 1, 0)  # in the table 1 is the first frame
    order = np.lexsort((frame_N, key_N))
    order = order[~np.isnan(scores_NL[order]).any(axis=1)]
    bounds = np.searchsorted(key_N[order], np.arange(len(keys.dictionary) + 1))
    found: dict[str, Scores] = {}
    for number, key in enumerate(keys.dictionary.to_pylist()):
        video = key.partition("/")[2]  # side/id
        if video in found:
            raise UserError(f"{path}: {video} is there of two sides (train and valid); a submission names it once")
        rows = order[bounds[number] : bounds[number + 1]]
        found[video] = Scores(frame_N[rows], scores_NL[rows])
    return found


def _run_folder(folder: Path, split: str) -> Path:
    files = f"{split}.json", f"{split}.parquet"
    folders = (folder, *sorted(path for path in folder.glob("*") if path.is_dir()))
    runs = [path for path in folders if all((path / name).is_file() for name in files)]
    if folder in runs or len(runs) == 1:
        return runs[0]
    if runs:
        raise UserError(f"{folder} holds {len(runs)} runs, expected one of: {', '.join(map(str, runs))}")
    raise MissingData(_why_not(folder, split))


def _why_not(folder: Path, split: str) -> str:
    if not folder.is_dir():
        return f"No run at {folder}; runs lie in runs/<task>/<system@profile>/<run id>"
    there = sorted(path.stem for path in folder.glob("*.parquet") if path.with_suffix(".json").is_file())
    if there:
        return f"No finished split {split!r} in {folder}; it has {', '.join(there)}"
    return f"No finished split in {folder}; runs lie in runs/<task>/<system@profile>/<run id>"
