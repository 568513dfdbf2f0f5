"""How tables of predictions are laid out: which column tells the video, the frame, and which one each label.

Columns are matched by the name of the label, never by position. Shapes: N rows, L labels of the task.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingData, UserError, unknown
from harness.scoring.predicted import Format, Predicted, Predictions, Reading
from harness.scoring.tables import Table, header, open_table, tables, whole_numbers
from harness.scoring.values import Note, at, decided, outscore, plain, settle_values
from harness.types import Floats, TaskSpec

IMAGE = re.compile(r"(?:.*[/\\])?([^/\\]+)[/\\](\d+)\.(?:jpg|jpeg|png|bmp)", re.IGNORECASE)
ROLES = ("video", "frame", "image", "decision")


@dataclass(frozen=True)
class Layout:
    """The columns of one tool's tables.

    `video`, `frame`, `image` (a path `VIDEO/00001.jpg`) and `decision` are plain names of columns, the first one there
    counts; without a video a file is one video, called like it. `means(column)` is the plain name of the label that a
    column speaks of, "" for none. `first_frame` is the number of a video's first frame. `valid` is a column whose 0
    says that the row has no value. `others` are plain names of classes that the tool knows and a task may lack.
    """

    title: str
    means: Callable[[str], str] = plain
    first_frame: int = 1
    video: tuple[str, ...] = ("video", "videoid", "videoname", "filename", "clip")
    frame: tuple[str, ...] = ("frame", "frameid", "frameidx", "frameindex", "framenumber")
    image: tuple[str, ...] = ("imagelocation", "imagepath", "image")
    decision: tuple[str, ...] = ("decision",)
    valid: tuple[str, ...] = ()
    others: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Columns:
    """What the columns of one file are for: by role, and by label of the task; `unused` are the others.

    `others` score classes that the task lacks, beside those of its labels.
    """

    roles: Mapping[str, str]
    labels: Mapping[str, str]
    others: tuple[str, ...]
    unused: tuple[str, ...]


def as_format(layout: Layout, recognises: Callable[[Path, tuple[str, ...]], bool]) -> Format:
    """The layout as a format; `recognises` is given the (first) file and its header."""

    def recognised(path: Path, task: TaskSpec) -> bool:
        files = tables(path)
        return bool(files) and recognises(files[0], header(files[0]))

    def read(path: Path, task: TaskSpec, reading: Reading) -> Predictions:
        return read_tables(layout, path, task, reading)

    return Format(layout.title, recognised, read)


def read_tables(layout: Layout, path: Path, task: TaskSpec, reading: Reading) -> Predictions:
    """The predictions in one table, or in a folder of them, for the labels of `task`.

    UserError where no column speaks of a label, two speak of one, or files of a folder speak of different ones; where a
    file has no rows, a value is out of range, or a clip stands twice.
    """
    files = tables(path)
    if not files:
        raise MissingData(f"No tables of predictions in {path}")
    found: list[Predicted] = []
    notes: dict[str, int] = {}
    first: Columns | None = None
    for file in reading.progress(files, "read predictions"):
        table = open_table(file)
        columns = find_columns(layout, table, task, reading)
        first = first or columns
        if set(columns.labels) != set(first.labels):
            differ = ", ".join(sorted(set(columns.labels) ^ set(first.labels)))
            raise UserError(f"{file} and {files[0]} do not speak of the same labels: {differ}")
        found += _rows(layout, table, columns, task, reading, notes)
    assert first is not None
    words = not first.labels
    missing = () if words else tuple(label for label in task.labels if label not in first.labels)
    told = tuple(f"{n:,} rows {what}" for what, n in notes.items())
    return Predictions(tuple(found), words and task.kind.name != "continuous", missing, first.unused, told)


def find_columns(layout: Layout, table: Table, task: TaskSpec, reading: Reading) -> Columns:
    """What each column is for; columns that `reading` renames come first."""
    for theirs, ours in reading.renamed.items():
        if theirs not in table.names:
            raise unknown(f"column in {table.path}", theirs, table.names)
        if ours not in (*task.labels, *ROLES):
            raise unknown(f"label of task {task.name!r} (or video, frame, image, decision)", ours, task.labels)
    for ours in reading.renamed.values():
        said = [name for name, label in reading.renamed.items() if label == ours]
        if len(said) > 1:
            raise UserError(f"--map: columns {' and '.join(map(repr, said))} are both said to be {ours}")
    labels = {ours: theirs for theirs, ours in reading.renamed.items() if ours in task.labels}
    roles = {ours: theirs for theirs, ours in reading.renamed.items() if ours in ROLES}
    free = [name for name in table.names if name not in reading.renamed]
    for role in (*ROLES, "valid"):
        wanted = getattr(layout, role)
        there = sorted((name for name in free if plain(name) in wanted), key=lambda name: wanted.index(plain(name)))
        if there and role not in roles:
            roles[role] = there[0]
    of_label = {plain(label): label for label in task.labels}
    unused = []
    for name in free:
        label = of_label.get(layout.means(name))
        if label is None:
            unused += [name] if layout.means(name) and name not in roles.values() else []
        elif label in reading.renamed.values():
            unused.append(name)
        elif label in labels:
            raise UserError(f"{table.path}: columns {labels[label]!r} and {name!r} both speak of {label}")
        else:
            labels[label] = name
    if not labels and "decision" not in roles:
        raise UserError(
            f"{table.path}: expected columns named {', '.join(task.labels)}, came {_some(table.names)}; "
            "--map THEIR=OURS renames one"
        )
    scored = labels and task.kind.name == "one_of"
    others = tuple(name for name in dict.fromkeys(unused) if scored and layout.means(name) in layout.others)
    return Columns(roles, labels, others, tuple(name for name in dict.fromkeys(unused) if name not in others))


def _rows(
    layout: Layout, table: Table, columns: Columns, task: TaskSpec, reading: Reading, notes: dict[str, int]
) -> list[Predicted]:
    """The rows of one file, by video in order of first appearance."""
    roles = columns.roles
    by_image = "image" in roles and task.level == "frame"
    numbers = [*columns.labels.values(), *columns.others, *(roles[role] for role in ("valid",) if role in roles)]
    if task.level == "frame" and "frame" in roles and not by_image:
        numbers.append(roles["frame"])
    texts = [roles[role] for role in ("image" if by_image else "video",) if role in roles]
    texts += [roles["decision"]] if not columns.labels else []
    read = table.read(numbers, texts)
    if not len(next(iter(read.values()))):
        raise UserError(f"{table.path}: expected rows of predictions, got none")
    scores_NL = _scores(layout, table.path, columns, read, task, partial(_note, notes))
    video_N, frame_N = _places(layout, table.path, columns, read, len(scores_NL), task, reading)
    if task.level == "video":
        _refuse_doubled(table.path, video_N)
    return _by_video(table.path, video_N, frame_N, scores_NL)


def _scores(
    layout: Layout, path: Path, columns: Columns, read: Mapping[str, NDArray[Any]], task: TaskSpec, note: Note
) -> Floats:
    """scores_NL of the columns read; NaN in rows that hold no prediction."""
    if columns.labels:
        scores_NL = np.full((len(next(iter(read.values()))), len(task.labels)), np.nan, np.float32)
        for label, name in columns.labels.items():
            scores_NL[:, task.labels.index(label)] = read[name]
    else:
        scores_NL = decided(path, read[columns.roles["decision"]], task, layout.others, note)
    if "valid" in columns.roles:
        failed_N = read[columns.roles["valid"]] == 0
        scores_NL[failed_N] = np.nan
        note(f"say {columns.roles['valid']} 0 and so hold no prediction", int(failed_N.sum()))
    if columns.labels:
        settle_values(path, scores_NL, task, note)
    if columns.others:
        own = [task.labels.index(label) for label in columns.labels]
        outscore(scores_NL, own, {name: read[name] for name in columns.others}, note)
    return scores_NL


def _places(
    layout: Layout,
    path: Path,
    columns: Columns,
    read: Mapping[str, NDArray[Any]],
    rows: int,
    task: TaskSpec,
    reading: Reading,
) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """The video of each row, by name, and its frame from 0 (None where rows have no number)."""
    roles = columns.roles
    if task.level == "frame":
        text_N = read.get(roles.get("image", roles.get("video", "")), np.empty(0, object))
        if "image" in roles or (len(text_N) and IMAGE.fullmatch(text_N[0].strip())):
            return _of_images(path, text_N, reading)
    frame_N = None
    if "frame" in roles and task.level == "frame":
        first = layout.first_frame if reading.first_frame is None else reading.first_frame
        frame_N = whole_numbers(read[roles["frame"]], f"{path}, column {roles['frame']!r}") - first
    if "video" in roles:
        return read[roles["video"]], frame_N
    return np.full(rows, path.stem.removesuffix(f".{task.name}"), dtype=object), frame_N


def _of_images(path: Path, text_N: NDArray[Any], reading: Reading) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Videos and frames of images `VIDEO/00001.jpg`, which count from 1 whatever the tool itself counts from."""
    matched = [IMAGE.fullmatch(text.strip()) for text in text_N]
    if None in matched:
        row = matched.index(None)
        raise UserError(f"{at(path, row)}: expected an image like VIDEO/00001.jpg, got {text_N[row]!r}")
    videos = np.array([match[1] for match in matched if match], dtype=object)
    first = 1 if reading.first_frame is None else reading.first_frame
    return videos, np.array([int(match[2]) for match in matched if match], dtype=np.int64) - first


def _refuse_doubled(path: Path, video_N: NDArray[Any]) -> None:
    """Of a clip one row is all there is to predict."""
    first: dict[str, int] = {}
    for row, name in enumerate(map(video_name, video_N)):
        if first.setdefault(name, row) != row:
            before = at(path, first[name]).removeprefix(f"{path}, ")
            raise UserError(f"{at(path, row)}: expected one row for a clip; {name} came before, in {before}")


def _by_video(
    path: Path, video_N: NDArray[Any], frame_N: NDArray[np.int64] | None, scores_NL: Floats
) -> list[Predicted]:
    import pyarrow as pa

    coded = pa.array(video_N, pa.string()).dictionary_encode()  # by first appearance, many times faster than a dict
    code_N = coded.indices.to_numpy()
    order_N = np.argsort(code_N, kind="stable")
    ends = np.cumsum(np.bincount(code_N, minlength=len(coded.dictionary)))[:-1]
    return [
        Predicted(video_name(name), None if frame_N is None else frame_N[own_N], scores_NL[own_N], str(path))
        for name, own_N in zip(coded.dictionary.to_pylist(), np.split(order_N, ends), strict=True)
    ]


def video_name(text: str) -> str:
    """The video that a cell means: the last part of a path, without a media suffix; `valid/ID` stays as it is.

    >>> video_name("cropped/video49_left.mp4"), video_name("valid/video49"), video_name("08072")
    ('video49_left', 'valid/video49', '08072')
    """
    path = PurePosixPath(text.strip().replace("\\", "/"))
    if path.suffix.lower() in (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mp3", ".wav", ".csv", ".txt"):
        return path.stem
    keyed = len(path.parts) == 2 and path.parts[0] in ("train", "valid", "test")
    return str(path) if keyed else path.name


def _note(notes: dict[str, int], what: str, n: int) -> None:
    if n:
        notes[what] = notes.get(what, 0) + n


def _some(names: tuple[str, ...], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
