"""Headers of several rows, the names of groups over those of columns, as one row with a name per column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

from harness.lint.check import DASHES, Printed

Cells = Sequence[tuple[str, int]]  # a row: the text of each cell, and over how many columns it stands
Row = tuple[int, tuple[str, ...]]


def one_header(rows: Sequence[tuple[int, Cells]]) -> list[Row]:
    """The rows of a table, each with its line, where the rows of its header are one, in the line of the last.

    A column's name is that of the lower row, with its group's before it where the lower names repeat; the group's alone
    where there is none below. Elsewhere a cell over several columns counts for the first of them.
    """
    plain = [(line, _texts(cells)) for line, cells in rows]
    first = next((i for i, (_, texts) in enumerate(plain) if any(texts[1:])), None)  # the rows above are titles
    if first is None:
        return plain
    names, last = _names(rows[first][1]), first
    while last + 1 < len(rows) and _goes_on(rows[last][1], _names(rows[last + 1][1])):
        last += 1
        names = _merged(names, _names(rows[last][1]))
    return [*plain[:first], (rows[last][0], names), *plain[last + 1 :]] if last > first else plain


def _texts(cells: Cells) -> tuple[str, ...]:
    return tuple(text for one, width in cells for text in (one, *[""] * (width - 1)))


def _names(cells: Cells) -> tuple[str, ...]:
    """What each column is called: a wide cell names all of its columns."""
    return tuple(text for text, width in cells for _ in range(width))


def _goes_on(upper: Cells, lower: Sequence[str]) -> bool:
    """Whether a header goes on in the row below `upper`, which then names what the groups of `upper` hold.

    Names may be numbers (action units). So may scores, but then something stands below a name that is no group's.
    """
    columns = [(text, width > 1) for text, width in upper for _ in range(width)]
    below = [(name, wide, text.strip(DASHES)) for (name, wide), text in zip(columns, lower, strict=False)]
    grouped = [text for name, wide, text in below if name and wide and text]
    beside = [text for name, wide, text in below if name and not wide and text]
    if not grouped or any(map(Printed.in_cell, beside)):
        return False
    return not beside or not all(map(Printed.in_cell, grouped))


def _merged(upper: Sequence[str], lower: Sequence[str]) -> tuple[str, ...]:
    often = Counter(lower)
    pairs = zip_longest(upper, lower, fillvalue="")
    return tuple(f"{group} {name}".strip() if name and often[name] > 1 else name or group for group, name in pairs)
