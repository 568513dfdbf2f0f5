from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from harness.errors import HarnessError, MissingData
from harness.records import DO_NOT_SHARE, read_row, read_stats, read_truths, same, write_row, write_stats

ROW = {"schema": 1, "task": "expr", "score": {"P": {"value": 0.5}}, "choices": [{"scores": [0.1, 0.2]}],
       "cost": {"wall_s": 1.0}, "env": {"cores": 2}}  # fmt: skip


def test_a_row_comes_back(tmp_path: Path):
    write_row(tmp_path / "a" / "row.json", ROW)
    assert read_row(tmp_path / "a" / "row.json") == ROW


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf"), np.float64("nan")])
def test_a_row_holds_finite_numbers_only(tmp_path: Path, bad: float):
    path = tmp_path / "row.json"
    for row, where in (
        (ROW | {"score": {"P": {"value": bad}}}, r"row\.score\.P\.value"),
        (ROW | {"choices": [{"scores": [0.1, bad]}]}, r"row\.choices\[0\]\.scores\[1\]"),
    ):
        with pytest.raises(HarnessError, match=f"{where} is -?(nan|inf): a row holds finite numbers only"):
            write_row(path, row)
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_is_not_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "row.json"
    write_row(path, ROW)

    def crash(file: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="no space"):
        write_row(path, ROW | {"task": "au"})
    assert read_row(path) == ROW
    assert [p.name for p in tmp_path.iterdir()] == ["row.json"]


@pytest.mark.parametrize("schema", [None, 0, 2, "1"])
def test_a_row_of_another_schema(tmp_path: Path, schema: object):
    row = {k: v for k, v in ROW.items() if k != "schema"} | ({"schema": schema} if schema is not None else {})
    with pytest.raises(HarnessError, match="schema 1"):
        write_row(tmp_path / "row.json", row)
    (tmp_path / "row.json").write_text(json.dumps(row))
    with pytest.raises(HarnessError, match=r"row\.json: expected a row of schema 1"):
        read_row(tmp_path / "row.json")


@pytest.mark.parametrize(
    ("text", "said"), [("{", "is not JSON"), ("", "is not JSON"), ("[1]", "expected a row"), ("3", "expected a row")]
)
def test_what_is_no_row_is_named(tmp_path: Path, text: str, said: str):
    (tmp_path / "row.json").write_text(text)
    with pytest.raises(HarnessError, match=rf"row\.json.* {said}|row\.json: {said}"):
        read_row(tmp_path / "row.json")


def test_rows_are_the_same_but_for_cost_and_environment():
    assert same(ROW, ROW | {"cost": {"wall_s": 9.0}, "env": {}})
    assert same(ROW, {k: v for k, v in ROW.items() if k not in ("cost", "env")})
    assert not same(ROW, ROW | {"score": {"P": {"value": 0.5000001}}})
    assert not same(ROW, ROW | {"more": 1})


@pytest.mark.parametrize(("level", "note"), [("frame", ""), ("video", DO_NOT_SHARE)])
def test_statistics_come_back_and_say_where_they_are_labels(tmp_path: Path, level: str, note: str):
    stats_VLk = np.random.default_rng(0).normal(size=(3, 2, 5))
    path = tmp_path / "official.stats.npz"
    write_stats(path, stats_VLk, ["valid/a", "valid/b", "valid/c"], ["a", "b", "b"], level=level)
    found, videos, groups = read_stats(path)
    assert (found == stats_VLk).all()
    assert found.dtype == np.float64
    assert (videos, groups) == (["valid/a", "valid/b", "valid/c"], ["a", "b", "b"])
    with np.load(path, allow_pickle=False) as file:
        assert str(file["note"]) == note


def test_hashes_of_labels_come_back_where_there_are_any(tmp_path: Path):
    stats_VLk, names = np.zeros((2, 1, 5)), ["a", "b"]
    write_stats(tmp_path / "old.npz", stats_VLk, names, names, level="frame")
    assert read_truths(tmp_path / "old.npz") is None
    write_stats(tmp_path / "new.npz", stats_VLk, names, names, level="frame", truths=["0f", "1e"])
    assert read_truths(tmp_path / "new.npz") == ["0f", "1e"]


def test_statistics_that_are_not_there(tmp_path: Path):
    with pytest.raises(MissingData, match=r"No statistics at .*gone\.npz; they are written beside every row of a run"):
        read_stats(tmp_path / "gone.npz")
