from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from finished_runs import write_run

from harness.boards.compare import compare, read_judged
from harness.errors import HarnessError, MissingData, UserError
from harness.judge import truth_hash
from harness.metrics import get
from harness.records import read_stats, write_stats
from harness.statistics import bootstrap

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes the folder of a finished run."""
    return partial(write_run, tmp_path)


FOLDS = tuple(f"fold-{i}" for i in range(1, 6))
SUMMARIES = ("folds-mean", "folds-pooled")


@pytest.mark.parametrize("metric", ["f1", "ccc"])
def test_the_difference_is_that_of_the_paired_bootstrap(make_run: MakeRun, metric: str):
    a, b = make_run(metric=metric), make_run(metric=metric, system="strong", run="r2", skill=0.9)
    (stats_a, _, groups), (stats_b, _, _) = (read_stats(run / "official.stats.npz") for run in (a, b))
    found = compare(read_judged(a, "official"), read_judged(b, "official"))
    assert found == bootstrap.paired(get(metric), stats_b, stats_a, groups)
    how = {"method": "percentile", "level": 0.9, "draws": 500, "seed": 3}
    asked = compare(read_judged(a, "official"), read_judged(b, "official"), **how)
    assert asked == bootstrap.paired(get(metric), stats_b, stats_a, groups, **how)
    assert asked.p.low > 0


@pytest.mark.parametrize("split", SUMMARIES)
def test_the_difference_over_folds(make_run: MakeRun, split: str):
    a, b = make_run(*FOLDS, *SUMMARIES), make_run(*FOLDS, *SUMMARIES, system="strong", run="r2", skill=0.9)
    first, other = read_judged(a, split), read_judged(b, split)
    found = compare(first, other)
    assert found.clusters == 15
    points = [judged.row["score"]["P"]["value"] for judged in (first, other)]
    assert found.p.value == pytest.approx(points[1] - points[0], abs=1e-12)


def test_a_run_against_itself_is_nothing(make_run: MakeRun):
    run = read_judged(make_run(), "official")
    found = compare(run, run)
    assert (found.p.value, found.p.low, found.p.high, found.p.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_the_order_of_videos_does_not_matter(make_run: MakeRun):
    a, b = make_run(), make_run(system="strong", run="r2", skill=0.9)
    before = compare(read_judged(a, "official"), read_judged(b, "official"))
    stats, videos, groups = read_stats(b / "official.stats.npz")
    order = [3, 1, 5, 0, 2, 4]
    write_stats(
        b / "official.stats.npz", stats[order], [videos[i] for i in order], [groups[i] for i in order], level="frame"
    )
    assert compare(read_judged(a, "official"), read_judged(b, "official")) == before


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"task_version": 2}, "task version: 1 and 2"),
        ({"data": {"name": "aff-wild2"}}, "data: demo and aff-wild2"),
        ({"data": {"folds": "b2" * 32}}, "fold list: a1a1a1a1a1a1 and b2b2b2b2b2b2"),
        ({"metric": "ccc"}, "metric: f1 and ccc; labels: Anger, Joy and valence, arousal"),
        ({"task": "au"}, "task: expr and au"),
    ],
)
def test_runs_judged_differently_are_refused_by_name(make_run: MakeRun, changes: dict, why: str):
    a, b = make_run(), make_run(system="other", run="r2", **changes)
    with pytest.raises(UserError, match=f"judged differently: {why}$"):
        compare(read_judged(a, "official"), read_judged(b, "official"))


@pytest.mark.parametrize("metric", ["f1", "ccc"])
def test_other_labels_are_found_in_the_statistics(make_run: MakeRun, metric: str):
    a, b = make_run(metric=metric), make_run(metric=metric, system="other", run="r2", data={"partial_rows": "all"})
    stats, videos, groups = read_stats(b / "official.stats.npz")
    column = get(metric).columns.index("fn" if metric == "f1" else "m2_t")
    stats[4, 1, column] += 1
    write_stats(b / "official.stats.npz", stats, videos, groups, level="frame")
    why = r"the labelled rows of 1 videos differ, such as valid/video4 \(partly invalid rows: any and all\)"
    with pytest.raises(UserError, match=why):
        compare(read_judged(a, "official"), read_judged(b, "official"))


@pytest.mark.parametrize("metric", ["f1", "ccc"])
def test_labels_in_another_order_are_others_though_their_statistics_are_the_same(make_run: MakeRun, metric: str):
    a, b = make_run(metric=metric), make_run(metric=metric, system="other", run="r2")
    stats, videos, groups = read_stats(b / "official.stats.npz")
    truths = [truth_hash(np.arange(4.0)[:, None] + i) for i in range(len(videos))]
    write_stats(a / "official.stats.npz", stats, videos, groups, level="frame", truths=truths)
    write_stats(b / "official.stats.npz", stats, videos, groups, level="frame", truths=truths)
    assert compare(read_judged(a, "official"), read_judged(b, "official")).p.value == 0
    truths[3] = truth_hash(np.arange(4.0)[::-1, None] + 3)
    write_stats(b / "official.stats.npz", stats, videos, groups, level="frame", truths=truths)
    with pytest.raises(UserError, match=r"the labelled rows of 1 videos differ, such as valid/video3"):
        compare(read_judged(a, "official"), read_judged(b, "official"))


def test_a_damaged_row_or_file_is_named(make_run: MakeRun):
    run = make_run()
    path = run / "official.json"
    row = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in row.items() if k != "task_version"}))
    with pytest.raises(HarnessError, match=r"official\.json is no row of a run: it lacks task_version"):
        read_judged(run, "official")
    path.write_text(json.dumps(row | {"score": None}))
    with pytest.raises(UserError, match=r"official\.json has no score"):
        read_judged(run, "official")
    path.write_text(json.dumps(row))
    stats = run / "official.stats.npz"
    stats.write_bytes(stats.read_bytes()[:200])
    with pytest.raises(HarnessError, match=r"official\.stats\.npz is damaged, its statistics cannot be read"):
        read_judged(run, "official")


def test_other_videos_and_other_recordings_are_refused(make_run: MakeRun):
    a, b = make_run(), make_run(system="other", run="r2")
    stats, videos, groups = read_stats(b / "official.stats.npz")
    write_stats(b / "official.stats.npz", stats[:5], videos[:5], groups[:5], level="frame")
    with pytest.raises(UserError, match="1 videos are judged in one of them only, such as valid/video5"):
        compare(read_judged(a, "official"), read_judged(b, "official"))
    write_stats(b / "official.stats.npz", stats, videos, ["x"] * 6, level="frame")
    with pytest.raises(UserError, match="belong to other recordings"):
        compare(read_judged(a, "official"), read_judged(b, "official"))


def test_what_cannot_be_read_is_named(make_run: MakeRun, tmp_path: Path):
    run = make_run()
    with pytest.raises(MissingData, match=r"No split 'fold-1' in .*; it has official"):
        read_judged(run, "fold-1")
    with pytest.raises(UserError, match=r"No split to compare is called 'offical'. Did you mean 'official'"):
        read_judged(run, "offical")
    with pytest.raises(MissingData, match="No run at"):
        read_judged(tmp_path / "gone", "official")
    (run / "official.stats.npz").unlink()
    with pytest.raises(MissingData, match="No statistics at"):
        read_judged(run, "official")


def test_the_only_run_of_a_system_may_be_named_by_the_systems_folder(make_run: MakeRun):
    run = make_run()
    assert read_judged(run.parent, "official").folder == run
    make_run(run="r2", seed=1)
    with pytest.raises(UserError, match=r"holds 2 runs, expected one of: .*r2.*run0"):
        read_judged(run.parent, "official")


def test_empty_videos_do_not_count_as_different(make_run: MakeRun):
    a, b = make_run(metric="ccc"), make_run(metric="ccc", system="other", run="r2")
    for run in (a, b):
        stats, videos, groups = read_stats(run / "official.stats.npz")
        stats[0] = get("ccc").stats(np.zeros((2, 2)), np.full((2, 2), np.nan))
        write_stats(run / "official.stats.npz", stats, videos, groups, level="frame")
    assert compare(read_judged(a, "official"), read_judged(b, "official")).clusters == 3


def test_the_row_says_whose_run_it_is(make_run: MakeRun):
    judged = read_judged(make_run(system="m", seed=2), "official")
    assert judged.name == "m@demo seed 2"
    assert json.loads((judged.folder / "official.json").read_text()) == judged.row
