"""Tables in files, column by column: CSV (or text separated by ; or tabs) and parquet, read by pyarrow.

Shapes: R rows. A missing number is NaN.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingData, UserError

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
NOT_A_NUMBER = ("", "nan", "NaN", "-nan", "-NaN", "NA", "N/A", "null", "None", "1.#QNAN", "-1.#IND", "-nan(ind)")


@dataclass(frozen=True, eq=False)
class Table:
    """A file whose columns are read when asked for; `names` is its header, blanks around a name taken off."""

    path: Path
    names: tuple[str, ...]
    _read: Callable[[Sequence[str], Sequence[str]], Any]

    def read(self, numbers: Iterable[str] = (), texts: Iterable[str] = ()) -> dict[str, NDArray[Any]]:
        """Columns by name: float64 for `numbers`, object arrays of str for `texts`.

        UserError where a cell is not a number, or a name stands twice in the header.
        """
        import pyarrow as pa

        numbers, texts = list(numbers), list(texts)
        for name in (*numbers, *texts):
            if self.names.count(name) > 1:
                raise UserError(f"{self.path}: column {name!r} stands {self.names.count(name)} times in the header")
        if not numbers and not texts:
            return {}
        try:
            found = self._read(numbers, texts)
            kinds = {**dict.fromkeys(numbers, pa.float64()), **dict.fromkeys(texts, pa.string())}
            columns = {name: found.column(name).cast(kind) for name, kind in kinds.items()}
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UserError(f"{self.path}: expected a table, {str(error).partition(chr(10))[0]}") from None
        read = {name: columns[name].to_numpy() for name in numbers}
        return read | {name: columns[name].fill_null("").to_numpy() for name in texts}


def tables(path: Path) -> list[Path]:
    """The table files that `path` means: itself, or those in the folder, sorted, hidden ones left out."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise MissingData(f"No predictions at {path}")
    return sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES and not one.name.startswith("."))


def open_table(path: Path) -> Table:
    """The header of a table; UserError where the file has none."""
    return _open_parquet(path) if path.suffix.lower() == ".parquet" else _open_csv(path)


def header(path: Path) -> tuple[str, ...]:
    """The names of a file's columns, or none where it is no table: for recognising a format."""
    try:
        return open_table(path).names
    except UserError:
        return ()


def _open_parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: expected parquet, {error}") from None
    return Table(path, tuple(names), lambda numbers, texts: pq.read_table(path, columns=[*numbers, *texts]))


def _open_csv(path: Path) -> Table:
    with path.open("rb") as file:
        line = file.readline()
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise UserError(f"{path}, line 1: expected a header in UTF-8") from None
    if not text.strip():
        raise UserError(f"{path}, line 1: expected a header, got an empty line")
    separator = max(",;\t", key=text.count)
    names = tuple(name.strip() for name in next(csv.reader([text], delimiter=separator)))

    def read(numbers: Sequence[str], texts: Sequence[str]) -> Any:
        import pyarrow as pa
        from pyarrow import csv as arrow

        if not line.endswith(b"\n"):
            raise UserError(f"{path}: expected rows of predictions, got none")
        kinds = {**dict.fromkeys(numbers, pa.float64()), **dict.fromkeys(texts, pa.string())}
        unique = [name if names.count(name) == 1 else f"{name} {i}" for i, name in enumerate(names)]
        return arrow.read_csv(
            path,
            read_options=arrow.ReadOptions(column_names=unique, skip_rows=1, use_threads=False),
            parse_options=arrow.ParseOptions(delimiter=separator),
            convert_options=arrow.ConvertOptions(
                column_types=kinds, include_columns=list(kinds), null_values=list(NOT_A_NUMBER)
            ),
        )

    return Table(path, names, read)


def whole_numbers(values_R: NDArray[np.float64], where: str) -> NDArray[np.int64]:
    """Numbers as integers; UserError naming the first row that is none."""
    wrong_R = ~(values_R == np.rint(values_R))
    if wrong_R.any():
        row = int(wrong_R.argmax())
        raise UserError(f"{where}: expected whole numbers, got {values_R[row]:g} in row {row + 1}")
    return values_R.astype(np.int64)
