from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from harness.audit.findings import audit, findings
from harness.audit.inventory import Source
from harness.datasets import Root
from harness.kinds import ONE_OF
from harness.progress import silent
from harness.store import Store
from harness.types import Floats, Image, TaskSpec, Video


def part(**counts: Any) -> dict[str, Any]:
    return {"partly_invalid_rows": None, "valid_rows_without_face": 0, "faceless_videos": 0, "labels": {}, **counts}


def told(alike: dict[str, Any] | None = None, **found: Any) -> list[str]:
    nothing: dict[str, Any] = {"overlap": [], "sides": {}, "images_against_rows": []}
    return findings({**nothing, **found}, alike or {"across": {}, "pairs": [], "flat_frames": 0})


def test_nothing_wrong_says_nothing() -> None:
    assert told(sides={"train": part(labels={"A": {"rows": 9, "videos": 30}})}) == []


def test_recordings_on_two_sides_are_named() -> None:
    overlap = [
        {"sides": ["train", "valid"], "recordings": [f"v{i}" for i in range(7)], "videos": ["v0"]},
        {"sides": ["valid", "test"], "recordings": ["w"], "videos": []},
        {"sides": ["train", "test"], "recordings": [], "videos": []},
    ]
    assert told(overlap=overlap) == [
        "7 recordings on the train side and on the valid side: v0, v1, v2, v3, v4 and 2 more (--dedupe trains without)",
        "1 recording on the valid side and on the test side: w",
    ]


def test_pictures_shared_by_different_recordings_are_told_mere_likeness_is_not() -> None:
    pairs = [
        {"videos": ["train/b", "train/c"], "across": ["folds"], "frames": [3, 1200]},
        {"videos": ["train/d", "valid/e"], "across": ["train/valid", "folds"], "frames": [30, 20]},
    ]
    across = {
        "train/valid": {"pairs": 9, "one_picture": 1},
        "valid/test": {"pairs": 7, "one_picture": 0},
        "folds": {"pairs": 4, "one_picture": 2},
    }
    alike = {"across": across, "pairs": pairs, "flat_frames": 1234}
    assert told(alike) == [
        "1 pair of videos of different recordings share pictures across train/valid; "
        "most: train/d and valid/e, 30 frames",
        "2 pairs of videos of different recordings share pictures across folds; "
        "most: train/b and train/c, 1,200 frames",
        "1,234 face images show one tone and nothing else",
    ]


def test_labels_that_few_videos_hold() -> None:
    labels = {"A": {"rows": 9, "videos": 30}, "B": {"rows": 9, "videos": 12}, "C": {"rows": 0, "videos": 0}}
    assert told(sides={"train": part(labels=labels), "valid": part(labels=labels)}) == [
        "no row of C on the train side",
        "no row of C on the valid side",
        "labels in fewer than 20 videos of the valid side, each of which weighs much: B (12)",
    ]
    assert told(sides={"valid": part(labels={"valence": {"rows": 9, "mean": 0.0, "sd": 1.0}})}) == []


def test_rows_and_images() -> None:
    sides = {
        "train": part(partly_invalid_rows=1500, valid_rows_without_face=7, faceless_videos=1),
        "valid": part(partly_invalid_rows=0),
    }
    images = [{"video": "train/b", "beyond_the_last_row": 4}, {"video": "train/a", "beyond_the_last_row": 0}]
    assert told(sides=sides, images_against_rows=images) == [
        "rows with some labels invalid: 1,500 train (--partial-rows rules what becomes of them)",
        "labelled rows without a face image: 7 train",
        "videos without any face image: 1 train",
        "4 images beyond the last label row, in train/b",
    ]


class Made:
    """One recording on both sides, one picture."""

    def videos(self) -> tuple[Video, ...]:
        return tuple(Video("a", "a", side, 2, 30.0, np.ones(2, bool)) for side in ("train", "valid"))  # type: ignore[arg-type]

    def targets(self, video: Video) -> Floats:
        return np.array([[1, 0], [0, 1]], np.float32)

    def view(self) -> Made:
        return self

    def fingerprint(self) -> str:
        return ""

    def images(self, video: Video, indices: list[int]) -> list[Image]:
        return [np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)] * len(indices)


def test_it_is_the_inventory_with_duplicates_and_findings_and_no_label_of_a_frame(tmp_path: Path) -> None:
    made: Any = Made()
    spec = TaskSpec("t", "T", "r", ("A", "B"), ONE_OF, "frame", ("image",), 1, "none")
    found = audit(Source(spec, Root(Path("/d"), "r", False), made, made), Store(tmp_path), silent)
    assert found["sides"]["train"]["labels"]["A"] == {"rows": 1, "videos": 1}
    assert found["duplicates"]["pairs"][0]["videos"] == ["train/a", "valid/a"]
    assert found["findings"][0].startswith("1 recording on the train side and on the valid side: a")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
