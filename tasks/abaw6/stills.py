"""Data sets of single labelled images, for training alone: each image is a video of one frame on the train side.

Their labels are of training data only, so a reader keeps them in memory once read. Shapes: L labels of the task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from abaw6.manifest import Manifest, fingerprint
from abaw6.view import FacesAlone, decoded
from harness.errors import UserError
from harness.media import crop_square
from harness.types import Box, Floats, Image, TaskSpec, Video

FACE_F = np.ones(1, bool)


@dataclass(frozen=True)
class Still:
    """One image file, its class by name, and where the face is in it (None: the image is the face)."""

    path: str
    label: str
    box: Box | None = None


class StillsView(FacesAlone):
    """Images of stills by video id."""

    def __init__(self, files: Mapping[str, tuple[str, Box | None]]) -> None:
        self._files = dict(files)

    def images(self, video: Video, indices: Sequence[int]) -> list[Image]:
        """The face, RGB, once for each index."""
        path, box = self._files[video.id]
        image = decoded(path)
        return [image if box is None else crop_square(image, box)] * len(indices)


class Stills:
    """What readers of stills share. Classes match the task's labels by name; images of other classes are left out."""

    def __init__(self, root: Path, task: TaskSpec, partial_rows: str = "mask") -> None:
        if task.kind.name != "one_of":
            kind = task.kind.name
            raise UserError(f"{type(self).__name__} holds classes; task {task.name!r} has labels that are {kind}")
        self._root, self._task = root, task

    def stills(self) -> dict[str, Still]:
        """Every training image by id. Raises MissingData where the layout is not found, UserError for a bad line."""
        raise NotImplementedError

    def sources(self) -> tuple[list[Path], list[str]]:
        """The label files and the image folders."""
        raise NotImplementedError

    @cached_property
    def _known(self) -> dict[str, Still]:
        return {name: one for name, one in self.stills().items() if one.label in self._task.labels}

    def videos(self) -> tuple[Video, ...]:
        """One video of one frame per image of a class among the task's labels, sorted by id."""
        return tuple(Video(name, name, "train", 1, 30.0, FACE_F) for name in sorted(self._known))

    def targets(self, video: Video) -> Floats:
        """target_RL of one image (R = 1)."""
        label = self._known[video.id].label
        return np.array([[name == label for name in self._task.labels]], np.float32)

    def view(self) -> StillsView:
        """A new view of the files alone."""
        return StillsView({name: (one.path, one.box) for name, one in self._known.items()})

    def fingerprint(self) -> str:
        """SHA-256 over label files and media."""
        labels, folders = self.sources()
        with Manifest(self._root) as manifest:
            return fingerprint(self._root, labels, folders, manifest)

    def demo(self) -> bool:
        """There is no made-up stand-in for any of them."""
        return False
