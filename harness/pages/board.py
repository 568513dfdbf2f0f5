"""The board as one page: every data set, task and split, with filters, columns that sort, and intervals drawn.

Tables, their order and their notes are those of `harness.boards.files`; a page of several data sets never mixes them in
one table.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.boards.files import AS_PUBLISHED, OTHER_FOLDS, WHAT_DEMO_MEANS, pages, task_rank
from harness.boards.rows import DEMO, FEW_CLUSTERS, SPLITS, Line, Score, split_rank
from harness.boards.seeds import NOTE as SEEDS_NOTE
from harness.boards.seeds import with_seeds
from harness.boards.tables import METRICS, Table, printed, printed_share
from harness.boards.ties import NOTE as TIES_NOTE
from harness.boards.ties import with_ties
from harness.corpora import NOTE as CONTAMINATION_NOTE
from harness.corpora import VERDICTS
from harness.pages.charts import Axis, axis_of, tick, whisker
from harness.pages.environment import render
from harness.pages.report import file_of
from harness.progress import Progress, silent

DEFINITIONS = (FEW_CLUSTERS, TIES_NOTE, SEEDS_NOTE, CONTAMINATION_NOTE, AS_PUBLISHED, OTHER_FOLDS)


@dataclass(frozen=True)
class Cell:
    """One score of a row: what it says, what it sorts by, and how far up the heat map's colours it is."""

    text: str
    value: float
    heat: float
    told: str
    few: bool


def compared(lines: Sequence[Line], progress: Progress = silent) -> list[Line]:
    """The same lines with their seeds' means, tie groups and probabilities of being best on every split."""
    for split in progress(SPLITS, "compare the rows of every split"):
        lines = with_ties(with_seeds(lines, split), split)
    return list(lines)


def board(lines: Sequence[Line], folder: Path, *, split: str = "official") -> bytes:
    """The page as HTML, to lie in `folder`: it links reports of runs that are there, relative to it.

    `split` is the one shown first.
    """
    sections = _sections(lines, folder)
    names = sorted({section["data"] for section in sections}, key=lambda name: (name != DEMO, name))
    tables = [table for section in sections for table in section["tables"]]
    notes = list(dict.fromkeys(note for table in tables for note in table["notes"]))
    intervals = [note for note in notes if note.startswith("Intervals:")]
    how = [note for note in notes if note in DEFINITIONS or intervals == [note]]  # said once, below all tables
    for table in tables:
        table["notes"] = [note for note in table["notes"] if note not in how]
    words = {
        "sets": [{"name": name, "intro": WHAT_DEMO_MEANS.replace("**", "") if name == DEMO else "",
                  "sections": [section for section in sections if section["data"] == name]} for name in names],
        "tasks": [task for _, task in sorted({task_rank(section["task"]) for section in sections})],
        "splits": sorted({table["split"] for table in tables}, key=split_rank),
        "verdicts": VERDICTS,
        "first": split,
        "how": how,
    }  # fmt: skip
    return render("board.html", words, style="board.css", script="board.js")


def _sections(lines: Sequence[Line], folder: Path) -> list[dict[str, Any]]:
    """One per data set and task, with the tables of every split."""
    splits = [split for split in SPLITS if split == "official" or any(line.split == split for line in lines)]
    made: dict[str, dict[str, Any]] = {}
    for page in (page for split in splits for page in pages(lines, split)):
        for table in page.tables:
            if table.layout == "systems":
                section = made.setdefault(page.title, {
                    "id": page.path.replace("/", "-"), "data": page.data, "task": table.lines[0].task,
                    "title": page.title, "tables": [],
                })  # fmt: skip
                section["tables"].append(_table(table, folder))
    return list(made.values())


def _table(table: Table, folder: Path) -> dict[str, Any]:
    metric = table.lines[0].metric
    axis = axis_of([line.p for line in table.lines])
    heat = axis_of([Score(score.value) for line in table.lines for score in line.labels.values()])
    return {
        "title": table.title,
        "split": table.lines[0].split,
        "metric": metric,
        "measured": METRICS.get(metric, metric),
        "axis": [tick(end, metric) for end in axis],
        "labels": table.labels,
        "ties": any(line.best is not None for line in table.lines),
        "notes": table.notes,
        "rows": [_row(line, table.labels, axis, heat, folder) for line in table.lines],
    }


def _row(line: Line, labels: Sequence[str], axis: Axis, heat: Axis, folder: Path) -> dict[str, Any]:
    by_label = {label.casefold(): score for label, score in line.labels.items()}
    few = {label.casefold() for label in line.few}
    scores = [(by_label.get(label.casefold()), label.casefold() in few) for label in labels]
    return {
        "line": line,
        "drawn": whisker(line.p, line.metric, axis),
        "p": printed(line.p.value, line.metric),
        "best": printed_share(line.best),
        "cells": [None if score is None else _cell(score, line.metric, heat, doubt) for score, doubt in scores],
        "report": _report(line, folder),
    }


def _cell(score: Score, metric: str, heat: Axis, few: bool) -> Cell:
    told = printed(score.value, metric)
    if score.low is not None and score.high is not None:
        told += f" [{printed(score.low, metric)}, {printed(score.high, metric)}]"
    share = (score.value - heat[0]) / (heat[1] - heat[0])
    return Cell(_brief(score.value, metric), score.value, share, told, few)


def _brief(value: float, metric: str) -> str:
    """A score with a digit or two less than tables print, which a cell's title has in full."""
    return f"{100 * value:.1f}" if metric == "f1" else f"{value:.2f}"


def _report(line: Line, folder: Path) -> str | None:
    """The address from `folder` of the report of this split, or of its run; None where neither was made."""
    if line.origin is None:
        return None
    run = line.origin.parent
    found = [run / name for name in (file_of(line.split), file_of("official")) if (run / name).is_file()]
    return quote(Path(os.path.relpath(found[0], folder)).as_posix()) if found else None
