"""Aff-Wild2, as researchers have it: label files per track, images per track, raw videos per recording.

The label file rules the number of frames: row i after the header is image i (numbered from 1), whatever the decoder
counts. Test videos have no label file; their frames are counted in the raw video.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import numpy as np

from abaw6.labels import PARTIAL_ROWS, PartialRows, count_rows, read_rows
from abaw6.layout import (
    VIDEO_SUFFIXES,
    Labels,
    MediaFolders,
    files_by_stem,
    find_labels,
    find_media,
    image_folders,
)
from abaw6.manifest import Manifest, fingerprint
from abaw6.view import FolderView, recording, view_of
from harness.errors import MissingData, unknown
from harness.types import Floats, Side, TaskSpec, Video

USUAL_FPS = 30.0


class AffWild2:
    """A reader of one track (`task.name` is va, expr, au or ce) below `root`; it keeps paths, never a label."""

    def __init__(self, root: Path, task: TaskSpec, partial_rows: str = "any") -> None:
        if partial_rows not in PARTIAL_ROWS:
            raise unknown("way to treat partial rows", partial_rows, PARTIAL_ROWS)
        self._root = root
        self._task = task
        self._partial_rows = cast(PartialRows, partial_rows)

    def videos(self) -> tuple[Video, ...]:
        """Every track of every side, sorted by (side, id). Raises MissingData where the track has no label folder."""
        videos, _ = self._survey()
        return videos

    def notes(self) -> tuple[str, ...]:
        """What was assumed or left out while reading, a line each."""
        _, notes = self._survey()
        return notes

    def targets(self, video: Video) -> Floats:
        """target_RL of one track, read now; all NaN for a test video."""
        if video.side == "test":
            return np.full((video.frames, len(self._task.labels)), np.nan, np.float32)
        return read_rows(self.label_file(video), self._task, self._partial_rows)

    def label_file(self, video: Video) -> Path:
        """The file a track's labels are read from."""
        return self._labels().folders[video.side] / f"{video.id}.txt"

    def image_counts(self) -> dict[str, int]:
        """Image files by video id, those beyond its label rows too."""
        folders = image_folders(find_media(self._root).crops)
        with Manifest(self._root) as manifest:
            return {name: int(manifest.numbers(folder).sum()) for name, folder in folders.items()}

    def image_digests(self) -> dict[str, str]:
        """By video id, what tells that its images have changed: the same for every track of this root."""
        folders = image_folders(find_media(self._root).crops)
        with Manifest(self._root) as manifest:
            return {name: manifest.digest(folder) for name, folder in folders.items()}

    def view(self) -> FolderView:
        """A new view; it shares no object with this reader."""
        return view_of(find_media(self._root))

    def fingerprint(self) -> str:
        """SHA-256 over this track's label files and all media."""
        with Manifest(self._root) as manifest:
            return fingerprint(self._root, self._label_paths(self._labels()), sorted(self._media_folders()), manifest)

    def demo(self) -> bool:
        """Whether this is the made-up stand-in."""
        return (self._root / "demo.json").is_file()

    def _labels(self) -> Labels:
        labels = find_labels(self._root, self._task.name)
        if not labels.folders and labels.test_list is None:
            raise MissingData(
                f"{self._root} holds no labels of {self._task.title.lower()}: expected a folder like "
                f"'6th_ABAW_Annotations/{self._task.name.upper()}_..._Challenge' with 'Train_Set' and 'Validation_Set'"
            )
        return labels

    def _label_paths(self, labels: Labels) -> list[Path]:
        files = [path for folder in labels.folders.values() for path in _label_files(folder).values()]
        return files + ([labels.test_list] if labels.test_list else [])

    def _media_folders(self) -> set[str]:
        media = find_media(self._root)
        return {*image_folders(media.crops).values(), *map(str, media.raw), *map(str, media.sound)}

    def _survey(self) -> tuple[tuple[Video, ...], tuple[str, ...]]:
        labels = self._labels()
        with Manifest(self._root) as manifest:
            survey = Survey(find_media(self._root), manifest)
            self._collect(labels, survey)
            return survey.result()

    def _collect(self, labels: Labels, survey: Survey) -> None:
        for side, folder in labels.folders.items():
            for name, path in _label_files(folder).items():
                survey.add(name, cast(Side, side), count_rows(path))
        for name in listed_ids(labels.test_list):
            survey.add(name, "test", None)


class Survey:
    """Collects the videos of one reading, with what had to be assumed."""

    def __init__(self, media: MediaFolders, manifest: Manifest) -> None:
        self._images = image_folders(media.crops)
        self._raw = files_by_stem(media.raw, VIDEO_SUFFIXES)
        self._manifest = manifest
        self._videos: list[Video] = []
        self._no_rate: list[str] = []
        self._no_frames: list[str] = []

    @property
    def raw(self) -> dict[str, str]:
        """Raw videos by name."""
        return self._raw

    def add(self, name: str, side: Side, rows: int | None) -> None:
        """One track of `rows` frames; None: as many as its raw video, or else its images, tell."""
        group = recording(name)
        raw = self._raw.get(name) or self._raw.get(group)
        found = self._manifest.probe(raw) if raw else None
        folder = self._images.get(name)
        has_N = self._manifest.numbers(folder) if folder else np.zeros(0, bool)
        if rows is None:
            rows = max(found.frames if found else 0, has_N.size - 1)
        if rows <= 0:
            self._no_frames.append(f"{side}/{name}")
            return
        fps = found.fps if found and found.fps > 0 else USUAL_FPS
        if not (found and found.fps > 0):
            self._no_rate.append(f"{side}/{name}")
        face_F = np.zeros(rows, bool)
        known = has_N[1 : rows + 1]
        face_F[: known.size] = known
        self._videos.append(Video(name, group, side, rows, fps, face_F))

    def groups(self) -> set[str]:
        """Recordings taken so far."""
        return {video.group for video in self._videos}

    def take(self, videos: list[Video]) -> None:
        """Videos that another source describes whole."""
        self._videos += videos

    def result(self) -> tuple[tuple[Video, ...], tuple[str, ...]]:
        """Videos sorted by (side, id), and the notes."""
        notes: list[str] = []
        if self._no_rate:
            notes.append(f"no raw video, so {USUAL_FPS:g} frames per second assumed: {some(self._no_rate)}")
        if self._no_frames:
            notes.append(f"left out, as they have no frames: {some(self._no_frames)}")
        return tuple(sorted(self._videos, key=lambda video: (video.side, video.id))), tuple(notes)


def some(names: list[str]) -> str:
    """The first five of some names, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(sorted(names)[:5]) + more


def _label_files(folder: Path) -> dict[str, Path]:
    """Label files of one side by video id; hidden and other files are left out."""
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if e.name.endswith(".txt") and not e.name.startswith("."))
    return {name[:-4]: folder / name for name in names}


def listed_ids(path: Path | None) -> list[str]:
    """Ids of the test side, one a line; each once."""
    if path is None:
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    return sorted({line.removesuffix(".txt") for line in lines if line})
