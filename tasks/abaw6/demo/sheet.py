"""A contact sheet of a demo world that was written: face crops by scene and label, to look at with one's own eyes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from abaw6.demo import affwild2_files, cexpr_files, mimicry, prototypes, world
from abaw6.demo.scene import SCENES
from abaw6.demo.world import Sizes
from harness.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

_TILE, _MARGIN, _HEAD = 84, 110, 20


def sheet(root: Path, png: Path, each: int = 2) -> Path:
    """Writes `png`: a row per label, and per scene `each` crops of different recordings where there are any.

    The pictures and labels come from the files below `root`, the scenes from the plan of the seed in `demo.json`.
    Raises UserError where `root` is no demo world.
    """
    try:
        mark = json.loads((root / "demo.json").read_text())
    except FileNotFoundError as error:
        raise UserError(f"Expected a demo world with a demo.json at {root}; there is none.") from error
    found: dict[tuple[str, str], dict[str, Path]] = {}
    for label, scene, recording, path in _crops(root, mark):
        found.setdefault((label, scene), {}).setdefault(recording, path)
    labels = list(dict.fromkeys(label for label, _ in found))
    scenes = [scene for scene in SCENES if any(s == scene for _, s in found)] or [""]
    picture = _paste(labels, scenes, each, {key: list(paths.values())[:each] for key, paths in found.items()})
    png.parent.mkdir(parents=True, exist_ok=True)
    picture.save(png)
    return png


def _paste(labels: list[str], scenes: list[str], each: int, crops: dict[tuple[str, str], list[Path]]) -> Image:
    from PIL import Image, ImageDraw

    size = (_MARGIN + len(scenes) * (each * _TILE + 6), _HEAD + len(labels) * (_TILE + 2))
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for column, scene in enumerate(scenes):
        left = _MARGIN + column * (each * _TILE + 6)
        draw.text((left, 4), f"{scene} (demo)", fill="black")
        for row, label in enumerate(labels):
            top = _HEAD + row * (_TILE + 2)
            draw.text((4, top + _TILE // 2), label.replace(" ", "\n", 1), fill="black")
            for k, path in enumerate(crops.get((label, scene), [])):
                with Image.open(path) as crop:
                    picture.paste(crop.resize((_TILE, _TILE)), (left + k * _TILE, top))
    return picture


def _crops(root: Path, mark: dict[str, object]) -> Iterator[tuple[str, str, str, Path]]:
    """(label, scene, recording, crop) in the order of the labels; each label from the middle of its longest run."""
    seed, sizes = int(str(mark["seed"])), Sizes(**mark["sizes"])  # type: ignore[arg-type]
    name = mark["dataset"]
    if name == "aff-wild2":
        labels = root / affwild2_files.ANNOTATIONS / affwild2_files.FOLDERS["EXPR"]
        yield from _by_class(root, labels, prototypes.EXPRESSIONS, world.affwild2(seed, sizes, SCENES))
    elif name == "c-expr":
        labels = root / cexpr_files.LABELS
        yield from _by_class(root, labels, prototypes.COMPOUNDS, world.cexpr(seed, sizes, SCENES))
    elif name == "hume-vidmimic2":
        yield from _by_emotion(root, seed, mimicry.plan(seed, sizes, SCENES))
    else:
        for folder in sorted(path for path in root.iterdir() if path.is_dir())[:12]:
            for path in sorted(folder.glob("*.jpg"))[::5]:
                yield folder.name, SCENES[0], path.name, path


def _by_class(
    root: Path, labels: Path, names: tuple[str, ...], plan: tuple[world.Recording, ...]
) -> Iterator[tuple[str, str, str, Path]]:
    scene_of = {track: recording.scene for recording in plan for track in recording.tracks}
    folders = {path.name: path for path in sorted((root / "cropped_aligned").rglob("*")) if path.is_dir()}
    for number, name in enumerate(names):
        for file in sorted(labels.glob("*/*.txt")):
            classes_R = np.array([int(line) for line in file.read_text().splitlines()[1:]])
            middle = _middle(classes_R == number)
            path = folders[file.stem] / f"{middle + 1:05d}.jpg"
            if middle >= 0 and path.is_file():
                yield name, scene_of[file.stem], world.group_of(file.stem), path


def _middle(true_R: np.ndarray) -> int:
    """The middle of the longest run of True, -1 where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], true_R.astype(int), [0]])))
    if not len(edges):
        return -1
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int((starts[longest] + ends[longest] - 1) // 2)


def _by_emotion(root: Path, seed: int, clips: tuple[mimicry.Clip, ...]) -> Iterator[tuple[str, str, str, Path]]:
    """The strongest clips of each emotion."""
    value_V6 = np.array([mimicry.labels(seed, clip) for clip in clips])
    for k, name in enumerate(prototypes.EMOTIONS):
        for v in np.argsort(-value_V6[:, k], kind="stable")[:60]:
            found = sorted((root / "face_images" / clips[v].name).glob("*.jpg"), key=lambda path: int(path.stem))
            if found and value_V6[v, k] > 0:
                yield name, clips[v].scene, clips[v].name, found[len(found) // 2]
