"""Predictions from files in the competition's own forms: one submission file, or a folder of one file per video.

Reading is lenient where nothing can be misunderstood: columns are matched by name, any line ends are taken. What a jury
would object to is the checker's business (`abaw6.submission.check`).

Shapes: R rows of a file, N rows of a video, L labels of the task.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from abaw6.labels import lines_of, parse_rows
from abaw6.submission.form import Form, form_of, form_of_header
from harness.errors import MissingData, UserError
from harness.scoring.predicted import Format, Predicted, Predictions, Reading
from harness.types import Floats, TaskSpec

SUFFIXES = (".txt", ".csv")
AS_IT_STANDS = Reading()


def read(path: Path, task: TaskSpec, reading: Reading = AS_IT_STANDS) -> Predictions:
    """What is predicted in a submission file, or in a folder that holds one, or a file per video.

    A file per video has the form of a label file: a header, then a row per frame; EXPR -1, AU -1 and VA -5 predict
    nothing. UserError names file, line, what was expected and what came; a frame that stands there twice is an error.
    """
    form = form_of(task.name)
    if reading.renamed or reading.first_frame not in (None, 1):
        raise UserError(f"{path}: official files name their columns and count images from 1; nothing can be remapped")
    files = _files(path)
    if not files:
        raise MissingData(f"No predictions at {path}: expected one submission file, or a folder of a file per video")
    whole = [file for file in files if _begins_like(file, form)]
    if whole and len(files) > 1:
        raise UserError(f"{path} holds {len(files)} files, one of them a submission file: expected that one alone, "
                        f"say {whole[0]}")  # fmt: skip
    if whole or path.is_file() or task.level == "video":
        return _predictions(read_file(files[0], form), task)
    told = reading.progress(files, "read predictions")
    of_videos = [Predicted(file.stem, None, _decisions(file, lines_of(file), task), str(file)) for file in told]
    return _predictions(of_videos, task)


def recognises(path: Path, task: TaskSpec) -> bool:
    """Whether a path looks like the task's official file, or like a folder of files per video, by names and headers."""
    form = form_of(task.name)
    files = _files(path)
    if any(_begins_like(file, form) for file in files):
        return True
    of_videos = [_is_header(f"{form.id_column},{_first_line(file)}", form) for file in files]
    return path.is_dir() and task.level == "frame" and bool(files) and all(of_videos)


def read_file(path: Path, form: Form) -> list[Predicted]:
    """Rows by video of one submission file, videos in the order in which they begin."""
    lines = lines_of(path)
    header = lines[0] if lines else ""
    if not _is_header(header, form):
        raise UserError(f"{path}, line 1: expected {form.header}, got {header!r}")
    cells = [line.partition(",") for line in lines]
    decision_RL = _decisions(path, [values for _, _, values in cells], form.task)
    frames: dict[str, dict[int, int]] = {}  # by video: frame -> row
    for row, (name, _, _) in enumerate(cells[1:]):
        place = form.place(name.strip())
        if place is None:
            raise UserError(f"{path}, line {row + 2}: expected a row named {form.name_expected}; got {name!r}")
        first = frames.setdefault(place.video, {}).setdefault(place.frame, row)
        if first != row:
            raise UserError(f"{path}, line {row + 2}: {name} came before, in line {first + 2}")
    numbered = form.task.level == "frame"
    return [
        Predicted(
            video,
            np.fromiter(rows, np.int64, len(rows)) if numbered else None,
            decision_RL[list(rows.values())],
            str(path),
        )
        for video, rows in frames.items()
    ]


OFFICIAL = Format("official ABAW files: one submission file, or a folder of a text file per video", recognises, read)


def _predictions(videos: Sequence[Predicted], task: TaskSpec) -> Predictions:
    return Predictions(tuple(videos), decided=task.kind.name != "continuous")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        return []
    return sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def _decisions(path: Path, lines: Sequence[str], task: TaskSpec) -> Floats:
    return parse_rows(path, lines, task, "mask")


def _begins_like(path: Path, form: Form) -> bool:
    return _is_header(_first_line(path), form)


def _is_header(line: str, form: Form) -> bool:
    return form_of_header(line) == form and line.split(",")[0].strip() == form.id_column


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.readline().strip()
