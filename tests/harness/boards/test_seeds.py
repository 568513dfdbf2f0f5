from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from finished_runs import write_run

from harness.boards import seeds as board_seeds
from harness.boards.files import files
from harness.boards.overview import overview
from harness.boards.rows import SPLITS, Line, Score, collect
from harness.boards.seeds import NOTE, with_seeds
from harness.metrics import get
from harness.records import read_stats
from harness.statistics.two_level import seeds_mean

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeRun:
    """Writes the folder of a finished run; boards draw little."""
    monkeypatch.setattr(board_seeds, "DRAWS", 300)
    return partial(write_run, tmp_path)


def lines_of(tmp_path: Path) -> list[Line]:
    return collect(tmp_path / "nowhere", tmp_path / "runs").lines


def test_several_seeds_are_one_more_line(make_run: MakeRun, tmp_path: Path):
    runs = [make_run(run=f"r{seed}", seed=seed) for seed in (3, 0, 1)]
    make_run(system="single", run="s")
    lines = lines_of(tmp_path)
    *same, mean = with_seeds(lines, "official")
    assert same == lines
    assert (mean.system, mean.seeds, mean.seed, mean.full_name) == ("linear", (0, 1, 3), None, "linear@demo 3 seeds")
    read = [read_stats(runs[i] / "official.stats.npz") for i in (1, 2, 0)]
    found = seeds_mean(get("f1"), [[(stats, groups)] for stats, _, groups in read], draws=300)
    assert mean.p == Score(found.p.value, found.p.low, found.p.high)
    assert list(mean.labels) == ["Anger", "Joy"]


@pytest.mark.parametrize("split", ["folds-mean", "folds-pooled"])
def test_over_folds_the_value_is_the_mean_of_the_rows(make_run: MakeRun, tmp_path: Path, split: str):
    for seed in (0, 1):
        make_run(*SPLITS, run=f"r{seed}", seed=seed)
    *lines, mean = with_seeds(lines_of(tmp_path), split)
    points = [line.p.value for line in lines if line.split == split]
    assert mean.p.value == pytest.approx(sum(points) / 2, abs=1e-12)
    assert mean.p.low is not None


def test_without_all_statistics_there_is_a_mean_and_no_interval(make_run: MakeRun, tmp_path: Path):
    runs = [make_run(run=f"r{seed}", seed=seed) for seed in (0, 1)]
    (runs[0] / "official.stats.npz").unlink()
    *lines, mean = with_seeds(lines_of(tmp_path), "official")
    assert mean.p == Score(sum(line.p.value for line in lines) / 2)


def test_doubts_of_any_seed_are_doubts_of_their_mean(make_run: MakeRun, tmp_path: Path):
    for seed in (0, 1):
        make_run(run=f"r{seed}", seed=seed)
    one, other = lines_of(tmp_path)
    doubtful = [replace(one, contamination="held-out", few=frozenset({"Joy"})), replace(other, contamination="unknown")]
    mean = with_seeds(doubtful, "official")[-1]
    assert (mean.contamination, mean.few) == ("unknown", {"Joy"})
    seen = replace(other, contamination="in-sample")
    assert with_seeds([doubtful[0], seen], "official")[-1].contamination == "in-sample"


def test_other_conditions_are_another_procedure(make_run: MakeRun, tmp_path: Path):
    make_run(run="a")
    make_run(run="b", seed=1, data={"partial_rows": "all"})
    lines = lines_of(tmp_path)
    assert with_seeds(lines, "official") == lines


def test_the_line_stands_on_its_tasks_page_and_in_the_readme(make_run: MakeRun, tmp_path: Path):
    for seed in (0, 1):
        make_run(run=f"r{seed}", seed=seed)
    lines = with_seeds(lines_of(tmp_path), "official")
    made = files(lines)
    text = made["demo/expr.md"].decode()
    assert "| linear | demo | 2 seeds |" in text
    assert "| seeds 0, 1 |\n" in text
    assert f"- {NOTE}\n" in text
    assert "2 seeds" not in made["demo/expr.linear.md"].decode()
    assert "| linear | demo | 2 seeds |" in overview(lines).decode()
    assert files(lines[::-1]) == made
