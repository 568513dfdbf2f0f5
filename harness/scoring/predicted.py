"""What others predicted, as their files say it: rows by video, columns by the name of the task's label.

Shapes: N rows of one video in a file, L labels of the task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.progress import Progress, silent
from harness.types import Floats, TaskSpec


@dataclass(frozen=True, eq=False)
class Predicted:
    """The rows that a source holds of one video, as they stand: in any order, perhaps some twice.

    `video` is the name in the source (`video49_left`, or `valid/video49_left` where an id is on two sides). `frame_N`
    counts from 0; None where rows have no numbers: then they are the frames in order, and must be as many. A task at
    video level has one row and no number. `scores_NL` is NaN where the source has no value. `where`: the file.
    """

    video: str
    frame_N: NDArray[np.int64] | None
    scores_NL: Floats
    where: str = ""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Everything a source says about one task.

    `decided`: values are decisions and not scores: rows one-hot, or all 0 where none of the task's labels was decided
    for (one_of), 0 and 1 (any_of). Of scores, a row of -inf decides for none of them (one_of). `missing` are labels of
    the task the source has no column for (NaN in every row), `unused` its columns that were not read, `notes` what else
    should be known, a sentence each.
    """

    videos: tuple[Predicted, ...]
    decided: bool = False
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How to read: `renamed` maps columns of the source to labels of the task; `first_frame` is the number of a video's
    first frame, None: as the format counts; `progress` shows how far the files are read."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    first_frame: int | None = None
    progress: Progress = field(default=silent, compare=False)


@dataclass(frozen=True)
class Format:
    """A way to keep predictions in files. `recognises(path, task)` looks at names and headers alone; `read(path, task,
    reading)` raises UserError where the files are not of this format, naming the file and the line."""

    title: str
    recognises: Callable[[Path, TaskSpec], bool]
    read: Callable[[Path, TaskSpec, Reading], Predictions]
