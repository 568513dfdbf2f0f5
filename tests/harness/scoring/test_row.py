from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_world import TASKS

from harness.scoring.matching import Frames, Matched
from harness.scoring.row import TOLD, coverage_of, decisions_table
from harness.splits import Split
from harness.types import Video

HELD = tuple(Video(name, name, "valid", 2, 25.0, np.ones(2, bool)) for name in ("a", "b"))
NAN = np.nan


def rows(task: str, scores: dict[str, Any], said: dict[str, Any]) -> list[dict[str, Any]]:
    spec = TASKS[task]
    arrays = [{f"valid/{key}": np.array(one, np.float32) for key, one in of.items()} for of in (scores, said)]
    return pq.read_table(io.BytesIO(decisions_table(spec, HELD, *arrays))).to_pylist()


def test_a_row_without_a_prediction_has_neither_score_nor_decision():
    found = rows(
        "units",
        {"a": [[0.7, 0.5], [NAN, NAN]], "b": [[0.1, 0.6], [0.2, 0.2]]},
        {"a": [[1, 1], [0, 1]], "b": [[0, 1], [0, 0]]},
    )
    assert [list(row.values()) for row in found] == [
        ["valid/a", 1, 0, pytest.approx(0.7), 0.5, "a+b"],
        ["valid/a", 2, 0, None, None, None],
        ["valid/b", 1, 0, pytest.approx(0.1), pytest.approx(0.6), "b"],
        ["valid/b", 2, 0, pytest.approx(0.2), pytest.approx(0.2), ""],
    ]


def test_values_are_their_own_decision_and_a_whole_video_has_no_frame():
    found = rows("clip", {"a": [[0.25, 0.5]], "b": [[NAN, NAN]]}, {"a": [[0.25, 0.5]], "b": [[1.0, 1.0]]})
    assert [(row["frame"], row["score x"], row["decision"]) for row in found] == [(0, 0.25, ""), (0, None, "")]


def test_a_label_without_a_column_is_never_the_best():
    found = rows(
        "colour",
        {"a": [[-2.0, NAN, -3.0], [NAN] * 3], "b": [[0, 0, 0], [0, 0, 1]]},  # b: decisions, one for another class
        {"a": [[1, 0, 0], [0, 0, 0]], "b": [[0, 0, 0], [0, 0, 1]]},
    )
    assert [[row[f"score {label}"] for label in ("red", "green", "blue")] for row in found] == [
        [-2, -4, -3], [None] * 3, [None] * 3, [0, 0, 1],
    ]  # fmt: skip
    assert [row["decision"] for row in found] == ["red", None, "", "blue"]
    lost = [-np.inf, NAN, -np.inf]  # another class scored highest
    found = rows("colour", {"a": [lost], "b": [[0, NAN, 1]]}, {"a": [[0, 0, 0]], "b": [[0, 0, 1]]})
    assert [list(row.values())[3:] for row in found] == [[None, None, None, ""], [0, -1, 1, "blue"]]
    found = rows("units", {"a": [[0.7, NAN]], "b": [[0.1, NAN]]}, {"a": [[1, 0]], "b": [[0, 0]]})
    assert [row["score b"] for row in found] == [0, 0]
    found = rows("mood", {"a": [[0.7, NAN]], "b": [[NAN, NAN]]}, {"a": [[0.7, 0]], "b": [[-1, 1]]})
    assert [row["score y"] for row in found] == [0, None]


def test_coverage_adds_up_what_differs():
    frames = (
        Frames("a", 10, 8, 9, True, missing=1, first_missing=4),
        Frames("b", 10, 10, 10, True),
        Frames("c", 5, 5, 0, True, missing=5, first_missing=0),
    )
    matched = Matched({}, frames, ("valid/c",), ("train/x", "train/y"), ("nobody",))
    found = coverage_of(Split("official", (), (), HELD), matched)
    assert {key: found[key] for key in ("predicted_videos", "predicted_rows", "labelled_rows", "matched_rows")} == {
        "predicted_videos": 2, "predicted_rows": 19, "labelled_rows": 23, "matched_rows": 17,
    }  # fmt: skip
    assert (found["missing_rows"], found["differing_videos"], found["videos_of_other_splits"]) == (6, 2, 2)
    assert found["differences"] == [frames[0].explained(), frames[2].explained()]
    many = Matched({}, (frames[0],) * 30, (), (), ())
    assert len(coverage_of(Split("official", (), (), HELD), many)["differences"]) == TOLD
