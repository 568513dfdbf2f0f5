"""Predictions from files in the competition's own forms: one submission file, or a folder of one file per video.

Reading is lenient where nothing can be misunderstood: columns are matched by name, any line ends are taken. What a jury
would object to is the checker's business (`abaw6.submission.check`).

Shapes: N rows of a video, L labels of the task. NaN means the file predicts nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abaw6.labels import lines_of, parse_rows
from abaw6.submission.form import Form, form_of, form_of_header
from harness.errors import MissingData, UserError
from harness.types import Floats, TaskSpec


@dataclass(frozen=True, eq=False)
class Submitted:
    """What was predicted for one video, in the file's order.

    `frame_N` counts from 0 (image 00001.jpg is frame 0; a clip of EMI is frame 0 of itself); None where the file tells
    no frames: then row i is frame i. `decision_NL` is one-hot (EXPR, CE), 0/1 (AU) or the value itself (VA, EMI).
    """

    video: str
    frame_N: NDArray[np.int64] | None
    decision_NL: Floats


def read(path: Path, task: TaskSpec) -> dict[str, Submitted]:
    """Predictions by video id, from a submission file or from a folder that holds one, or a file per video.

    A file per video has the form of a label file: a header, then a row per frame; EXPR -1, AU -1 and VA -5 predict
    nothing. UserError names file, line, what was expected and what came; a frame that stands there twice is an error.
    """
    form = form_of(task.name)
    if path.is_file():
        return read_file(path, form)
    if not path.is_dir():
        raise MissingData(f"No predictions at {path}")
    files = sorted(p for p in path.iterdir() if p.suffix in (".txt", ".csv") and not p.name.startswith("."))
    if not files:
        raise MissingData(f"{path} holds no .txt or .csv file; expected one submission file, or a file per video")
    headers = {file: _first_line(file) for file in files}
    whole = [file for file, header in headers.items() if header.split(",")[0].strip() == form.id_column]
    if whole and len(files) > 1:
        raise UserError(f"{path} holds {len(files)} files, one of them a submission file: expected that one alone, "
                        f"say {whole[0]}")  # fmt: skip
    if whole:
        return read_file(whole[0], form)
    if task.level == "video":
        raise UserError(f"{files[0]}, line 1: expected {form.header}, got {headers[files[0]]!r}")
    return {file.stem: Submitted(file.stem, None, _decisions(file, lines_of(file), task)) for file in files}


def read_file(path: Path, form: Form) -> dict[str, Submitted]:
    """Predictions by video id of one submission file, videos in the order in which they begin."""
    lines = lines_of(path)
    header = lines[0] if lines else ""
    if form_of_header(header) != form or header.split(",")[0].strip() != form.id_column:
        raise UserError(f"{path}, line 1: expected {form.header}, got {header!r}")
    names, rest = [], []
    for line in lines:
        name, _, values = line.partition(",")
        names.append(name.strip())
        rest.append(values)
    decision_RL = _decisions(path, rest, form.task)
    frames: dict[str, dict[int, int]] = {}  # by video: frame -> row
    for row, name in enumerate(names[1:]):
        place = form.place(name)
        if place is None:
            raise UserError(f"{path}, line {row + 2}: expected a row named {form.name_expected}; got {name!r}")
        first = frames.setdefault(place.video, {}).setdefault(place.frame, row)
        if first != row:
            raise UserError(f"{path}, line {row + 2}: {name} came before, in line {first + 2}")
    return {
        video: Submitted(video, np.fromiter(rows, np.int64, len(rows)), decision_RL[list(rows.values())])
        for video, rows in frames.items()
    }


def _decisions(path: Path, lines: Sequence[str], task: TaskSpec) -> Floats:
    return parse_rows(path, lines, task, "mask")


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.readline().strip()
