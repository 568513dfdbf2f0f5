"""RAF-DB as training images: its basic part for EXPR, its compound part for CE, classes matched by name.

`EmoLabel/list_patition_label.txt` holds lines like `train_00001.jpg 5`; the images lie in
`Image/aligned/train_00001_aligned.jpg` (or `Image/original/train_00001.jpg`). Only the `train_` part is taken.
"""

from __future__ import annotations

from pathlib import Path

from abaw6 import rafdb_compound
from abaw6.rafdb_compound import Compound
from abaw6.stills import Still, Stills
from harness.errors import MissingData

BASIC = ("Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral")  # numbered from 1


class RafDb(Stills):
    """The basic part at or below `root`."""

    classes = BASIC
    part = "basic"

    def copy(self) -> Compound | None:
        """Where label file and images are."""
        return rafdb_compound.find_basic(self._root)

    def sources(self) -> tuple[list[Path], list[str]]:
        found = self._found()
        return [found.labels], [str(folder) for folder in found.images]

    def stills(self) -> dict[str, Still]:
        found = self._found()
        files = rafdb_compound.paths(found)
        named = rafdb_compound.rows(found.labels, self.classes)
        wanted = [(rafdb_compound.PREFIX + name, value) for _, name, value in named if name.startswith("train_")]
        return {key: Still(files[key], self.classes[value - 1]) for key, value in wanted if key in files}

    def _found(self) -> Compound:
        found = self.copy()
        if found is None:
            raise MissingData(
                f"{self._root} holds no {self.part} part of RAF-DB: expected '{self.part}/EmoLabel/"
                f"list_patition_label.txt' and '{self.part}/Image/aligned' at or below it"
            )
        return found


class RafDbCompound(RafDb):
    """The compound part at or below `root`."""

    classes = rafdb_compound.CLASSES
    part = "compound"

    def copy(self) -> Compound | None:
        return rafdb_compound.find(self._root)
