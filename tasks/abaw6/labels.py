"""Label files of Aff-Wild2 and C-EXPR: a header of names, then one row per frame. Columns are matched by name.

Shapes: R rows of a file, L labels of the task. NaN means unlabelled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.types import Floats, TaskSpec

PartialRows = Literal["any", "all", "mask"]
PARTIAL_ROWS = ("any", "all", "mask")


def count_rows(path: Path) -> int:
    """Rows after the header, blank lines at the end left out; nothing is parsed."""
    text = path.read_bytes().rstrip()
    if not text:
        return 0
    return text.count(b"\n") or text.count(b"\r")  # very old files end their lines with CR alone


def read_rows(path: Path, task: TaskSpec, partial_rows: PartialRows) -> Floats:
    """target_RL of one file: one-hot (one_of), 0/1 (any_of) or values (continuous); NaN where invalid.

    Invalid is -5 in value files, -1 elsewhere. `partial_rows` rules any_of rows with some -1: "any" drops the row,
    "all" drops it only where all are -1 and counts the others as absent, "mask" drops the single entries.
    Raises UserError naming file, line, what was expected and what came.
    """
    return parse_rows(path, lines_of(path), task, partial_rows)


def parse_rows(path: Path, lines: Sequence[str], task: TaskSpec, partial_rows: PartialRows) -> Floats:
    """target_RL of a header and the rows below it, as `read_rows`; `path` is what errors name."""
    if not lines:
        raise UserError(f"{path}, line 1: expected a header ({', '.join(task.labels)}), got an empty file")
    order = _columns(path, lines[0], task)
    rows = lines[1:]
    if task.kind.name == "one_of":
        values_R1 = _numbers(path, rows, 1, _class_error(len(order)))
        return _one_hot(values_R1[:, 0], order)
    if task.kind.name == "any_of":
        return _occurrence(_numbers(path, rows, len(order), _occurrence_error(len(order)))[:, order], partial_rows)
    low, high = task.kind.low, task.kind.high
    values_RL: NDArray[np.float64] = _numbers(path, rows, len(order), _value_error(len(order), low, high))[:, order]
    values_RL[(values_RL == -5).any(axis=1)] = np.nan
    return values_RL.astype(np.float32)


def lines_of(path: Path) -> list[str]:
    """Lines of a text file without their ends (LF, CRLF or CR), byte-order mark and blank lines at the end."""
    text = path.read_text(encoding="utf-8-sig", errors="replace").rstrip()  # universal newlines: CRLF and CR too
    return text.split("\n") if text else []


def _columns(path: Path, header: str, task: TaskSpec) -> NDArray[np.intp]:
    """For each label of the task, its column (or class number) in this file."""
    plain = [_plain(name) for name in header.split(",") if name.strip()]
    wanted = [_plain(label) for label in task.labels]
    if sorted(plain) != sorted(wanted):
        raise UserError(f"{path}, line 1: expected the header {','.join(task.labels)}, got {header.strip()!r}")
    return np.array([plain.index(name) for name in wanted], dtype=np.intp)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


Fault = Callable[[NDArray[np.float64]], NDArray[np.bool_]]


def _class_error(classes: int) -> tuple[str, Fault]:
    expected = f"one whole number from 0 to {classes - 1}, or -1 where invalid"
    return expected, lambda values_R1: (values_R1 != np.rint(values_R1)) | (values_R1 < -1) | (values_R1 >= classes)


def _occurrence_error(labels: int) -> tuple[str, Fault]:
    return f"{labels} numbers, each 0, 1 or -1 where invalid", lambda values: ~np.isin(values, (-1.0, 0.0, 1.0))


def _value_error(labels: int, low: float, high: float) -> tuple[str, Fault]:
    expected = f"{labels} numbers from {low:g} to {high:g}, or -5 where invalid"
    return expected, lambda values: ((values < low) | (values > high)) & (values != -5)


def _numbers(path: Path, rows: Sequence[str], columns: int, rule: tuple[str, Fault]) -> NDArray[np.float64]:
    """values_RC of all rows at once; only a file with a fault is gone through line by line to name it."""
    expected, fault = rule
    if not rows:
        return np.empty((0, columns))
    values_RC = _at_once(rows, columns)
    if values_RC is not None and np.isfinite(values_RC).all() and not fault(values_RC).any():
        return values_RC
    values_RC = np.empty((len(rows), columns))
    for number, row in enumerate(rows, start=2):
        try:
            value_1C = np.array([[float(cell) for cell in row.split(",")]])
        except ValueError:
            value_1C = np.empty((1, 0))
        if value_1C.shape[1] != columns or not np.isfinite(value_1C).all() or fault(value_1C).any():
            raise UserError(f"{path}, line {number}: expected {expected}, got {row.strip()!r}")
        values_RC[number - 2] = value_1C
    return values_RC


def _at_once(rows: Sequence[str], columns: int) -> NDArray[np.float64] | None:
    """values_RC, four times faster than loadtxt; None where not every row has that many numbers."""
    import pyarrow as pa
    from pyarrow import csv

    names = [str(i) for i in range(columns)]
    try:
        table = csv.read_csv(
            pa.BufferReader("\n".join(rows).encode()),
            read_options=csv.ReadOptions(column_names=names, use_threads=False),
            parse_options=csv.ParseOptions(quote_char=False),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float64())),
        )
    except pa.ArrowInvalid:
        return None
    # blank rows are passed over, and so show in the number of rows
    return np.column_stack([column.to_numpy() for column in table.columns]) if table.num_rows == len(rows) else None


def _one_hot(class_R: NDArray[np.float64], order: NDArray[np.intp]) -> Floats:
    target_RL: Floats = (class_R[:, None] == order[None, :]).astype(np.float32)
    target_RL[class_R < 0] = np.nan
    return target_RL


def _occurrence(values_RL: NDArray[np.float64], partial_rows: PartialRows) -> Floats:
    invalid_RL = values_RL < 0
    if partial_rows == "any":
        values_RL[invalid_RL.any(axis=1)] = np.nan
    elif partial_rows == "all":
        gone_R = invalid_RL.all(axis=1)
        values_RL[invalid_RL] = 0.0
        values_RL[gone_R] = np.nan
    else:
        values_RL[invalid_RL] = np.nan
    return values_RL.astype(np.float32)
