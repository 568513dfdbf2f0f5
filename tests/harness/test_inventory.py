from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.datasets import Root
from harness.inventory import Tally, inventory
from harness.kinds import ANY_OF, Kind, continuous
from harness.progress import silent
from harness.types import Floats, TaskSpec, Video

NAN = np.nan


def task(kind: Kind) -> TaskSpec:
    return TaskSpec("t", "T", "r", ("A", "B"), kind, "frame", ("image",), 1, "none")


class Made:
    """Two training tracks of one recording (one leaks), one held-out track."""

    def __init__(self) -> None:
        self.targets_by_key = {
            "train/a_left": np.array([[1, 0], [NAN, NAN], [1, NAN]], np.float32),
            "train/b": np.array([[0, 0]], np.float32),
            "valid/a_right": np.array([[0, 1]], np.float32),
        }

    def videos(self) -> tuple[Video, ...]:
        left = Video("a_left", "a", "train", 3, 30.0, np.array([False, True, True]))
        b = Video("b", "b", "train", 1, 30.0, np.array([True]))
        return (left, b, Video("a_right", "a", "valid", 1, 30.0, np.array([True])))

    def targets(self, video: Video) -> Floats:
        return self.targets_by_key[video.key]

    def image_counts(self) -> dict[str, int]:
        return {"a_left": 4, "b": 1, "a_right": 1}

    def notes(self) -> tuple[str, ...]:
        return ("something was assumed",)


def test_counts_leaks_and_mismatches() -> None:
    found = inventory(task(ANY_OF), Root(Path("/data"), "r", False), Made(), silent)  # type: ignore[arg-type]
    assert found["sides"]["train"] == {
        "videos": 2,
        "recordings": 2,
        "frames": 4,
        "rows": 4,
        "valid_rows": 3,
        "valid_rows_without_face": 1,
        "images": 5,
        "faceless_frames": 1,
        "labels": {"A": {"rows": 2, "videos": 1}, "B": {"rows": 0, "videos": 0}},
    }
    assert list(found["sides"]) == ["train", "valid"]
    assert found["leaks"] == ["recording a: a_left in train, a_right in valid"]
    assert found["images_beyond_rows"] == [{"video": "train/a_left", "frames": 3, "images": 4, "beyond": 2}]
    assert found["notes"] == ["something was assumed"]


def test_values_have_mean_and_spread() -> None:
    tally = Tally(task(continuous("ccc", -1, 1)))
    assert tally.result() == {}
    tally.add(np.array([[0.5, -1], [NAN, 1]], np.float32))
    tally.add(np.array([[-0.5, NAN]], np.float32))
    assert tally.result() == {"A": {"rows": 2, "mean": 0.0, "sd": 0.5}, "B": {"rows": 2, "mean": 0.0, "sd": 1.0}}
    with pytest.raises(ValueError, match="broadcast"):
        tally.add(np.zeros((1, 3), np.float32))
