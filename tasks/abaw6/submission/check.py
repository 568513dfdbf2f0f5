"""What a jury would object to in a submission file, line by line: what was expected and what came.

Without a template the rows are checked one by one (names, values, duplicates), and videos for gaps; with it that they
are exactly the rows asked for, in its order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from abaw6.submission.form import Form
from abaw6.submission.template import Template
from harness.progress import Progress, silent

BOM = b"\xef\xbb\xbf"
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
SHOWN = 60  # characters of a line that is wrong


@dataclass(frozen=True)
class Finding:
    """One objection. `what` is its sort: encoding, line end, header, columns, name, value, duplicate, gap, ..."""

    line: int
    what: str
    expected: str
    came: str

    def __str__(self) -> str:
        return f"line {self.line:,}: {self.what}: expected {self.expected}; got {self.came}"


def check(content: bytes, form: Form, template: Template | None = None, progress: Progress = silent) -> list[Finding]:
    """Every finding in the bytes of a file, in order of line."""
    lines, found = _lines(content)
    if not lines:
        return [*found, Finding(1, "header", repr(form.header), "an empty file")]
    header = template.header if template else form.header
    rows = list(enumerate(lines, start=1))
    if lines[0] != header:
        found.append(Finding(1, "header", repr(header), _quoted(lines[0])))
    if form.place(lines[0].partition(",")[0]) is None:  # else the header is missing and line 1 is a row
        rows = rows[1:]
    names = _Names(form)
    fault = fault_of(form)
    for number, line in progress(rows, "check rows", len(rows)):
        name, _, values = line.partition(",")
        found += names.take(number, name, line)
        if line.strip():
            found += fault(number, values)
    if template is not None:
        found += _against(template, names.line_of, len(lines))
    elif form.task.level == "frame":
        found += _gaps(names.of_videos)
    if template is None and not names.line_of:
        found.append(Finding(len(lines), "count", "rows below the header", "none"))
    return sorted(found, key=lambda finding: finding.line)


class _Names:
    """Names of rows as they come; `line_of` holds the first line of each, `of_videos` that of each frame by video."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self.line_of: dict[str, int] = {}
        self.of_videos: dict[str, dict[int, int]] = {}

    def take(self, number: int, name: str, line: str) -> Iterator[Finding]:
        place = self._form.place(name)
        if place is not None:
            self.of_videos.setdefault(place.video, {}).setdefault(place.frame, number)
        if not line.strip():
            yield Finding(number, "blank line", "a row", "nothing")
        elif place is None:
            yield Finding(number, "name", f"a row named {self._form.name_expected}", _quoted(name))
        elif self.line_of.setdefault(name, number) != number:
            yield Finding(number, "duplicate", "each name once", f"{name} again, after line {self.line_of[name]:,}")


Fault = Callable[[int, str], Sequence[Finding]]


def fault_of(form: Form) -> Fault:
    """A check of what stands after a row's name."""
    kind = form.task.kind
    whole = [str(number) for number in range(len(form.task.labels) if kind.name == "one_of" else 2)]

    def fits(cell: str) -> bool:
        if kind.name != "continuous":
            return cell in whole
        return NUMBER.fullmatch(cell) is not None and kind.low <= float(cell) <= kind.high

    def fault(number: int, values: str) -> Sequence[Finding]:
        cells = values.split(",")
        if len(cells) != form.columns:
            came = f"{len(cells)}: {_quoted(values)}" if values else "none"
            return [Finding(number, "columns", form.values_expected, came)]
        wrong = [cell for cell in cells if not fits(cell)]
        return [Finding(number, "value", form.values_expected, ", ".join(map(_quoted, wrong)))] if wrong else []

    return fault


def _lines(content: bytes) -> tuple[list[str], list[Finding]]:
    """Lines without their ends, and what is wrong with bytes and line ends."""
    found = []
    if content.startswith(BOM):
        found.append(Finding(1, "encoding", "no byte-order mark", "one (EF BB BF) before the header"))
        content = content.removeprefix(BOM)
    if b"\r" in content:
        first = content[: content.index(b"\r")].count(b"\n") + 1
        kind, n = ("CRLF", content.count(b"\r\n")) if b"\r\n" in content else ("CR", content.count(b"\r"))
        found.append(Finding(first, "line end", "LF alone", f"{kind} in {n:,} lines, this one first"))
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        found.append(Finding(line, "encoding", "plain ASCII text", f"byte {content[error.start]:#04x}"))
        text = content.decode("utf-8", errors="replace")
    lines = text.removesuffix("\n").split("\n") if text else []
    if text and not text.endswith("\n"):
        found.append(Finding(len(lines), "line end", "LF after the last line too", "none"))
    return lines, found


def _against(template: Template, line_of: dict[str, int], last: int) -> Iterator[Finding]:
    """Rows that are missing or not asked for, by video, and the first row that stands out of order."""
    asked = dict(zip(template.names, template.places, strict=True))
    missing: dict[str, list[str]] = {}
    extra: dict[str, list[str]] = {}
    after: dict[str, int] = {}  # video -> the line below which its missing rows belong
    line = 1
    for name in template.names:
        if name in line_of:
            line = line_of[name]
        else:
            missing.setdefault(asked[name].video, []).append(name)
            after.setdefault(asked[name].video, line)
    for name in line_of:
        if name not in asked and (place := template.form.place(name)) is not None:
            extra.setdefault(place.video, []).append(name)
    if len(line_of) != len(asked):
        yield Finding(last, "count", f"{len(asked):,} rows, as in the template", f"{len(line_of):,} of different names")
    for video, names in missing.items():
        yield Finding(after[video], "missing", f"{_some(video, names[0], len(names))} below this line", "none of them")
    for video, names in extra.items():
        came = _some(video, names[0], len(names))
        yield Finding(line_of[names[0]], "not asked for", "rows of the template alone", came)
    wanted = [name for name in template.names if name in line_of]
    stood = [name for name in line_of if name in asked]
    moved = [place for place, pair in enumerate(zip(wanted, stood, strict=True)) if pair[0] != pair[1]]
    if moved:
        name = stood[moved[0]]
        yield Finding(line_of[name], "order", f"{wanted[moved[0]]}, as in the template",
                      f"{name}; {len(moved):,} rows stand elsewhere")  # fmt: skip


def _gaps(of_videos: Mapping[str, Mapping[int, int]]) -> Iterator[Finding]:
    """Videos of which a frame between two others has no row; where they begin and end only a template knows."""
    for video, line_of in of_videos.items():
        frames = sorted(line_of)
        lacking = frames[-1] - frames[0] + 1 - len(frames)
        if lacking:
            before = next(frame for frame, after in pairwise(frames) if after > frame + 1)
            asked = _some(video, f"{video}/{before + 2:05d}.jpg", lacking)
            yield Finding(line_of[before], "gap", f"{asked} below this line", "none of them")


def _some(video: str, first: str, rows: int) -> str:
    return first if rows == 1 else f"{rows:,} rows of {video} ({first} first)"


def _quoted(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
