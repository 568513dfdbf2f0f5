from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.audit.duplicates import SAME, duplicates, likeness, places_of
from harness.audit.inventory import Source
from harness.datasets import Root
from harness.kinds import ONE_OF
from harness.progress import silent
from harness.store import Store
from harness.types import Image, TaskSpec, Video


def blots(seed: int) -> Image:
    from PIL import Image as Pillow

    small = np.random.default_rng(seed).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    return np.asarray(Pillow.fromarray(small).resize((64, 64), Pillow.Resampling.BICUBIC))


class Made:
    """Videos by key with the seeds of their pictures; a seed over 1000 is the picture of its rest, but lighter."""

    def __init__(self, **pictures: list[int]) -> None:
        self.pictures = {key.replace("__", "/"): seeds for key, seeds in pictures.items()}

    def videos(self) -> tuple[Video, ...]:
        found = []
        for key, seeds in sorted(self.pictures.items()):
            side, name = key.split("/")
            faces_F = np.ones(len(seeds), bool)
            found.append(Video(name, name.partition("_")[0], side, len(seeds), 30.0, faces_F))  # type: ignore[arg-type]
        return tuple(found)

    def view(self) -> Made:
        return self

    def fingerprint(self) -> str:
        return str(self.pictures)

    def images(self, video: Video, indices: list[int]) -> list[Image]:
        seeds = [self.pictures[video.key][i] for i in indices]
        return [np.clip(blots(s % 1000).astype(int) + 8 * (s >= 1000), 0, 255).astype(np.uint8) for s in seeds]


def found(tmp_path: Path, reader: Any, fold_of: dict[str, int] | None = None, **words: Any) -> dict[str, Any]:
    task = TaskSpec("t", "T", "r", ("A",), ONE_OF, "frame", ("image",), 1, "none")
    source = Source(task, Root(Path("/data"), "r", False), reader, reader)
    return duplicates(source, fold_of or {}, Store(tmp_path), silent, **words)


def test_shared_pictures_are_told_by_pairs_of_videos(tmp_path: Path) -> None:
    reader = Made(train__a=[1, 2, 3, 4], train__b=[5, 6], valid__c=[1003, 1004, 7], test__d=[6])
    answer = found(tmp_path, reader)
    once, never = {"pairs": 1, "one_picture": 1}, {"pairs": 0, "one_picture": 0}
    assert answer["across"] == {"train/valid": once, "train/test": once, "valid/test": never, "folds": never}
    assert (answer["frames"], answer["video_pairs"]) == (10, 2)
    first, second = answer["pairs"]
    assert (first["videos"], first["frames"], first["of"]) == (["train/a", "valid/c"], [2, 2], [4, 3])
    assert (second["videos"], second["frames"], second["bits"]) == (["test/d", "train/b"], [1, 1], 0)
    assert first["across"] == ["train/valid"]
    assert first["samples"][0] in (["a, frame 2", "c, frame 0"], ["a, frame 3", "c, frame 1"])
    assert min(one["likeness"] for one in answer["pairs"]) > SAME


def test_folds_part_recordings_and_a_recording_on_two_sides_is_said_to_be_one(tmp_path: Path) -> None:
    reader = Made(train__a_left=[1], train__a_right=[1], train__b=[1], valid__a=[1])
    folds = {"train/a_left": 0, "train/a_right": 0, "train/b": 1, "valid/a": 0}
    answer = found(tmp_path, reader, folds)
    assert answer["across"]["train/valid"] == {"pairs": 3, "one_picture": 1}
    assert [one["same_recording"] for one in answer["pairs"]] == [False, False, False, True, True]
    pairs = {tuple(one["videos"]): one for one in answer["pairs"]}
    assert {names: (one["across"], one["same_recording"]) for names, one in pairs.items()} == {
        ("train/a_left", "train/b"): (["folds"], False),
        ("train/a_right", "train/b"): (["folds"], False),
        ("train/a_left", "valid/a"): (["train/valid"], True),
        ("train/a_right", "valid/a"): (["train/valid"], True),
        ("train/b", "valid/a"): (["train/valid", "folds"], False),
    }


def test_the_same_picture_comes_before_strangers_whose_hashes_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = iter([np.array([1, 1, 2], np.uint64), np.array([1, 1], np.uint64), np.array([2], np.uint64)])
    monkeypatch.setattr("harness.audit.framehash.perceptual_hash", lambda images: next(hashes))
    answer = found(tmp_path, Made(train__a=[1, 2, 3], valid__b=[4, 5], valid__c=[3]))
    assert [one["videos"][1] for one in answer["pairs"]] == ["valid/c", "valid/b"]
    assert [one["likeness"] > SAME for one in answer["pairs"]] == [True, False]
    assert answer["across"]["train/valid"] == {"pairs": 2, "one_picture": 1}


def test_files_are_named_where_the_view_tells_them(tmp_path: Path) -> None:
    reader = Made(train__a=[1], valid__b=[1])
    reader.image_path = lambda video, frame: f"/data/crops/{video.id}/{frame + 1:05d}.jpg"  # type: ignore[attr-defined]
    (pair,) = found(tmp_path, reader)["pairs"]
    assert pair["samples"][0] == ["crops/a/00001.jpg", "crops/b/00001.jpg"]


def test_likeness_is_a_correlation_of_pixels() -> None:
    reader: Any = Made(train__a=[1, 1001, 2])
    (video,) = reader.videos()
    assert likeness(reader, (video, 0), (video, 0)) == 1.0
    assert likeness(reader, (video, 0), (video, 1)) > 0.99
    assert abs(likeness(reader, (video, 0), (video, 2))) < 0.6


def test_places_number_sides_recordings_and_folds() -> None:
    videos = Made(train__a_left=[1], train__b=[1], valid__a_right=[1], test__c=[]).videos()
    places = places_of(videos, {"train/a_left": 2, "train/b": 0})
    assert [video.key for video in videos] == ["test/c", "train/a_left", "train/b", "valid/a_right"]
    assert places.side_V.tolist() == [2, 0, 0, 1]
    assert places.group_V.tolist() == [2, 0, 1, 0]
    assert places.fold_V.tolist() == [-1, 2, 0, -1]
