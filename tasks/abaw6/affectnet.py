"""AffectNet's manually annotated training images for EXPR, in either layout people have:

(a) `training.csv` (`subDirectory_filePath,face_x,face_y,face_width,face_height,...,expression,valence,arousal`) with
    the images below `Manually_Annotated_Images` or the like; the file lists may be in a folder of their own,
(b) `train_set/images/<id>.jpg` with `train_set/annotations/<id>_exp.npy`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from abaw6.layout import matches, subfolders
from abaw6.stills import Still, Stills
from harness.errors import MissingData, UserError
from harness.types import Box

# the first seven by the names that the tasks use; 8 and more are none of these
CLASSES = ("Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
EXPECTED = "a class from 0 to 10"


class AffectNet(Stills):
    """The training images at or below `root`; validation images are never taken."""

    def stills(self) -> dict[str, Still]:
        table = self._table()
        return self._of_table(table) if table else self._of_arrays(self._arrays())

    def sources(self) -> tuple[list[Path], list[str]]:
        table = self._table()
        if table:
            return [table], sorted({os.path.dirname(one.path) for one in self._known.values()})
        folder = self._arrays()
        return [], [str(folder / "annotations"), str(folder / "images")]

    def _table(self) -> Path | None:
        return next(_below(self._root, lambda folder: folder / "training.csv", Path.is_file), None)

    def _arrays(self) -> Path:
        found = next(_below(self._root, lambda folder: folder / "train_set" / "annotations", Path.is_dir), None)
        if found is None and (self._root / "annotations").is_dir() and matches("train(ing)?set", self._root.name):
            found = self._root / "annotations"
        if found is None:
            raise MissingData(
                f"{self._root} holds no AffectNet: expected 'training.csv' with its images, or "
                "'train_set/images' and 'train_set/annotations', at or below it"
            )
        return found.parent

    def _of_table(self, table: Path) -> dict[str, Still]:
        found: dict[str, Still] = {}
        homes: list[Path] = []
        with table.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            needed = ("subDirectory_filePath", "expression")
            if missing := [name for name in needed if name not in (reader.fieldnames or ())]:
                raise UserError(f"{table}, line 1: expected the columns {', '.join(needed)}; {missing[0]} is not there")
            for row in reader:
                name, label = (
                    row["subDirectory_filePath"],
                    _label(row["expression"], f"{table}, line {reader.line_num}"),
                )
                if label not in self._task.labels or ".." in name.split("/"):
                    continue
                homes = homes or _homes(self._root, table.parent, name)
                path = next((str(home / name) for home in homes if (home / name).is_file()), None)
                if path is not None:
                    found[name] = Still(path, label, _box(row))
        return found

    def _of_arrays(self, folder: Path) -> dict[str, Still]:
        from harness.progress import shown

        with os.scandir(folder / "annotations") as entries:
            names = sorted(e.name.removesuffix("_exp.npy") for e in entries if e.name.endswith("_exp.npy"))

        def label(name: str) -> str:
            path = folder / "annotations" / f"{name}_exp.npy"
            return _label(str(np.load(path, allow_pickle=False)), str(path))

        with ThreadPoolExecutor(8) as pool:
            labels = list(shown(pool.map(label, names), "read AffectNet's annotations", total=len(names)))
        with os.scandir(folder / "images") as entries:
            files = {os.path.splitext(e.name)[0]: e.path for e in entries}
        return {n: Still(files[n], one) for n, one in zip(names, labels, strict=True) if n in files and one}


def _label(text: str, where: str) -> str:
    """The class by name, "" for one that is none of `CLASSES`."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 10:
        raise UserError(f"{where}: expected {EXPECTED}, got {text!r}")
    return CLASSES[value] if value < len(CLASSES) else ""


def _box(row: dict[str, str]) -> Box | None:
    """The face box of a line, None where the list has none."""
    try:
        x, y, width, height = (float(row[f"face_{name}"]) for name in ("x", "y", "width", "height"))
    except (KeyError, ValueError):
        return None
    return Box(x, y, x + width, y + height) if width > 0 and height > 0 else None


def _homes(root: Path, beside: Path, name: str) -> list[Path]:
    """Folders that paths of the list are relative to: where the first image is, and image folders beside the list."""
    places = [beside, root, *_below(root, lambda folder: folder, Path.is_dir)]
    first = [place for place in places if (place / name).is_file()]
    named = [place for place in places if matches(r"manuallyannotated\w*", place.name)]
    return list(dict.fromkeys([*first, *named]))


def _below(root: Path, make: Callable[[Path], Path], there: Callable[[Path], bool], depth: int = 2) -> Iterator[Path]:
    """What `make` gives in `root` and in folders down to `depth` levels, where it is there; not among images."""
    if there(make(root)):
        yield make(root)
    if depth:
        for folder in subfolders(root):
            if not folder.name.isdigit():
                yield from _below(folder, make, there, depth - 1)
