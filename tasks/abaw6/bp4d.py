"""BP4D's sequences with occurrence codes, for training on action units alone.

`AUCoding/AU_OCC/<subject>_<task>.csv`: the first row holds AU numbers, the first column frame numbers; 1 occurs, 0 does
not, 9 is unknown. Images are `<subject>/<task>/<frame>.jpg`, the number with or without leading zeros.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abaw6.layout import plain, subfolders
from abaw6.manifest import IMAGE, Manifest, fingerprint
from abaw6.view import FacesAlone, decoded
from harness.errors import MissingData, UserError
from harness.types import Floats, Image, TaskSpec, Video

FPS = 25.0
UNKNOWN = 9


@dataclass(frozen=True, eq=False)
class Codes:
    """One table: frame_R, and code_RA (0, 1 or 9) of the AUs in its first row."""

    frame_R: NDArray[np.int64]
    code_RA: NDArray[np.int64]
    units: tuple[int, ...]


class SequencesView(FacesAlone):
    """Images by video id and frame: `files[id][i]` is the file of frame i."""

    def __init__(self, files: Mapping[str, Mapping[int, str]]) -> None:
        self._files = dict(files)

    def images(self, video: Video, indices: Sequence[int]) -> list[Image]:
        """Face images of these frames, RGB, as large as the files are."""
        return [decoded(self._files[video.id][int(index)]) for index in indices]


class Bp4d:
    """A reader of BP4D below `root`: a video runs from a table's first to its last frame; gaps are unlabelled."""

    def __init__(self, root: Path, task: TaskSpec, partial_rows: str = "mask") -> None:
        if task.kind.name != "any_of":
            raise UserError(f"BP4D holds action units; task {task.name!r} has labels that are {task.kind.name}")
        self._root, self._task = root, task

    def videos(self) -> tuple[Video, ...]:
        """Every coded sequence, sorted by id; a subject is one group."""
        return tuple(self._video(name, codes) for name, codes in self._codes.items())

    def targets(self, video: Video) -> Floats:
        """target_RL of one sequence; NaN for a unit that has no column or is coded as unknown."""
        codes = self._codes[video.id]
        target_RL = np.full((video.frames, len(self._task.labels)), np.nan, np.float32)
        row_R = codes.frame_R - codes.frame_R[0]
        for column, label in enumerate(self._task.labels):
            number = re.fullmatch(r"au0*(\d+)", plain(label))
            if number and int(number[1]) in codes.units:
                code_R = codes.code_RA[:, codes.units.index(int(number[1]))]
                target_RL[row_R, column] = np.where(code_R == UNKNOWN, np.nan, code_R)
        return target_RL

    def view(self) -> SequencesView:
        """A new view of the image files alone."""
        return SequencesView(self._files)

    def fingerprint(self) -> str:
        """SHA-256 over the tables and all media."""
        folders = [str(folder) for folder in self._folders.values()]
        with Manifest(self._root) as manifest:
            return fingerprint(self._root, list(self._tables.values()), folders, manifest)

    def demo(self) -> bool:
        """There is no made-up stand-in."""
        return False

    def _video(self, name: str, codes: Codes) -> Video:
        frames = int(codes.frame_R[-1] - codes.frame_R[0]) + 1
        face_F = np.zeros(frames, bool)
        face_F[[index for index in self._files[name] if index < frames]] = True
        return Video(name, name.partition("_")[0], "train", frames, FPS, face_F)

    @cached_property
    def _tables(self) -> dict[str, Path]:
        for folder in (
            self._root,
            *subfolders(self._root),
            *(f for s in subfolders(self._root) for f in subfolders(s)),
        ):
            if plain(folder.name) == "auocc":
                return {path.stem: path for path in sorted(folder.glob("*_*.csv"))}
        raise MissingData(f"{self._root} holds no BP4D: expected 'AUCoding/AU_OCC/<subject>_<task>.csv' below it")

    @cached_property
    def _codes(self) -> dict[str, Codes]:
        read = {name: read_codes(path) for name, path in self._tables.items()}
        return {name: codes for name, codes in read.items() if len(codes.frame_R)}

    @cached_property
    def _folders(self) -> dict[str, Path]:
        """The image folder of each sequence: `<subject>/<task>` at the root or up to two levels below."""
        subjects: dict[str, Path] = {}
        wanted = {plain(name.partition("_")[0]) for name in self._tables}
        level = [self._root]
        for _ in range(3):
            level = [sub for folder in level for sub in subfolders(folder)]
            for folder in level:
                if plain(folder.name) in wanted:
                    subjects.setdefault(plain(folder.name), folder)
        found = {}
        for name in self._tables:
            subject, _, task = name.partition("_")
            folder = subjects.get(plain(subject))
            if folder is not None and (folder / task).is_dir():
                found[name] = folder / task
        return found

    @cached_property
    def _files(self) -> dict[str, dict[int, str]]:
        """Image files by sequence and by frame, counted from the table's first."""
        files: dict[str, dict[int, str]] = {}
        for name, codes in self._codes.items():
            files[name] = {}
            if name not in self._folders:
                continue
            with os.scandir(self._folders[name]) as entries:
                numbered = [(int(match[1]), e.path) for e in entries if (match := IMAGE.fullmatch(e.name))]
            first = int(codes.frame_R[0])
            files[name] = {number - first: path for number, path in sorted(numbered) if number >= first}
        return files


def read_codes(path: Path) -> Codes:
    """One table, its rows in order of frames. UserError naming the line, what was expected and what came."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    header = [cell.strip() for cell in rows[0][1:]] if rows else []
    while header and not header[-1]:  # a comma at the end of the line
        header.pop()
    if not header or not all(cell.isdigit() for cell in header):
        raise UserError(
            f"{path}, line 1: expected AU numbers after the first column, got {','.join(rows[0]) if rows else ''!r}"
        )
    width = len(header) + 1
    frames, codes = [], []
    for number, row in enumerate(rows[1:], start=2):
        cells = [cell.strip() for cell in row[:width]]
        if len(cells) < width or not cells[0].isdigit() or any(cell not in ("0", "1", "9") for cell in cells[1:]):
            raise UserError(
                f"{path}, line {number}: expected a frame number and {width - 1} codes 0, 1 or 9, got {','.join(row)!r}"
            )
        frames.append(int(cells[0]))
        codes.append([int(cell) for cell in cells[1:]])
    order = np.argsort(np.array(frames, np.int64), kind="stable")
    frame_R = np.array(frames, np.int64)[order]
    if len(np.unique(frame_R)) != len(frame_R):
        raise UserError(f"{path}: a frame number comes twice")
    return Codes(frame_R, np.array(codes, np.int64).reshape(len(frames), width - 1)[order], tuple(map(int, header)))
