"""Published tables as rows of printed numbers, ready to be added up.

A long CSV has the columns `label` and `value` (and `unit`: percent or fraction): rows that agree in all other columns
are one row of the table. In any other table one column is the average (avg, average, mean, overall, P; score or total
score where there is none of these), and the labels are the columns of numbers beside it but for known ones that are no
scores (seed, fold, year, FLOPs, ...). A cell may carry %, a dagger, an interval in brackets or a deviation after ±; the
number before them counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError, unknown
from harness.lint.check import DASHES, Printed, PrintedRow
from harness.lint.grids import Grid, read_grids

AVERAGES = ("avg", "average", "mean", "overall")
SCORES = ("score", "total score", "final score")  # averages where nothing else is called one
NO_SCORES = {
    "#", "no", "id", "idx", "index", "rank", "ranking", "place", "line",
    "year", "month", "date", "ref", "refs", "reference", "references", "citation", "citations", "venue",
    "seed", "fold", "run", "trial", "attempt", "submission", "submissions", "version",
    "param", "params", "parameters", "flop", "flops", "mflops", "gflops", "tflops", "mac", "macs", "mmacs", "gmacs",
    "size", "memory", "mem", "mb", "gb", "gpu", "gpus", "time", "latency", "speed", "throughput", "fps", "ms", "sec",
    "secs", "second", "seconds", "hour", "hours", "epoch", "epochs", "step", "steps", "iteration", "iterations",
    "batch", "lr", "layer", "layers", "dim", "std", "sd", "stdev", "deviation", "value", "pvalue",
}  # fmt: skip
BESIDE = ("label", "value", "unit", "low", "high")  # columns of a long table that do not tell its rows apart
LEAST = 2  # the average of one value says nothing


@dataclass(frozen=True)
class Tables:
    """Rows that can be recomputed, and how many cannot: no average, or not every value beside it."""

    rows: tuple[PrintedRow, ...]
    not_checked: int


def read_tables(path: Path, average: str | None = None, labels: Sequence[str] = ()) -> Tables:
    """Every table of a file that has an average; `average` and `labels` name columns where headers do not tell.

    UserError where no table has one, or where a cell cannot be read.
    """
    grids = read_grids(path)
    found = [tables for grid in grids if (tables := _rows_of(grid, path, average, labels)) is not None]
    if not found:
        heads = "; ".join(", ".join(grid.rows[0][1]) for grid in grids) or "no table"
        wanted = repr(average) if average else "avg, average, mean, overall, P or score (--average names another)"
        raise UserError(f"{path}: expected a column (in a long table a label) called {wanted}; got {heads}")
    rows = tuple(row for one in found for row in one.rows)
    if not rows:
        raise UserError(f"{path}: expected rows with an average and {LEAST} values or more beside it, got none")
    return Tables(rows, sum(one.not_checked for one in found))


def is_average(name: str) -> bool:
    """Whether a column or label of this name is an average.

    >>> [is_average(name) for name in ("Avg.", "Mean F1 (%)", "P_VA", "Test P", "Pearson", "p-value")]
    [True, True, True, True, False, False]
    """
    words = _words(name)
    ends = {*words[:1], *words[-1:]}
    return bool(ends & set(AVERAGES)) or ("p" in ends and "value" not in words)


def is_label(name: str) -> bool:
    """Whether a column or label of this name may hold one of the scores that are averaged.

    >>> [is_label(name) for name in ("AU12", "F1 score", "FLOPs (G)", "#Params", "Avg", "Score")]
    [True, True, False, False, False, False]
    """
    known_otherwise = NO_SCORES & set(re.findall("[a-z]+|#", name.casefold()))
    return bool(name) and not known_otherwise and not is_average(name) and not _is_score(name)


def _is_score(name: str) -> bool:
    return " ".join(_words(name)) in SCORES


def _words(name: str) -> list[str]:
    """In small letters, without what stands in parentheses."""
    return re.findall(r"[a-z0-9]+", re.sub(r"\(.*?\)", "", name.casefold()))


def _rows_of(grid: Grid, path: Path, average: str | None, labels: Sequence[str]) -> Tables | None:
    header = grid.rows[0][1]
    if {"label", "value"} <= {name.casefold() for name in header}:
        return _long(grid, path, average, labels)
    return _wide(grid, path, average, labels)


def _long(grid: Grid, path: Path, average: str | None, labels: Sequence[str]) -> Tables | None:
    """None where no label is that of an average."""
    header = [name.casefold() for name in grid.rows[0][1]]
    groups: dict[tuple[str, ...], dict[str, tuple[int, Printed]]] = {}
    apart = [name for name in header if name not in BESIDE]
    for line, cells in grid.rows[1:]:
        if len(cells) != len(header):
            raise UserError(f"{path}, line {line}: expected {len(header)} fields, got {len(cells)}")
        fields = dict(zip(header, cells, strict=True))
        group = groups.setdefault(tuple(fields[name] for name in apart), {})
        if fields["label"] in group:
            raise UserError(f"{path}, line {line}: {fields['label']} of this row came before, in line "
                            f"{group[fields['label']][0]}")  # fmt: skip
        try:
            printed = Printed.of(fields["value"], percent=fields.get("unit", "").casefold() == "percent")
        except ValueError as error:
            raise UserError(f"{path}, line {line}: {error}") from None
        group[fields["label"]] = (line, printed)
    known = list(dict.fromkeys(label for group in groups.values() for label in group))
    averages = [known[i] for i in _averages(known, average)]
    for label in labels:
        if label not in known:
            raise unknown("label of this table", label, known)
    rows = []
    for key, group in groups.items():
        at = next((label for label in averages if label in group), None)
        taken = labels or [label for label in group if label != at and is_label(label)]
        values = [(label, one) for label, (_, one) in group.items() if label in taken]
        if at is not None and len(values) >= LEAST and all(label in group for label in labels):
            line, printed = group[at]
            name = ", ".join(text for column, text in zip(apart, key, strict=True) if text and column != "source")
            rows.append(PrintedRow(line, name, tuple(values), printed))
    return Tables(tuple(rows), len(groups) - len(rows)) if averages else None


def _wide(grid: Grid, path: Path, average: str | None, labels: Sequence[str]) -> Tables | None:
    """None where the table has no column of averages."""
    top = next((i for i, (_, cells) in enumerate(grid.rows) if _average_columns(cells, average)), None)
    if top is None:
        return None
    header, body = grid.rows[top][1], grid.rows[top + 1 :]
    at = _average_columns(header, average)
    if len(at) > 1:
        raise UserError(f"{path}, line {grid.rows[top][0]}: several columns look like an average: "
                        f"{', '.join(header[i] for i in at)}; --average says which, --labels of what")  # fmt: skip
    numbers = [[Printed.in_cell(cell) for cell in cells] for _, cells in body]
    columns = _label_columns(header, [cells for _, cells in body], at[0], labels)
    rows = []
    for (line, cells), found in zip(body, numbers, strict=True):
        taken = [(header[i], found[i] if i < len(found) else None) for i in columns]
        values = tuple((label, one) for label, one in taken if one is not None)
        printed = found[at[0]] if at[0] < len(found) else None
        if printed is not None and len(values) == len(columns) >= LEAST:
            name = ", ".join(cell for i, cell in enumerate(cells) if cell and i not in columns and i != at[0])
            rows.append(PrintedRow(line, name, values, printed))
    return Tables(tuple(rows), len(body) - len(rows))


def _average_columns(cells: Sequence[str], average: str | None) -> list[int]:
    """Columns of averages by a header; a first cell that says so begins a row of averages instead."""
    return [i for i in _averages(cells, average) if average or i]


def _averages(names: Sequence[str], average: str | None) -> list[int]:
    """Which of these names are those of averages: the one that is given, else the most telling."""
    if average:
        return [i for i, name in enumerate(names) if name == average]
    telling = [i for i, name in enumerate(names) if is_average(name)]
    return telling or [i for i, name in enumerate(names) if _is_score(name)]


def _label_columns(header: Sequence[str], body: Sequence[Sequence[str]], at: int, labels: Sequence[str]) -> list[int]:
    """The columns averaged: those named, else all that hold numbers in most rows, but for known ones of no scores."""
    for label in labels:
        if label not in header:
            raise unknown("column of this table", label, header)
    if labels:
        return [header.index(label) for label in labels]
    columns = []
    for i, name in enumerate(header):
        cells = [Printed.in_cell(row[i]) for row in body if i < len(row) and row[i].strip(DASHES)]
        numbers = sum(cell is not None for cell in cells)
        if i != at and is_label(name) and 2 * numbers > len(cells):
            columns.append(i)
    return columns
