"""Tables of predictions for tests: written line by line, read for a task of the tiny world."""

from __future__ import annotations

from pathlib import Path

from tiny_world import TASKS

from harness.scoring.layouts import Layout, read_tables
from harness.scoring.predicted import Predictions, Reading
from harness.types import TaskSpec

COLOUR, UNITS, MOOD, CLIP = (TASKS[name] for name in ("colour", "units", "mood", "clip"))
TABLE = Layout("a table")


def read(
    path: Path,
    task: TaskSpec = COLOUR,
    reading: Reading = Reading(),  # noqa: B008
    layout: Layout = TABLE,
) -> Predictions:
    return read_tables(layout, path, task, reading)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path
