"""The official submission file of each track: its header, what names a row, and what a row holds.

VA, EXPR, AU and CE have a row per frame, named `<video>/00001.jpg` (images count from 1); EMI has one per clip, named
by five digits. EXPR and CE rows hold one class number, in the order of the names in the header; AU rows hold 0 or 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from abaw6.layout import plain
from abaw6.specs import TASKS
from abaw6.split_table import ID as CLIP
from harness.errors import unknown
from harness.types import TaskSpec

IMAGE = "image_location"
IMAGE_NAME = re.compile(r"(?P<video>[^/\\\s,][^/\\,]*)/(?P<number>[0-9]{5,})\.jpg")
CLIP_NAME = re.compile(r"[0-9]{5}")


class Place(NamedTuple):
    """What a row speaks of: frame `frame` (from 0) of a video, or the whole of it (frame 0, video-level tasks)."""

    video: str
    frame: int


@dataclass(frozen=True)
class Form:
    """The official file of one task."""

    task: TaskSpec

    @property
    def id_column(self) -> str:
        """The name of the first column."""
        return IMAGE if self.task.level == "frame" else CLIP

    @property
    def header(self) -> str:
        """The first line, without its end."""
        return ",".join((self.id_column, *self.task.labels))

    @property
    def columns(self) -> int:
        """Values in a row, beside what names it: one where the value is a class number."""
        return 1 if self.task.kind.name == "one_of" else len(self.task.labels)

    @property
    def file_name(self) -> str:
        """How `harness submit` names the file."""
        return f"{self.task.name}.txt" if self.task.level == "frame" else f"{self.task.name}.csv"

    @property
    def name_expected(self) -> str:
        """How rows are named, for messages."""
        return "<video>/00001.jpg, images counted from 1" if self.task.level == "frame" else "five digits, as in 00072"

    @property
    def values_expected(self) -> str:
        """What a row holds, for messages."""
        if self.task.kind.name == "one_of":
            return f"one class, a whole number from 0 to {len(self.task.labels) - 1}"
        if self.task.kind.name == "any_of":
            return f"{self.columns} values, each 0 or 1"
        return f"{self.columns} numbers from {self.task.kind.low:g} to {self.task.kind.high:g}"

    def place(self, name: str) -> Place | None:
        """What a row of this name speaks of; None where the name has not the official form.

        >>> form_of("va").place("video49_left/00012.jpg")
        Place(video='video49_left', frame=11)
        """
        if self.task.level == "video":
            return Place(name, 0) if CLIP_NAME.fullmatch(name) else None
        found = IMAGE_NAME.fullmatch(name)
        if found is None or int(found["number"]) == 0:
            return None
        return Place(found["video"], int(found["number"]) - 1)


FORMS = {name: Form(task) for name, task in TASKS.items()}


def form_of(task: str) -> Form:
    """The form of a task; UserError where it has none."""
    if task not in FORMS:
        raise unknown("task with an official submission file", task, FORMS)
    return FORMS[task]


def form_of_header(header: str) -> Form | None:
    """The form whose names a first line holds, in any order, case and spacing; None where it is none of them."""
    names = _plain_names(header)
    return next((form for form in FORMS.values() if names == _plain_names(form.header)), None)


def nearest_form(header: str) -> Form | None:
    """The form that shares most names with a first line; None where no form shares two."""
    names = set(_plain_names(header))
    shared = {name: len(names & set(_plain_names(form.header))) for name, form in FORMS.items()}
    best = max(shared, key=lambda name: shared[name])
    return FORMS[best] if shared[best] > 1 else None


def _plain_names(header: str) -> list[str]:
    return sorted(name for name in map(plain, header.split(",")) if name)
