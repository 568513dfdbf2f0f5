"""The organisers' template of a test set: which rows are asked for, and in which order.

Its first column names the rows; values that stand beside them are examples and are not read. EMI's is `test_split.csv`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from abaw6.labels import lines_of
from abaw6.layout import plain
from abaw6.submission.form import Form, Place, form_of_header
from harness.errors import MissingData, UserError


@dataclass(frozen=True)
class Template:
    """Rows asked for: `names` as the template spells them, `places` what they speak of; `header` is the file's own."""

    path: Path
    form: Form
    header: str
    names: tuple[str, ...]
    places: tuple[Place, ...]


def read_template(path: Path, form: Form) -> Template:
    """The template of one track; UserError naming the line where it is not of this form, or names a row twice."""
    if not path.is_file():
        raise MissingData(f"No template at {path}")
    lines = lines_of(path)
    if not lines or not fits(lines[0], form):
        raise UserError(f"{path}, line 1: expected a template of {form.task.name} ({form.header}), "
                        f"got {lines[0] if lines else 'an empty file'!r}")  # fmt: skip
    first: dict[str, int] = {}
    places = []
    for number, line in enumerate(lines[1:], start=2):
        name = line.partition(",")[0].strip()
        place = form.place(name)
        if place is None:
            raise UserError(f"{path}, line {number}: expected a row named {form.name_expected}; got {name!r}")
        if first.setdefault(name, number) != number:
            raise UserError(f"{path}, line {number}: {name} came before, in line {first[name]}")
        places.append(place)
    if not places:
        raise UserError(f"{path}: expected rows below the header, got none")
    header = lines[0].strip() if form_of_header(lines[0]) else form.header
    return Template(path, form, header, tuple(first), tuple(places))


def fits(header: str, form: Form) -> bool:
    """Whether a first line is that of the track's template: the column of names first, then the labels or nothing."""
    first, _, labels = header.partition(",")
    return plain(first) == plain(form.id_column) and (not plain(labels) or form_of_header(header) == form)
