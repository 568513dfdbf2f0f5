"""What plugins see of a data set: media by video id. Built from media folders alone, it knows of no label."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from abaw6.layout import AUDIO_SUFFIXES, VIDEO_SUFFIXES, MediaFolders, files_by_stem, image_folders
from abaw6.manifest import IMAGE
from abaw6.rawvideo import frames_at, sound
from harness.types import Audio, Box, Image, SceneFrame, Video

BOXES = "face_boxes.csv"


def recording(video_id: str) -> str:
    """The raw recording a track was cut from.

    >>> recording("video49_left")
    'video49'
    """
    return re.sub(r"_(?:left|right)$", "", video_id, flags=re.IGNORECASE)


class FolderView:
    """Media of one data set; paths by video id or by recording. `first` is the number of the first frame's image."""

    def __init__(
        self,
        images: Mapping[str, str],
        raw: Mapping[str, str],
        audio: Mapping[str, str],
        *,
        texts: Mapping[str, str] | None = None,
        stills: Mapping[str, str] | None = None,
        first: int = 1,
        audio_first: bool = False,
    ) -> None:
        self._images = dict(images)
        self._raw = dict(raw)
        self._audio = dict(audio)
        self._texts = dict(texts or {})
        self._stills = dict(stills or {})
        self._first = first
        self._audio_first = audio_first
        self._names: dict[str, dict[int, str]] = {}
        self._boxes: dict[str, dict[str, dict[int, tuple[Box, ...]]]] = {}

    def images(self, video: Video, indices: Sequence[int]) -> list[Image]:
        """Face images of these frames, RGB, as large as the files are."""
        return [decoded(self.image_path(video, index)) for index in indices]

    def image_path(self, video: Video, index: int) -> str:
        """The file of a frame's face image."""
        if video.id in self._stills:
            return self._stills[video.id]
        return self._numbered(self._images[video.id], int(index) + self._first)

    def audio(self, video: Video) -> Audio | None:
        """The recording's own sound, else a separate file; mono, 16 kHz, at most ten minutes."""
        sources = [self._of(self._raw, video), self._of(self._audio, video)]
        for path in reversed(sources) if self._audio_first else sources:
            heard = sound(path) if path is not None else None
            if heard is not None:
                return heard
        return None

    def text(self, video: Video) -> str | None:
        """The transcript, None where there is none."""
        return self._texts.get(video.id)

    def scene(self, video: Video, n: int) -> list[SceneFrame]:
        """At most n whole frames of the raw video; boxes where a `face_boxes.csv` lies beside it."""
        path = self._of(self._raw, video)
        if path is None:
            return []
        boxes = self._boxes_beside(path)
        if boxes is None:
            return [SceneFrame(image, None) for _, image in frames_at(path, n)]
        mine = boxes.get(video.group, {})
        return [SceneFrame(image, mine.get(index, ())) for index, image in frames_at(path, n)]

    def _of(self, paths: Mapping[str, str], video: Video) -> str | None:
        return paths.get(video.id) or paths.get(video.group)

    def _numbered(self, folder: str, number: int) -> str:
        usual = os.path.join(folder, f"{number:05d}.jpg")
        if folder not in self._names:
            if os.path.exists(usual):
                return usual
            with os.scandir(folder) as scan:
                found = {int(m[1]): e.name for e in scan if (m := IMAGE.fullmatch(e.name))}
            self._names[folder] = found
        return os.path.join(folder, self._names[folder][number])

    def _boxes_beside(self, path: str) -> dict[str, dict[int, tuple[Box, ...]]] | None:
        """Boxes by recording and frame index from 0 of the table in the same folder; None where there is no table."""
        table = Path(path).parent / BOXES
        if str(table) not in self._boxes:
            if not table.is_file():
                return None
            self._boxes[str(table)] = _read_boxes(table, self._first)
        return self._boxes[str(table)]


class FacesAlone:
    """What views of data sets without sound, words and whole frames share; each has `images` of its own."""

    def audio(self, video: Video) -> Audio | None:
        return None

    def text(self, video: Video) -> str | None:
        return None

    def scene(self, video: Video, n: int) -> list[SceneFrame]:
        return []


def decoded(path: str) -> Image:
    """The image in a file, RGB, as large as it is."""
    from PIL import Image as Pillow

    with Pillow.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _read_boxes(table: Path, first: int) -> dict[str, dict[int, tuple[Box, ...]]]:
    """Columns video,frame,x0,y0,x1,y1: one face per line, frames numbered as the images are."""
    found: dict[str, dict[int, tuple[Box, ...]]] = {}
    with table.open(newline="", encoding="utf-8-sig") as lines:
        for row in csv.DictReader(lines):
            frames = found.setdefault(recording(row["video"]), {})
            index = int(row["frame"]) - first
            box = Box(float(row["x0"]), float(row["y0"]), float(row["x1"]), float(row["y1"]))
            frames[index] = (*frames.get(index, ()), box)
    return found


def view_of(folders: MediaFolders, stills: Mapping[str, str] | None = None) -> FolderView:
    """The view of the Aff-Wild2 layout: images numbered from 1, sound in the raw videos or in files beside them."""
    raw = files_by_stem(folders.raw, VIDEO_SUFFIXES)
    audio = files_by_stem(folders.sound, AUDIO_SUFFIXES)
    return FolderView(image_folders(folders.crops), raw, audio, stills=stills)
