"""The compound part of RAF-DB as training images of the CE track: single frames, classes mapped by name.

`compound/EmoLabel/list_patition_label.txt` holds lines like `train_0001.jpg 8`; the images lie in
`compound/Image/aligned/train_0001_aligned.jpg` (or `Image/original/train_0001.jpg`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from abaw6.layout import plain, subfolders
from harness.errors import UserError
from harness.types import Floats, Side, Video

CLASSES = (
    "Happily Surprised",
    "Happily Disgusted",
    "Sadly Fearful",
    "Sadly Angry",
    "Sadly Surprised",
    "Sadly Disgusted",
    "Fearfully Angry",
    "Fearfully Surprised",
    "Angrily Surprised",
    "Angrily Disgusted",
    "Disgustedly Surprised",
)  # numbered from 1 in the label file
PREFIX = "rafdb_"


@dataclass(frozen=True)
class Compound:
    """The label file and the image folders of one copy of RAF-DB compound."""

    labels: Path
    images: tuple[Path, ...]


def find(root: Path) -> Compound | None:
    """The compound part at `root`, or up to three levels below it; None where there is none."""
    for folder in _walk(root, 3):
        labels = folder / "EmoLabel" / "list_patition_label.txt"
        if labels.is_file() and ("compound" in plain(folder.name) or _has_compound(labels)):
            inner = [folder / "Image" / name for name in ("aligned", "original")]
            return Compound(labels, tuple(path for path in inner if path.is_dir()))
    return None


def find_basic(root: Path) -> Compound | None:
    """The basic part at `root`, or up to three levels below it: a label file without compound classes."""
    for folder in _walk(root, 3):
        labels = folder / "EmoLabel" / "list_patition_label.txt"
        if labels.is_file() and "compound" not in plain(folder.name) and not _has_compound(labels):
            inner = [folder / "Image" / name for name in ("aligned", "original")]
            return Compound(labels, tuple(path for path in inner if path.is_dir()))
    return None


def videos(compound: Compound, labels: Sequence[str], *, all_train: bool) -> list[Video]:
    """One video of one frame per image of a class among `labels`; the file's own sides, or everything for training."""
    stills = paths(compound)
    found = []
    for number, name, value in rows(compound.labels, CLASSES):
        if CLASSES[value - 1] not in labels:
            continue
        part = name.partition("_")[0]
        if part not in ("train", "test"):
            raise UserError(f"{compound.labels}, line {number}: expected train_... or test_..., got {name!r}")
        side: Side = "train" if part == "train" or all_train else "valid"
        face_F = np.array([PREFIX + name in stills])
        found.append(Video(PREFIX + name, PREFIX + name, side, 1, 30.0, face_F))
    return found


def paths(compound: Compound) -> dict[str, str]:
    """Image files by video id; aligned ones before original ones."""
    found: dict[str, str] = {}
    for folder in compound.images:
        with os.scandir(folder) as scan:
            for entry in scan:
                stem, suffix = os.path.splitext(entry.name)
                if suffix.lower() in (".jpg", ".jpeg", ".png"):
                    found.setdefault(PREFIX + stem.removesuffix("_aligned"), entry.path)
    return found


def target(compound: Compound, video: Video, labels: Sequence[str]) -> Floats:
    """target_RL of one image, read from the label file now."""
    name = video.id.removeprefix(PREFIX)
    line = re.search(rf"^{re.escape(name)}\.\w+ +(\d+)\s*$", compound.labels.read_text("utf-8-sig"), re.MULTILINE)
    if line is None or not 1 <= int(line[1]) <= len(CLASSES):
        raise UserError(f"{compound.labels}: expected a line '{name}.jpg CLASS', found none")
    return np.array([[label == CLASSES[int(line[1]) - 1] for label in labels]], np.float32)


def rows(path: Path, classes: Sequence[str]) -> list[tuple[int, str, int]]:
    """(line, image's name without its suffix, class from 1) of each line of a label file."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        name, _, value = line.strip().partition(" ")
        if not line.strip():
            continue
        if not value.strip().isdigit() or not 1 <= int(value) <= len(classes):
            expected = f"an image's name and a class from 1 to {len(classes)}"
            raise UserError(f"{path}, line {number}: expected {expected}, got {line.strip()!r}")
        found.append((number, os.path.splitext(name)[0], int(value)))
    return found


def _has_compound(path: Path) -> bool:
    """Whether classes beyond the seven basic ones occur: the basic part has a file of the same name."""
    return any(line.split()[-1] in ("8", "9", "10", "11") for line in path.read_text().splitlines() if line.split())


def _walk(root: Path, depth: int) -> list[Path]:
    if depth == 0 or plain(root.name) in ("image", "emolabel"):
        return [root]
    return [root, *(path for sub in subfolders(root) if _may_hold(sub) for path in _walk(sub, depth - 1))]


def _may_hold(folder: Path) -> bool:
    return any(word in plain(folder.name) for word in ("rafdb", "compound", "basic"))
