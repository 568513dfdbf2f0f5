"""Aff-Wild2 as participants have it on disk, with the quirks of the real files:

6th_ABAW_Annotations/{VA_Estimation,EXPR_Recognition,AU_Detection}_Challenge/{Train,Validation}_Set/<track>.txt
names_of_videos_in_each_test_set/{VA,EXPR,AU}_test_set_release.txt
batch1/ batch2/ new_vids/                    raw .mp4 and .avi, and face_boxes.csv (ours; an optional extra)
cropped_aligned/cropped_aligned/<track>/%05d.jpg    and  cropped_aligned/cropped_aligned_new_50_vids/<track>/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abaw6.demo import acting, dynamics, film, prototypes, world
from abaw6.demo.dynamics import Array
from harness.types import Image

NAME = "aff-wild2"
ANNOTATIONS = "6th_ABAW_Annotations"
FOLDERS = {"VA": "VA_Estimation_Challenge", "EXPR": "EXPR_Recognition_Challenge", "AU": "AU_Detection_Challenge"}
SIDE_FOLDERS = {"train": "Train_Set", "valid": "Validation_Set"}
CROPS = ("cropped_aligned", "cropped_aligned_new_50_vids")
HEADERS = {"VA": "valence,arousal", "EXPR": ",".join(prototypes.EXPRESSIONS), "AU": ",".join(prototypes.AUS)}


def make_folders(root: Path) -> None:
    """Every folder that recordings write into, and stray files as other systems leave them."""
    for folder in FOLDERS.values():
        for side in SIDE_FOLDERS.values():
            (root / ANNOTATIONS / folder / side).mkdir(parents=True)
    for folder in (
        "batch1",
        "batch2",
        "new_vids",
        "names_of_videos_in_each_test_set",
        *(f"{CROPS[0]}/{c}" for c in CROPS),
    ):
        (root / folder).mkdir(parents=True)
    for stray in (f"{CROPS[0]}/{CROPS[0]}/.DS_Store", "batch1/.DS_Store", f"{ANNOTATIONS}/.DS_Store"):
        (root / stray).write_bytes(b"\0\0\0\1Bud1")
    (root / CROPS[0] / CROPS[1] / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")


def write_recording(root: Path, seed: int, recording: world.Recording) -> list[film.BoxRow]:
    """Raw video, crops and label files of one recording; the face boxes come back for their table."""
    scene = acting.script(seed, NAME, recording)
    if recording.side != "test":
        for place, act in enumerate(scene.acts):
            lines = label_lines(seed, recording, scene, place)
            for kind, rows in lines.items():
                for side in sides_of(recording, kind):
                    path = root / ANNOTATIONS / FOLDERS[kind] / SIDE_FOLDERS[side] / f"{act.track}.txt"
                    save_lines(path, [HEADERS[kind], *rows], crlf=recording.crlf)
    return shoot(root, seed, NAME, recording, scene, CROPS[0], CROPS[1] if recording.new_crops else CROPS[0])


def sides_of(recording: world.Recording, kind: str) -> tuple[str, ...]:
    """Where the label file lies: one recording has its EXPR file on both sides, as in the real data."""
    return ("train", "valid") if kind == "EXPR" and recording.both_sides else (recording.side,)


def shoot(
    root: Path, seed: int, dataset: str, recording: world.Recording, scene: acting.Script, *crops: str
) -> list[film.BoxRow]:
    """The raw video with sound, and the crops of every frame in which the face is found, numbered from 1.

    `crops` is the folder of the crops below `root`, part by part.
    """
    from abaw6.demo.scene import random_setting

    def rng(purpose: str) -> np.random.Generator:
        return world.stream(seed, dataset, recording.number, purpose)

    actors = _cast(rng, scene)
    folders = [root.joinpath(*crops, act.track) for act in scene.acts]
    for folder in folders:
        folder.mkdir()
    setting = random_setting(rng("scene"), recording.scene)
    rows: list[film.BoxRow] = []

    def frames() -> Iterator[Image]:
        for i, (frame, boxes) in enumerate(film.play(rng("camera"), setting, actors, scene.t_F)):
            for actor, folder, box in zip(actors, folders, boxes, strict=True):
                rows.append(film.BoxRow(recording.name, i + 1, box))
                if actor.seen_F[i]:
                    film.save_crop(frame, box, folder / f"{i + 1:05d}.jpg")
            yield frame

    path = root / recording.folder / f"{recording.name}{recording.suffix}"
    film.save_video(path, frames(), scene.t_F, recording.fps, acting.sound(seed, dataset, recording, scene))
    return rows


def _cast(rng: Callable[[str], np.random.Generator], scene: acting.Script) -> list[film.Actor]:
    """Who stands where: one person near the middle, or two side by side and further away."""
    from abaw6.demo.person import random_person

    alone = len(scene.acts) == 1
    actors = []
    for place, act in enumerate(scene.acts):
        draw = rng(f"place{place}")
        x = 0.5 if alone else (0.29, 0.71)[place]
        centre = (x + draw.uniform(-0.04, 0.04), 0.5 + draw.uniform(-0.04, 0.04))
        scale = draw.uniform(0.46, 0.62) * (1.0 if alone else 0.8)
        actors.append(film.Actor(random_person(rng(f"person{place}")), act.au_F12, act.seen_F, centre, scale))
    return actors


def label_lines(seed: int, recording: world.Recording, scene: acting.Script, place: int) -> dict[str, list[str]]:
    """The rows of the VA, EXPR and AU files of one person, without headers."""
    rng = world.stream(seed, NAME, recording.number, f"annotator{place}")
    act, t_F = scene.acts[place], scene.t_F
    lines = {
        "VA": _va_rows(rng, t_F, acting.felt(rng, t_F, act.au_F12, scene.mood)),
        "EXPR": _expr_rows(rng, t_F, act.segments),
        "AU": _au_rows(rng, acting.active(rng, t_F, act.au_F12), recording.partly_invalid),
    }
    return {kind: fit_rows(rows, recording.extra_rows) for kind, rows in lines.items()}


def fit_rows(lines: list[str], extra: int) -> list[str]:
    """The label rows with `extra` more (the last one repeated) or fewer, as label files and decoders disagree."""
    return lines[:extra] if extra < 0 else lines + lines[-1:] * extra


def save_lines(path: Path, lines: list[str], *, crlf: bool) -> None:
    end = "\r\n" if crlf else "\n"
    path.write_bytes((end.join(lines) + end).encode())


def _va_rows(rng: np.random.Generator, t_F: Array, value_F2: Array) -> list[str]:
    valid_F = dynamics.absences(rng, len(t_F), 0.01)
    return [f"{v:.3f},{a:.3f}" if ok else "-5,-5" for ok, (v, a) in zip(valid_F, value_F2, strict=True)]


def _expr_rows(rng: np.random.Generator, t_F: Array, segments: tuple[dynamics.Segment, ...]) -> list[str]:
    names = dynamics.expression_labels(t_F, segments, rng.uniform(0.0, 0.12), rest="Neutral")
    valid_F = dynamics.absences(rng, len(t_F), 0.02)
    return [str(prototypes.EXPRESSIONS.index(str(n))) if ok else "-1" for ok, n in zip(valid_F, names, strict=True)]


def _au_rows(rng: np.random.Generator, label_F12: NDArray[np.int64], partly_invalid: bool) -> list[str]:
    label_F12[~dynamics.absences(rng, len(label_F12), 0.01)] = -1
    if partly_invalid:
        for unit in rng.permutation(12)[:2]:
            start = int(rng.integers(len(label_F12)))
            label_F12[start : start + int(rng.integers(4, 20)), unit] = -1
    return [",".join(map(str, row)) for row in label_F12]


def finish(root: Path, plan: tuple[world.Recording, ...], rows: list[film.BoxRow]) -> None:
    """Tables over all recordings: face boxes per raw folder, test ids per task."""
    save_box_tables(root, plan, rows)
    tests = [track for recording in plan if recording.side == "test" for track in recording.tracks]
    for kind in FOLDERS:
        save_lines(root / "names_of_videos_in_each_test_set" / f"{kind}_test_set_release.txt", tests, crlf=False)


def save_box_tables(root: Path, plan: tuple[world.Recording, ...], rows: list[film.BoxRow]) -> None:
    folder_of = {recording.name: recording.folder for recording in plan}
    for folder in sorted(set(folder_of.values())):
        film.save_boxes(root / folder / "face_boxes.csv", [row for row in rows if folder_of[row.video] == folder])
