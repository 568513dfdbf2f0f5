"""Whether a printed average can be the average of the printed values beside it, in exact arithmetic.

A printed number stands for every number within half a unit of its last digit. So an average that is not the mean of
the printed digits may still be right, where it was taken before rounding; beyond that it is impossible.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Verdict = Literal["impossible", "not the mean of the printed digits"]
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.(?P<decimals>[0-9]+))?|\.(?P<only>[0-9]+))")
TAIL = r"\s*%?\s*[*†‡^_]*\s*(?:\[.*\]|\(.*\)|(?:±|\+/-|\+-).*)?\s*[*†‡^_]*"
CELL = re.compile(rf"(?P<number>{NUMBER.pattern}){TAIL}")
DASHES = "-\N{EN DASH}\N{EM DASH} "  # a cell of nothing else is empty
FLOAT_NOISE = 12  # decimals: further digits come from binary floating point, not from a printer
HALF = Fraction(1, 2)


@dataclass(frozen=True)
class Printed:
    """A number as printed, and the unit of its last digit (0.01 of 56.94); both are fractions where it is a percent."""

    text: str
    value: Fraction
    unit: Fraction
    decimals: int

    @classmethod
    def of(cls, text: str, *, percent: bool = False) -> Printed:
        """A number from its digits; ValueError where it is none.

        >>> Printed.of("56.90")
        Printed(text='56.90', value=Fraction(569, 10), unit=Fraction(1, 100), decimals=2)
        """
        found = NUMBER.fullmatch(text)
        if found is None:
            raise ValueError(f"expected a number, got {text!r}")
        decimals = min(len(found["decimals"] or found["only"] or ""), FLOAT_NOISE)
        scale = 100 if percent else 1
        return cls(text, Fraction(text) / scale, Fraction(1, 10**decimals) / scale, decimals)

    @classmethod
    def in_cell(cls, cell: str) -> Printed | None:
        """The number that a cell begins with, before %, a dagger, an interval or a deviation; None where it has none.

        >>> [number and number.text for number in map(Printed.in_cell, ("56.90% †", "0.5 ± 0.1", "AU1", ""))]
        ['56.90', '0.5', None, None]
        """
        found = CELL.fullmatch(cell)
        return cls.of(found["number"]) if found else None


@dataclass(frozen=True)
class PrintedRow:
    """One row of a table: where it stands, what it is called, its values by label, and its average."""

    line: int
    name: str
    values: tuple[tuple[str, Printed], ...]
    average: Printed


@dataclass(frozen=True)
class Finding:
    """A row that does not add up.

    `could` are the lowest and the highest average that could be printed: for *impossible* of all values that round to
    the printed ones, else of the printed digits themselves (two where the mean lies half-way).
    """

    row: PrintedRow
    verdict: Verdict
    could: tuple[str, str]

    def __str__(self) -> str:
        low, high = self.could
        span = low if low == high else f"{low} to {high}"
        of = f"{len(self.row.values)} printed"
        labels = ", ".join(label for label, _ in self.row.values)
        printed = f"line {self.row.line:,}: {self.row.name}: {self.verdict}: {self.row.average.text} is printed"
        if self.verdict == "impossible":
            return f"{printed}, but values that round to the {of} ({labels}) have a mean of {span}"
        return f"{printed}, the mean of the {of} values ({labels}) is {span}; rounding could explain it"


def lint(rows: Sequence[PrintedRow]) -> list[Finding]:
    """The rows that do not add up, in their order."""
    found = (judge(row) for row in rows)
    return [finding for finding in found if finding is not None]


def judge(row: PrintedRow) -> Finding | None:
    """What is wrong with a row's average; None where it is the mean of the printed digits, ties rounded either way."""
    values = [value for _, value in row.values]
    mean = sum((value.value for value in values), Fraction()) / len(values)
    slack = sum((value.unit for value in values), Fraction()) / len(values) * HALF
    off = abs(mean - row.average.value)
    if off <= row.average.unit * HALF:
        return None
    if off <= row.average.unit * HALF + slack:
        return Finding(row, "not the mean of the printed digits", _span(row.average, mean, mean))
    return Finding(row, "impossible", _span(row.average, mean - slack, mean + slack))


def _span(average: Printed, low: Fraction, high: Fraction) -> tuple[str, str]:
    """The lowest and highest print, in the average's digits, of means from `low` to `high`."""
    first, last = math.ceil(low / average.unit - HALF), math.floor(high / average.unit + HALF)
    return _digits(first, average.decimals), _digits(last, average.decimals)


def _digits(number: int, decimals: int) -> str:
    """`number` units of the last of `decimals` places, exactly.

    >>> _digits(-5, 2)
    '-0.05'
    """
    whole, rest = divmod(abs(number), 10**decimals)
    sign = "-" if number < 0 else ""
    return f"{sign}{whole}.{rest:0{decimals}d}" if decimals else f"{sign}{whole}"
