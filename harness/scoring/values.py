"""What the cells of a table say of each label: scores, values or decisions.

Shapes: N rows, L labels of the task. NaN: no prediction; -inf for every label: the best class is none of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError, unknown
from harness.types import Floats, TaskSpec

NOTHING = -5  # what the field writes for a value that is not there
NUMBER = re.compile(r"-?\d+(?:\.0*)?")
Note = Callable[[str, int], None]


def settle_values(path: Path, scores_NL: Floats, task: TaskSpec, note: Note) -> None:
    """Rows with a -5 hold no prediction, in place; UserError where another value is beyond the range of the task.

    Where each label holds or not the range is 0 to 1: scores are cut at 0.5, and intensities and logits would be cut at
    a wrong place. Scores of classes may be anything; where one is infinite it is none.
    """
    if task.kind.name == "one_of":
        scores_NL[np.isinf(scores_NL)] = np.nan
        return
    outside_NL = (scores_NL < task.kind.low) | (scores_NL > task.kind.high)
    if task.kind.name == "continuous":
        unsaid_N = (outside_NL & (scores_NL == NOTHING)).any(axis=1)
        outside_NL &= scores_NL != NOTHING
    if outside_NL.any():
        row, column = (int(i) for i in np.argwhere(outside_NL)[0])
        raise UserError(_beyond(at(path, row), task, task.labels[column], scores_NL[row, column]))
    if task.kind.name == "continuous":
        scores_NL[unsaid_N] = np.nan
        note(f"say {NOTHING} and so hold no prediction", int(unsaid_N.sum()))


def _beyond(where: str, task: TaskSpec, label: str, value: float) -> str:
    if task.kind.name == "any_of":
        why = "an intensity or a logit has no 0.5 to cut at"
        return f"{where}: expected 0, 1 or a probability for {label}, got {value:g}; {why}"
    low, high = task.kind.low, task.kind.high
    return f"{where}: expected {label} from {low:g} to {high:g}, or {NOTHING} for no prediction, got {value:g}"


def outscore(scores_NL: Floats, own: Sequence[int], others: Mapping[str, NDArray[Any]], note: Note) -> None:
    """Where one of `others`, columns of classes that the task lacks, scores highest, none of its labels is decided for.

    The scores of `own`, the labels that have a column, become -inf there, in place. Rows without a prediction stay so.
    """
    highest_N = np.fmax.reduce([other_N.astype(np.float32) for other_N in others.values()])
    lost_N = highest_N > scores_NL[:, own].max(axis=1)
    scores_NL[np.ix_(lost_N, own)] = -np.inf
    note(f"score {' or '.join(others)} highest, which is no label of this task: wrong", int(lost_N.sum()))


def decided(path: Path, text_N: NDArray[Any], task: TaskSpec, others: Collection[str], note: Note) -> Floats:
    """Decisions as scores_NL. Where one label holds, an empty cell is none, and a class may be told by its number.

    `others` are plain names of classes that the tool may decide for and the task lacks; a tool that has some numbers
    its classes in a way of its own, so there a number is refused.
    """
    if task.kind.name == "continuous":
        raise UserError(f"{path}: expected columns named {', '.join(task.labels)}, came decisions alone")
    rows: dict[str, Floats] = {}
    for text in dict.fromkeys(text_N):
        words = [word for word in (text.split("+") if task.kind.name == "any_of" else [text]) if word.strip()]
        if task.kind.name == "one_of" and not others and NUMBER.fullmatch(text.strip()) and text not in task.labels:
            rows[text] = _of_number(at(path, int((text_N == text).argmax())), text, task)
        else:
            rows[text] = _of_words(path, words, task, others)
        if plain(text) in others and not rows[text].any():
            note(f"decide for {text}, which is no label of this task: wrong", int((text_N == text).sum()))
    return np.stack([rows[text] for text in text_N])


def _of_words(path: Path, words: Sequence[str], task: TaskSpec, others: Collection[str]) -> Floats:
    column = {plain(label): i for i, label in enumerate(task.labels)}
    row_L = np.zeros(len(task.labels), np.float32)
    for word in words:
        if plain(word) in column:
            row_L[column[plain(word)]] = 1
        elif plain(word) not in others:
            raise unknown(f"label of task {task.name!r} (in {path})", word, task.labels)
    if task.kind.name == "one_of" and not words:
        row_L[:] = np.nan
    return row_L


def _of_number(where: str, text: str, task: TaskSpec) -> Floats:
    """A class number, in the order of the task's labels as in the competition's files; -1 is no prediction."""
    number, last = int(float(text)), len(task.labels) - 1
    if not -1 <= number <= last:
        expected = f"a label of task {task.name!r} or its number, 0 to {last} (-1: no prediction)"
        raise UserError(f"{where}: expected {expected}, got {text!r}")
    if number == -1:
        return np.full(len(task.labels), np.nan, np.float32)
    row_L: Floats = np.eye(len(task.labels), dtype=np.float32)[number]
    return row_L


def at(path: Path, row: int) -> str:
    """Where row `row` (from 0) of a table stands: the line of a text file, whose first is the header.

    >>> at(Path("a.csv"), 0), at(Path("a.parquet"), 0)
    ('a.csv, line 2', 'a.parquet, row 1')
    """
    return f"{path}, row {row + 1}" if path.suffix.lower() == ".parquet" else f"{path}, line {row + 2}"


def plain(name: str) -> str:
    """A name without case, separators and leading zeros of its number.

    >>> plain("AU_01"), plain("Empathic Pain")
    ('au1', 'empathicpain')
    """
    letters = "".join(letter for letter in name.casefold() if letter.isalnum())
    return re.sub(r"(?<=[a-z])0+(?=\d)", "", letters)
