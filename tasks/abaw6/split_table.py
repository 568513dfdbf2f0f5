"""Hume-Vidmimic2's `train_split.csv` and its like: where each clip's line is, so labels need not stay in memory."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.types import Floats

ID = "Filename"


class SplitTable:
    """One table. It keeps the place of each clip's line, not what the line says."""

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        self.path = path
        self._labels = tuple(labels)
        self._places: dict[bytes, tuple[int, int]] = {}
        self._columns: list[str] = []
        self._scan()

    def ids(self) -> list[str]:
        """Clips in the table's order, as zero-padded text."""
        return [name.decode() for name in self._places]

    def labelled(self) -> bool:
        """Whether the table has a column for every label; that of the test side may not."""
        return all(label in self._columns for label in self._labels)

    def target(self, clip: str) -> Floats:
        """target_RL of one clip (R = 1), read from its line now. UserError where a value is not within [0, 1]."""
        offset, number = self._places[clip.encode()]
        with self.path.open("rb") as file:
            file.seek(offset)
            line = file.readline()
        cells = _cells(line)
        expected = f"{ID} and {len(self._labels)} numbers from 0 to 1"
        try:
            if len(cells) != len(self._columns) or padded(cells[self._columns.index(ID)]) != clip:
                raise ValueError(clip)
            values_L = np.array([float(cells[self._columns.index(label)]) for label in self._labels], np.float32)
        except ValueError:
            values_L = np.full(len(self._labels), np.nan, np.float32)
        if not ((values_L >= 0) & (values_L <= 1)).all():
            raise UserError(f"{self.path}, line {number}: expected {expected}, got {line.decode().strip()!r}")
        return values_L[None]

    def _scan(self) -> None:
        offset = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if number == 1:
                    self._columns = self._header(line)
                elif line.strip():
                    cells = _cells(line)
                    place = self._columns.index(ID)
                    if len(cells) <= place or not cells[place]:
                        raise UserError(f"{self.path}, line {number}: expected a {ID}, got {line.decode().strip()!r}")
                    name = padded(cells[place]).encode()
                    if name in self._places:
                        first = self._places[name][1]
                        raise UserError(f"{self.path}, line {number}: {name.decode()!r} came before, in line {first}")
                    self._places[name] = (offset, number)
                offset += len(line)

    def _header(self, line: bytes) -> list[str]:
        """The labels' own spelling for columns that differ from it in case or spaces alone."""
        known = {_plain(name): name for name in (ID, *self._labels)}
        columns = [known.get(_plain(cell), cell) for cell in _cells(line)]
        missing = [name for name in (ID, *self._labels) if name not in columns]
        if ID in missing or (missing and len(missing) < len(self._labels)):
            expected = ",".join((ID, *self._labels))
            raise UserError(f"{self.path}, line 1: expected the header {expected}, got {line.decode().strip()!r}")
        return columns


def padded(name: str) -> str:
    """A clip's id: five digits, whatever a spreadsheet made of them; other names stay.

    >>> padded("72"), padded("00072.mp4")
    ('00072', '00072')
    """
    stem = name.strip().removesuffix(".mp4")
    return stem.zfill(5) if stem.isdigit() else stem


def _cells(line: bytes) -> list[str]:
    text = line.decode("utf-8-sig").strip("\r\n")
    return [cell.strip() for cell in next(csv.reader([text]), [])]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
