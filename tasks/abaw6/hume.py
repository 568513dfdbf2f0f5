"""Hume-Vidmimic2 for the EMI track: one row of six intensities per clip.

`raw/%05d.mp4`, `audio/%05d.mp3`, `face_images/%05d/<int>.jpg`, the same below `test_data/`, and an optional
`transcripts.csv` (`Filename,text`; transcripts are no part of the official files). Images are sorted as numbers,
counted from 0 where any clip has an image 0. They are the video's frames, unless over the data set they are fewer
than half of them: then they were taken at a lower rate, and that rate is the clips' rate.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from abaw6.affwild2 import USUAL_FPS, some
from abaw6.labels import PARTIAL_ROWS
from abaw6.layout import AUDIO_SUFFIXES, VIDEO_SUFFIXES, files_by_stem, find_media, image_folders, matches
from abaw6.manifest import Manifest, fingerprint
from abaw6.rawvideo import Probe
from abaw6.split_table import SplitTable, padded
from abaw6.view import FolderView
from harness.errors import MissingData, UserError, unknown
from harness.types import Floats, Side, TaskSpec, Video

SPLITS = {"train": r"train\w*split", "valid": r"val(id)?\w*split", "test": r"test\w*split"}
TRANSCRIPTS = "transcripts.csv"


class HumeVidmimic2:
    """A reader of the EMI track below `root`. `partial_rows` has no meaning here: every row is whole."""

    def __init__(self, root: Path, task: TaskSpec, partial_rows: str = "any") -> None:
        if partial_rows not in PARTIAL_ROWS:
            raise unknown("way to treat partial rows", partial_rows, PARTIAL_ROWS)
        self._root = root
        self._task = task
        self._tables: dict[str, SplitTable] = {}

    def videos(self) -> tuple[Video, ...]:
        """Every clip of every side, sorted by (side, id)."""
        return self._survey()[0]

    def notes(self) -> tuple[str, ...]:
        """What was assumed while reading, a line each."""
        return self._survey()[1]

    def targets(self, video: Video) -> Floats:
        """target_RL of one clip (R = 1), read now; NaN for a test clip without labels. All zeros is a valid row."""
        table = self._split_tables()[video.side]
        if video.side == "test" and not table.labelled():
            return np.full((1, len(self._task.labels)), np.nan, np.float32)
        return table.target(video.id)

    def label_file(self, video: Video) -> Path:
        """The table a clip's labels are read from."""
        return self._split_tables()[video.side].path

    def image_counts(self) -> dict[str, int]:
        """Image files by clip."""
        folders = image_folders(find_media(self._root).crops)
        with Manifest(self._root) as manifest:
            return {name: int(manifest.numbers(folder).sum()) for name, folder in folders.items()}

    def view(self) -> FolderView:
        """A new view; it shares no object with this reader."""
        media = find_media(self._root)
        images = image_folders(media.crops)
        raw = files_by_stem(media.raw, VIDEO_SUFFIXES)
        audio = files_by_stem(media.sound, AUDIO_SUFFIXES)
        with Manifest(self._root) as manifest:
            first = _first(manifest.numbers(folder) for folder in images.values())
        texts = _transcripts(self._root / TRANSCRIPTS)
        return FolderView(images, raw, audio, texts=texts, first=first, audio_first=True)

    def fingerprint(self) -> str:
        """SHA-256 over the tables and all media."""
        media = find_media(self._root)
        folders = {*image_folders(media.crops).values(), *map(str, media.raw), *map(str, media.sound)}
        files = [table.path for table in self._split_tables().values()]
        files += [self._root / TRANSCRIPTS] if (self._root / TRANSCRIPTS).is_file() else []
        with Manifest(self._root) as manifest:
            return fingerprint(self._root, files, sorted(folders), manifest)

    def demo(self) -> bool:
        """Whether this is the made-up stand-in."""
        return (self._root / "demo.json").is_file()

    def _split_tables(self) -> dict[str, SplitTable]:
        if not self._tables:
            tables = sorted(path for path in self._root.iterdir() if path.suffix.lower() == ".csv")
            for side, pattern in SPLITS.items():
                for path in tables:
                    if matches(pattern, path.stem):
                        self._tables.setdefault(side, SplitTable(path, self._task.labels))
        for side in ("train", "valid"):
            if side in self._tables and not self._tables[side].labelled():
                names = ", ".join(self._task.labels)
                raise UserError(f"{self._tables[side].path}, line 1: expected the columns {names}, found none of them")
        if "train" not in self._tables:
            raise MissingData(f"{self._root} holds no 'train_split.csv' of Hume-Vidmimic2")
        return self._tables

    def _survey(self) -> tuple[tuple[Video, ...], tuple[str, ...]]:
        media = find_media(self._root)
        images = image_folders(media.crops)
        files = files_by_stem(media.sound, AUDIO_SUFFIXES) | files_by_stem(media.raw, VIDEO_SUFFIXES)
        ids = [(cast(Side, side), name) for side, table in self._split_tables().items() for name in table.ids()]
        with Manifest(self._root) as manifest:
            has = {name: manifest.numbers(images[name]) for _, name in ids if name in images}
            probes = {name: manifest.probe(files[name]) for _, name in ids if name in files}
            first = _first(manifest.numbers(folder) for folder in images.values())
        rate = _image_rate(has, probes, first)
        notes = []
        if rate is not None:
            notes.append(f"face images are fewer than the frames: taken at about {rate:.3g} a second")
        unknown_rate = sorted(name for _, name in ids if name not in probes or probes[name].fps <= 0)
        if unknown_rate:
            notes.append(f"no raw video, so {USUAL_FPS:g} frames per second assumed: {some(unknown_rate)}")
        found = [_video(side, name, has.get(name), probes.get(name), first, rate) for side, name in ids]
        return tuple(sorted(found, key=lambda video: (video.side, video.id))), tuple(notes)


def _first(numbers: object) -> int:
    """The number of the first frame's image: 0 where any clip has an image 0."""
    return 0 if any(has_N.size and has_N[0] for has_N in cast("list[NDArray[np.bool_]]", numbers)) else 1


def _image_rate(has: dict[str, NDArray[np.bool_]], probes: dict[str, Probe], first: int) -> float | None:
    """Images per second where they are fewer than half of the frames (median clip); None where they are the frames."""
    both = [(has_N.size - first, probes[name]) for name, has_N in has.items() if name in probes and has_N.any()]
    both = [(span, found) for span, found in both if found.frames > 0 and found.seconds > 0]
    if not both or np.median([span / found.frames for span, found in both]) >= 0.5:
        return None
    return float(np.median([span / found.seconds for span, found in both]))


def _video(
    side: Side, name: str, has_N: NDArray[np.bool_] | None, found: Probe | None, first: int, rate: float | None
) -> Video:
    span = max(0, has_N.size - first) if has_N is not None else 0
    seconds = found.seconds if found else 0.0
    fps = rate or (found.fps if found and found.fps > 0 else USUAL_FPS)
    counted = found.frames if found and rate is None else 0
    frames = max(1, counted or span or round(seconds * fps))
    face_F = np.zeros(frames, bool)
    if has_N is not None:
        known = has_N[first : first + frames]
        face_F[: known.size] = known
    return Video(name, name, side, frames, fps, face_F)


def _transcripts(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as lines:
        table = csv.DictReader(lines)
        if not {"Filename", "text"} <= set(table.fieldnames or ()):
            raise UserError(f"{path}, line 1: expected the header Filename,text, got {table.fieldnames}")
        return {padded(row["Filename"]): row["text"] for row in table if row["text"] and row["text"].strip()}
