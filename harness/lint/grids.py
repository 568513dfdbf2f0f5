"""Tables in files as grids of plain text: CSV, Markdown pipe tables, LaTeX tabulars. Marks of type are taken off."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import MissingData, unknown
from harness.lint.headers import one_header

MARKDOWN_MARKS = re.compile(r"\*\*|__|`|\\(?=\W)")
MARKDOWN_LINK = re.compile(r"\[([^\[\]]*)\]\([^()]*\)")
RULE = re.compile(r"\|?\s*:?-+:?\s*(\|\s*:?-*:?\s*)*")  # the line below a Markdown header
TABULAR = re.compile(r"\\begin\{(tabular[xy*]?|longtable|array)\}(.*?)\\end\{\1\}", re.DOTALL)
LATEX_COMMENT = re.compile(r"(?<!\\)%.*")
COLUMN_SPEC = re.compile(r"\s*(?:\[[^\]]*\])?(?:\{(?:[^{}]|\{[^{}]*\})*\})*")  # after \begin{tabular}
ROW_SPACE = re.compile(r"\s*\[[^\]]*\]")  # the [2pt] of \\[2pt]
LATEX_RULES = re.compile(r"\\(?:(?:top|mid|bottom)rule|hline|(?:cmidrule|cline)(?:\([^)]*\))?\{[^}]*\})")
MULTICOLUMN = re.compile(r"\\multicolumn\{(\d+)\}\{[^{}]*\}\{(.*)\}", re.DOTALL)
MULTIROW = re.compile(r"\\multirow(?:\[[^\]]*\])?\{[^{}]*\}(?:\[[^\]]*\])?\{[^{}]*\}")
LATEX_SYMBOLS = {r"\pm": "±", r"\dagger": "†", r"\ddagger": "‡", "~": " ", r"\,": " ", r"\;": " "}
LATEX_COMMAND = re.compile(r"\\[a-zA-Z]+\*?")


@dataclass(frozen=True)
class Grid:
    """One table: its rows of cells, the header too, each with its line in the file."""

    rows: tuple[tuple[int, tuple[str, ...]], ...]


def read_grids(path: Path) -> list[Grid]:
    """Every table of a file, by its suffix."""
    if not path.is_file():
        raise MissingData(f"No table at {path}")
    if path.suffix.lower() not in READERS:
        raise unknown("format of a table", path.suffix, READERS)
    return [grid for grid in READERS[path.suffix.lower()](_text(path)) if grid.rows]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig", errors="replace").replace("\N{MINUS SIGN}", "-")


def _csv(text: str) -> Iterator[Grid]:
    reader = csv.reader(io.StringIO(text))
    yield Grid(tuple((reader.line_num, tuple(map(str.strip, cells))) for cells in reader if any(cells)))


def _markdown(text: str) -> Iterator[Grid]:
    """A header, a line of dashes, then rows until a line without a pipe."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if "|" not in line or number == 0 or not RULE.fullmatch(line.strip()):
            continue
        rows = [(number, _pipe_cells(lines[number - 1]))]
        for below in range(number + 1, len(lines)):
            if "|" not in lines[below]:
                break
            rows.append((below + 1, _pipe_cells(lines[below])))
        yield Grid(tuple(rows))


def _pipe_cells(line: str) -> tuple[str, ...]:
    cells = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return tuple(MARKDOWN_MARKS.sub("", MARKDOWN_LINK.sub(r"\1", cell)).strip(" *_") for cell in cells)


def _latex(text: str) -> Iterator[Grid]:
    """Each tabular, its header as one row; below, a cell over several columns counts for the first of them."""
    text = LATEX_COMMENT.sub("", text)
    for table in TABULAR.finditer(text):
        rows = []
        spec = COLUMN_SPEC.match(table[2])
        begin = spec.end() if spec else 0
        line = text[: table.start(2) + begin].count("\n") + 1
        for number, piece in enumerate(table[2][begin:].split(r"\\")):
            row = LATEX_RULES.sub("", ROW_SPACE.sub("", piece, count=1) if number and ROW_SPACE.match(piece) else piece)
            cells = _ampersand_cells(row)
            if any(text for text, _ in cells):
                rows.append((line + row[: len(row) - len(row.lstrip())].count("\n"), cells))
            line += piece.count("\n")
        yield Grid(tuple(one_header(rows)))


def _ampersand_cells(row: str) -> list[tuple[str, int]]:
    """The text of each cell, and over how many columns it stands."""
    found = [(MULTICOLUMN.search(cell), cell) for cell in re.split(r"(?<!\\)&", row)]
    return [(_plain_latex(wide[2]), int(wide[1])) if wide else (_plain_latex(cell), 1) for wide, cell in found]


def _plain_latex(cell: str) -> str:
    cell = MULTIROW.sub("", cell)
    for symbol, plain in LATEX_SYMBOLS.items():
        cell = cell.replace(symbol, plain)
    cell = LATEX_COMMAND.sub("", cell).replace("\\", "")
    return " ".join(re.sub(r"[{}$]", "", cell).split())


READERS: dict[str, Callable[[str], Iterator[Grid]]] = {
    ".csv": _csv, ".md": _markdown, ".markdown": _markdown, ".tex": _latex,
}  # fmt: skip
