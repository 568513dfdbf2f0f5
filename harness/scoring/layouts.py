"""How tables of predictions are laid out: which column tells the video, the frame, and which one each label.

Columns are matched by the name of the label, never by position. Shapes: N rows, L labels of the task.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingData, UserError, unknown
from harness.scoring.predicted import Format, Predicted, Predictions, Reading
from harness.scoring.tables import Table, header, open_table, tables, whole_numbers
from harness.types import Floats, TaskSpec

IMAGE = re.compile(r"(?:.*[/\\])?([^/\\]+)[/\\](\d+)\.(?:jpg|jpeg|png|bmp)", re.IGNORECASE)
ROLES = ("video", "frame", "image", "decision")


def plain(name: str) -> str:
    """A name without case, separators and leading zeros of its number.

    >>> plain("AU_01"), plain("Empathic Pain")
    ('au1', 'empathicpain')
    """
    letters = "".join(letter for letter in name.casefold() if letter.isalnum())
    return re.sub(r"(?<=[a-z])0+(?=\d)", "", letters)


@dataclass(frozen=True)
class Layout:
    """The columns of one tool's tables.

    `video`, `frame`, `image` (a path `VIDEO/00001.jpg`) and `decision` are plain names of columns, the first one there
    counts; without a video a file is one video, called like it. `means(column)` is the plain name of the label that a
    column speaks of, "" for none. `first_frame` is the number of a video's first frame. `valid` is a column whose 0
    says that the row has no value. `others` are plain names of classes that the tool may decide for and a task lacks.
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
    """What the columns of one file are for: by role, and by label of the task; `unused` are the others."""

    roles: Mapping[str, str]
    labels: Mapping[str, str]
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

    UserError where no column speaks of a label, two speak of one, or files of a folder speak of different ones.
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
    decided = not first.labels
    missing = () if decided else tuple(label for label in task.labels if label not in first.labels)
    told = tuple(f"{n:,} rows {what}" for what, n in notes.items())
    return Predictions(tuple(found), decided and task.kind.name != "continuous", missing, first.unused, told)


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
    return Columns(roles, labels, tuple(dict.fromkeys(unused)))


def _rows(
    layout: Layout, table: Table, columns: Columns, task: TaskSpec, reading: Reading, notes: dict[str, int]
) -> list[Predicted]:
    """The rows of one file, by video in order of first appearance."""
    roles = columns.roles
    by_image = "image" in roles and task.level == "frame"
    numbers = [*columns.labels.values(), *(roles[role] for role in ("valid",) if role in roles)]
    if task.level == "frame" and "frame" in roles and not by_image:
        numbers.append(roles["frame"])
    texts = [roles[role] for role in ("image" if by_image else "video",) if role in roles]
    texts += [roles["decision"]] if not columns.labels else []
    read = table.read(numbers, texts)
    if columns.labels:
        scores_NL = np.full((len(read[numbers[0]]), len(task.labels)), np.nan, np.float32)
        for label, name in columns.labels.items():
            scores_NL[:, task.labels.index(label)] = read[name]
        _refuse_not_probabilities(table.path, scores_NL, task)
    else:
        scores_NL = _decided(layout, table.path, read[roles["decision"]], task, notes)
    if "valid" in roles:
        failed_N = read[roles["valid"]] == 0
        scores_NL[failed_N] = np.nan
        _note(notes, f"say {roles['valid']} 0 and so hold no prediction", int(failed_N.sum()))
    video_N, frame_N = _places(layout, table.path, columns, read, len(scores_NL), task, reading)
    return _by_video(table.path, video_N, frame_N, scores_NL)


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
        raise UserError(f"{path}, line {row + 2}: expected an image like VIDEO/00001.jpg, got {text_N[row]!r}")
    videos = np.array([match[1] for match in matched if match], dtype=object)
    first = 1 if reading.first_frame is None else reading.first_frame
    return videos, np.array([int(match[2]) for match in matched if match], dtype=np.int64) - first


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


def _decided(layout: Layout, path: Path, text_N: NDArray[Any], task: TaskSpec, notes: dict[str, int]) -> Floats:
    """Decisions in words as scores_NL; an empty cell is no value where one label must hold."""
    if task.kind.name == "continuous":
        raise UserError(f"{path}: expected columns named {', '.join(task.labels)}, came decisions alone")
    column = {plain(label): i for i, label in enumerate(task.labels)}
    rows: dict[str, Floats] = {}
    for text in dict.fromkeys(text_N):
        row_L = np.zeros(len(task.labels), np.float32)
        words = [word for word in (text.split("+") if task.kind.name == "any_of" else [text]) if word.strip()]
        for word in words:
            if plain(word) in column:
                row_L[column[plain(word)]] = 1
            elif plain(word) not in layout.others:
                raise unknown(f"label of task {task.name!r} (in {path})", word, task.labels)
        if task.kind.name == "one_of" and not words:
            row_L[:] = np.nan
        rows[text] = row_L
    for text, row_L in rows.items():
        if plain(text) in layout.others and not row_L.any():
            _note(notes, f"decide for {text}, which is no label of this task: wrong", int((text_N == text).sum()))
    return np.stack([rows[text] for text in text_N]) if len(text_N) else np.zeros((0, len(task.labels)), np.float32)


def _refuse_not_probabilities(path: Path, scores_NL: Floats, task: TaskSpec) -> None:
    """Where each label holds or not, scores are cut at 0.5: intensities and logits would be cut at a wrong place."""
    if task.kind.name != "any_of":
        return
    outside_NL = (scores_NL < 0) | (scores_NL > 1)
    if outside_NL.any():
        row, column = (int(i) for i in np.argwhere(outside_NL)[0])
        raise UserError(
            f"{path}: expected 0, 1 or a probability for {task.labels[column]}, got {scores_NL[row, column]:g} in row "
            f"{row + 1}; an intensity or a logit has no 0.5 to cut at"
        )


def _note(notes: dict[str, int], what: str, n: int) -> None:
    if n:
        notes[what] = notes.get(what, 0) + n


def _some(names: tuple[str, ...], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
