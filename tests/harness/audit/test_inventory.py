from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.audit.inventory import Source, count_labels, fold_numbers, inventory
from harness.datasets import Root
from harness.kinds import ANY_OF, ONE_OF, Kind, continuous
from harness.progress import silent
from harness.types import Floats, TaskSpec, Video

NAN = np.nan


def task(kind: Kind) -> TaskSpec:
    return TaskSpec("t", "T", "r", ("A", "B"), kind, "frame", ("image",), 1, "none")


class Made:
    """Two training tracks of one recording (one leaks), one held-out track."""

    def __init__(self, targets: dict[str, list[list[float]]] | None = None) -> None:
        self.targets_by_key = targets or {
            "train/a_left": [[1, 0], [NAN, NAN], [1, NAN]],
            "train/b": [[0, 0]],
            "valid/a_right": [[0, 1]],
        }

    def videos(self) -> tuple[Video, ...]:
        left = Video("a_left", "a", "train", 3, 30.0, np.array([False, True, True]))
        b = Video("b", "b", "train", 1, 30.0, np.array([True]))
        return (left, b, Video("a_right", "a", "valid", 1, 30.0, np.array([True])))

    def targets(self, video: Video) -> Floats:
        return np.array(self.targets_by_key[video.key], np.float32)

    def image_counts(self) -> dict[str, int]:
        return {"a_left": 4, "b": 1, "a_right": 1}

    def notes(self) -> tuple[str, ...]:
        return ("something was assumed",)


def found(reader: Any, kind: Kind = ANY_OF) -> dict[str, Any]:
    source = Source(task(kind), Root(Path("/data"), "r", False), reader, reader)
    return inventory(source, count_labels(source, silent))


def test_counts_leaks_and_mismatches() -> None:
    answer = found(Made())
    assert answer["sides"]["train"] == {
        "videos": 2,
        "recordings": 2,
        "frames": 4,
        "rows": 4,
        "valid_rows": 3,
        "partly_invalid_rows": 1,
        "valid_rows_without_face": 1,
        "images": 5,
        "faceless_frames": 1,
        "faceless_videos": 0,
        "labels": {"A": {"rows": 2, "videos": 1}, "B": {"rows": 0, "videos": 0}},
    }
    assert list(answer["sides"]) == ["train", "valid"]
    assert answer["folds"] == {}
    assert answer["leaks"] == ["recording a: a_left in train, a_right in valid"]
    assert answer["overlap"] == [{"sides": ["train", "valid"], "recordings": ["a"], "videos": []}]
    assert answer["images_against_rows"] == [
        {"video": "train/a_left", "frames": 3, "images": 4, "without_image": 1, "beyond_the_last_row": 2}
    ]
    assert answer["notes"] == ["something was assumed"]


def test_partly_invalid_rows_are_counted_whatever_becomes_of_them() -> None:
    """The reader drops such rows; the masked one keeps what is known of them."""
    dropping = Made({"train/a_left": [[NAN, NAN]] * 3, "train/b": [[1, 1]], "valid/a_right": [[0, 1]]})
    masked = Made({"train/a_left": [[1, NAN], [NAN, 0], [NAN, NAN]], "train/b": [[1, 1]], "valid/a_right": [[0, 1]]})
    source = Source(task(ANY_OF), Root(Path("/data"), "r", False), dropping, masked)  # type: ignore[arg-type]
    train = inventory(source, count_labels(source, silent))["sides"]["train"]
    assert (train["valid_rows"], train["partly_invalid_rows"], train["labels"]["A"]["rows"]) == (1, 2, 1)
    one_of = Source(task(ONE_OF), source.root, dropping, masked)  # type: ignore[arg-type]
    assert inventory(one_of, count_labels(one_of, silent))["sides"]["train"]["partly_invalid_rows"] is None


def test_a_video_on_two_sides_is_named_among_the_recordings() -> None:
    made = Made({"train/a": [[1, 0]], "test/a": [[NAN, NAN]], "valid/a": [[NAN, NAN]]})
    sides = [Video("a", "a", side, 1, 30.0, np.array([True])) for side in ("test", "train", "valid")]  # type: ignore[arg-type]
    made.videos = lambda: tuple(sides)  # type: ignore[method-assign]
    answer = found(made)
    assert [one["sides"] for one in answer["overlap"]] == [["train", "valid"], ["train", "test"], ["valid", "test"]]
    assert all((one["recordings"], one["videos"]) == (["a"], ["a"]) for one in answer["overlap"])
    assert answer["leaks"][2] == "recording a: a in valid, a in test"


def test_folds_are_counted_like_sides() -> None:
    videos = tuple(Video(f"v{i}", f"v{i}", "train", 1, 30.0, np.array([True])) for i in range(10))
    made = Made({video.key: [[i % 2, 1 - i % 2]] for i, video in enumerate(videos)})
    made.videos = lambda: videos  # type: ignore[method-assign]
    source = Source(task(ONE_OF), Root(Path("/data"), "r", False), made, made)  # type: ignore[arg-type]
    counts = count_labels(source, silent)
    folds = inventory(source, counts)["folds"]
    assert list(folds) == [f"fold-{i}" for i in range(1, 6)]
    each = {"A": {"rows": 1, "videos": 1}, "B": {"rows": 1, "videos": 1}}
    assert [(one["videos"], one["labels"]) for one in folds.values()] == [(2, each)] * 5
    assert set(fold_numbers(counts)) == {video.key for video in videos}


def test_values_have_mean_and_spread() -> None:
    values = {"train/a_left": [[0.5, -1], [NAN, 1], [-0.5, NAN]], "train/b": [[NAN, NAN]], "valid/a_right": [[0, 0]]}
    train = found(Made(values), continuous("ccc", -1, 1))["sides"]["train"]
    assert train["labels"] == {"A": {"rows": 2, "mean": 0.0, "sd": 0.5}, "B": {"rows": 2, "mean": 0.0, "sd": 1.0}}


@pytest.mark.parametrize("kind", [ANY_OF, continuous("ccc", -1, 1)])
def test_a_side_without_any_label_has_no_counts_of_labels(kind: Kind) -> None:
    unknown = Made({"train/a_left": [[NAN, NAN]] * 3, "train/b": [[NAN, NAN]], "valid/a_right": [[0, 1]]})
    assert found(unknown, kind)["sides"]["train"]["labels"] == {}
