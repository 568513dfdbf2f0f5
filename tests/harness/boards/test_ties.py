from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from finished_runs import write_run

from harness.boards import ties as board_ties
from harness.boards.rows import SPLITS, Line, Score, collect
from harness.boards.ties import with_ties

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    """Writes the folder of a finished run; boards draw little."""
    monkeypatch.setattr(board_ties, "DRAWS", 400)
    return partial(write_run, tmp_path)


def standing(tmp_path: Path, split: str = "official") -> dict[str, tuple[str, float | None]]:
    lines = with_ties(collect(tmp_path / "nowhere", tmp_path / "runs").lines, split)
    return {line.system: (line.tie, line.best) for line in lines if line.split == split}


@pytest.mark.parametrize("split", ["official", "fold-2", "folds-mean", "folds-pooled"])
def test_rows_of_one_table_are_compared(make_run: MakeRun, tmp_path: Path, split: str):
    for run, skill in (("weak", 0.1), ("strong", 0.9)):
        make_run(*SPLITS, system=run, run=run, skill=skill)
    found = standing(tmp_path, split)
    assert found["strong"] == ("a", 1.0)
    assert found["weak"][1] == 0.0
    if split == "folds-pooled":
        assert found["weak"][0] == "b"


def test_other_splits_and_published_scores_are_left_alone(make_run: MakeRun, tmp_path: Path):
    for run in ("one", "two"):
        make_run("official", "fold-1", system=run, run=run)
    lines = collect(tmp_path / "nowhere", tmp_path / "runs").lines
    paper = Line("demo", "expr", "T", "f1", "official", "m", Score(0.9), {}, published="Table 1")
    found = with_ties([*lines, paper], "official")
    assert [bool(line.tie) for line in found if line.split == "official"] == [True, True, False]
    assert not any(line.tie for line in found if line.split == "fold-1")
    assert found[-1] == paper


def test_a_row_without_statistics_has_no_standing(make_run: MakeRun, tmp_path: Path):
    for run in ("one", "two", "bare"):
        make_run(system=run, run=run)
    (tmp_path / "runs/expr/bare@demo/bare/official.stats.npz").unlink()
    found = standing(tmp_path)
    assert found["bare"] == ("", None)
    assert found["one"][0] == found["two"][0] == "a"


def test_a_row_alone_has_no_standing(make_run: MakeRun, tmp_path: Path):
    make_run()
    assert standing(tmp_path) == {"linear": ("", None)}


@pytest.mark.parametrize("changes", [{"task_version": 2}, {"data": {"partial_rows": "all"}}])
def test_a_row_judged_otherwise_than_most_has_no_standing(make_run: MakeRun, tmp_path: Path, changes: dict):
    for run in ("one", "two"):
        make_run(system=run, run=run)
    make_run(system="odd", run="odd", skill=0.9, **changes)
    found = standing(tmp_path)
    assert found["odd"] == ("", None)
    assert found["one"][0] == found["two"][0] == "a"


def test_a_row_on_other_labels_has_no_standing(make_run: MakeRun, tmp_path: Path):
    for run in ("one", "two"):
        make_run(system=run, run=run)
    odd = make_run("official", "fold-2", system="odd", run="odd", skill=0.9)
    (odd / "fold-2.stats.npz").replace(odd / "official.stats.npz")
    found = standing(tmp_path)
    assert found["odd"] == ("", None)
    assert found["one"][1] is not None


def test_the_order_of_lines_changes_nothing(make_run: MakeRun, tmp_path: Path):
    for number in range(4):
        make_run(system=f"s{number}", run=f"s{number}", seed=number)
    lines = collect(tmp_path / "nowhere", tmp_path / "runs").lines
    assert with_ties(lines[::-1], "official") == with_ties(lines, "official")[::-1]
