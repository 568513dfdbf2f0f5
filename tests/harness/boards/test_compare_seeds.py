from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from finished_runs import write_run

from harness.boards.compare_seeds import compare_procedures, read_procedures
from harness.errors import UserError
from harness.metrics import get
from harness.records import read_stats
from harness.statistics.two_level import paired_seeds_mean

MakeRun = Callable[..., Path]
FOLDS = tuple(f"fold-{i}" for i in range(1, 6))


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes the folder of a finished run."""
    return partial(write_run, tmp_path)


def two_systems(make_run: MakeRun, *splits: str) -> tuple[list[Path], list[Path]]:
    """Three seeds of a weak system and two of a strong one."""
    weak = [make_run(*splits, run=f"w{seed}", seed=seed, skill=0.1) for seed in (2, 0, 1)]
    return weak, [make_run(*splits, system="strong", run=f"s{seed}", seed=seed, skill=0.9) for seed in (0, 1)]


def test_folders_of_runs_are_procedures_and_single_runs_are_put_together(make_run: MakeRun):
    weak, strong = two_systems(make_run)
    first, other = read_procedures([weak[0].parent, *strong], "official")
    assert (first.name, other.name) == ("linear@demo seeds 0, 1, 2", "strong@demo seeds 0, 1")
    assert [run.folder for run in first.runs] == [weak[1], weak[2], weak[0]]
    points = [run.row["score"]["P"]["value"] for run in first.runs]
    assert first.scores["P"] == pytest.approx(sum(points) / 3)
    assert first.told()["seeds"] == [0, 1, 2]


def test_the_difference_is_that_of_the_two_level_bootstrap(make_run: MakeRun):
    weak, strong = two_systems(make_run)
    first, other = read_procedures([*weak, *strong], "official")
    found = compare_procedures(first, other, draws=300)
    runs = []
    for procedure in (other, first):
        read = [read_stats(run.folder / "official.stats.npz") for run in procedure.runs]
        runs.append([[(stats, groups)] for stats, _, groups in read])
    assert found == paired_seeds_mean(get("f1"), *runs, draws=300)
    assert found.p.value == pytest.approx(other.scores["P"] - first.scores["P"])
    assert found.p.low > 0


@pytest.mark.parametrize(("split", "clusters"), [("folds-mean", 15), ("folds-pooled", 15), ("fold-3", 3)])
def test_the_difference_over_folds(make_run: MakeRun, split: str, clusters: int):
    weak, strong = two_systems(make_run, *FOLDS, "folds-mean", "folds-pooled")
    first, other = read_procedures([weak[0].parent, strong[0].parent], split)
    found = compare_procedures(first, other, draws=200)
    assert found.clusters == clusters
    assert found.p.value == pytest.approx(other.scores["P"] - first.scores["P"], abs=1e-12)


def test_one_seed_is_no_procedure(make_run: MakeRun):
    with pytest.raises(UserError, match="Expected two seeds or more of linear@demo, came seed 4 alone"):
        read_procedures([make_run(seed=4)], "official")


def test_two_runs_of_one_seed_are_named(make_run: MakeRun):
    runs = [make_run(run=run, seed=seed) for run, seed in (("a", 0), ("b", 1), ("c", 0))]
    with pytest.raises(UserError, match=r"linear@demo has two runs of seed 0: .*/a and .*/c; name one"):
        read_procedures([runs[0].parent], "official")


def test_seeds_judged_differently_are_refused(make_run: MakeRun):
    runs = [make_run(run="a"), make_run(run="b", seed=1, task_version=2)]
    with pytest.raises(UserError, match="judged differently: task version: 1 and 2"):
        read_procedures(runs, "official")
