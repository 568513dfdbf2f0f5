from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from finished_runs import write_run

from harness.boards.rows import Score, collect, differences, find_rows, in_order, line_of
from harness.errors import HarnessError

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes the folder of a finished run."""
    return partial(write_run, tmp_path)


def test_a_line_says_what_its_row_says(make_run: MakeRun):
    folder = make_run("official")
    (found,) = find_rows(folder)
    line = line_of(found)
    score = json.loads((folder / "official.json").read_text())["score"]
    assert line.p == Score(**score["P"])
    assert line.labels == {label: Score(**one) for label, one in score["labels"].items()}
    assert (line.full_name, line.run, line.published) == ("linear@demo seed 0", "run0", "")
    assert line.remarks == (
        "Intervals: 95 %, cluster bootstrap, studentised, 200 draws of raw recordings, for these trained models.",
    )


def test_partial_and_unscored_rows_are_left_out_and_counted(make_run: MakeRun, tmp_path: Path):
    make_run("official")
    make_run("official", run="run1", seed=1, partial="limited to 3 videos a part")
    folder = make_run("official", run="run2", seed=2)
    row = json.loads((folder / "official.json").read_text())
    (folder / "official.json").unlink()
    (folder / "test.json").write_text(json.dumps({**row, "split": "test", "score": None}))
    collected = collect(tmp_path / "nowhere", tmp_path / "runs")
    assert [line.full_name for line in collected.lines] == ["linear@demo seed 0"]
    assert collected.left_out == {"partial": 1, "without a score": 1}


def test_other_files_of_a_run_are_no_rows(make_run: MakeRun):
    folder = make_run("official")
    (folder / "plan.json").write_text("{}")
    (folder / "model").mkdir()
    (folder / "model" / "pipeline.json").write_text("{}")
    assert [one.path.name for one in find_rows(folder)] == ["official.json"]


def test_the_newest_run_of_a_system_stands_and_seeds_stand_side_by_side(make_run: MakeRun, tmp_path: Path):
    older, newer = make_run("official", run="zz"), make_run("official", run="aa")
    make_run("official", run="bb", seed=1)
    os.utime(older / "official.json", (1, 1))
    os.utime(newer / "official.json", (2, 2))
    collected = collect(tmp_path / "nowhere", tmp_path / "runs")
    assert sorted((line.run, line.seed) for line in collected.lines) == [("aa", 0), ("bb", 1)]
    assert collected.left_out == {"of an older run": 1}


def test_ones_own_run_stands_before_a_record_of_another_run(make_run: MakeRun, tmp_path: Path):
    make_run("official", "fold-1", run="committed", runs="records")
    own = make_run("official", run="own")
    os.utime(own / "official.json", (1, 1))
    lines = collect(tmp_path / "records", tmp_path / "runs").lines
    assert sorted((line.split, line.run) for line in lines) == [("fold-1", "committed"), ("official", "own")]


@pytest.mark.parametrize(
    "changes",
    [{"task_version": 2}, {"data": {"folds": "b2"}}, {"data": {"dedupe": True}}, {"data": {"partial_rows": "all"}}],
)
def test_rows_judged_differently_are_different_lines(make_run: MakeRun, tmp_path: Path, changes: dict):
    make_run("official")
    make_run("official", run="run1", **changes)
    lines = collect(tmp_path / "nowhere", tmp_path / "runs").lines
    assert len(lines) == 2
    assert len(differences(lines)) == 1


def test_order_is_by_p_and_then_by_name(make_run: MakeRun, tmp_path: Path):
    make_run("official", system="weak", run="r1", skill=0.1)
    make_run("official", system="strong", run="r2", skill=0.9)
    make_run("official", system="also", run="r3", skill=0.9)
    assert [line.system for line in in_order(collect(tmp_path / "x", tmp_path / "runs").lines)] == [
        "also",
        "strong",
        "weak",
    ]


def test_a_file_that_is_no_row_is_named(make_run: MakeRun):
    folder = make_run("official")
    path = folder / "official.json"
    path.write_text('{"schema": 1, "task": "expr"}')
    with pytest.raises(HarnessError, match=r"official\.json: expected a row, it has no split, system"):
        find_rows(folder)
    path.write_text("{")
    with pytest.raises(HarnessError, match=r"official\.json is not JSON"):
        find_rows(folder)


def test_a_row_without_a_field_is_named(make_run: MakeRun):
    folder = make_run("official")
    row = json.loads((folder / "official.json").read_text())
    del row["score"]["interval"]
    (folder / "official.json").write_text(json.dumps(row))
    (found,) = find_rows(folder)
    with pytest.raises(HarnessError, match=r"official\.json: expected a complete row, KeyError: 'interval'"):
        line_of(found)
