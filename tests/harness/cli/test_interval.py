from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from finished_runs import write_run

from harness.cli.interval import interval
from harness.errors import MissingData
from harness.records import read_row
from harness.statistics.intervals import METHODS

FOLDS = tuple(f"fold-{i}" for i in range(1, 6))


def asked(*words: str | Path) -> Result:
    return CliRunner().invoke(interval, list(map(str, words)), catch_exceptions=False)


@pytest.fixture
def make_run(tmp_path: Path):
    """Writes the folder of a finished run."""
    return partial(write_run, tmp_path)


@pytest.mark.parametrize("split", ["official", "folds-mean", "folds-pooled"])
def test_with_the_row_s_own_settings_it_is_the_row_s_own_score(make_run, split: str):
    run = make_run(*FOLDS, split) if split != "official" else make_run()
    told = json.loads(asked(run, "--split", split, "--draws", "200", "--json").stdout)
    score = read_row(run / f"{split}.json")["score"]
    assert (told["P"], told["labels"]) == (score["P"], score["labels"])
    assert (told["split"], told["run"], told["data"]) == (split, "run0", "demo")
    assert told["interval"]["few_clusters"] == ["Anger", "Joy"]


def test_another_level_or_method_gives_another_interval_of_the_same_score(make_run):
    run = make_run()
    by = {
        (method, level): json.loads(asked(run, "--method", method, "--level", level, "--json").stdout)["P"]
        for method in METHODS
        for level in ("0.8", "0.95")
    }
    assert len({one["value"] for one in by.values()}) == 1
    assert len({one["low"] for one in by.values()}) > 3
    for method in METHODS:
        narrow, wide = by[method, "0.8"], by[method, "0.95"]
        assert wide["low"] <= narrow["low"] <= narrow["high"] <= wide["high"]


def test_the_table_marks_what_rests_on_few_recordings(make_run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "160")
    lines = asked(make_run(partial="limited"), "--level", "0.9", "--draws", "300").stdout.splitlines()
    assert "linear@demo seed 0: expr, official, demo data: F1, %" in lines[0]
    assert any("90 % interval" in line for line in lines)
    assert [line.strip("│ ").split()[0] for line in lines if line.startswith("│")] == ["Anger", "Joy", "P"]
    assert sum("]†" in line for line in lines) == 3
    assert "300 draws of 3 recordings, studentised, for these trained models" in lines
    assert any(line.startswith("† few clusters") for line in lines)
    assert "partial: limited" in lines


def test_too_few_draws_for_the_level_are_refused(make_run):
    done = asked(make_run(), "--draws", "9999", "--level", "0.999")
    assert done.exit_code == 2
    assert "--level 0.999 needs 10,000 draws or more: 5 beyond each limit" in done.stderr
    assert asked(make_run(), "--draws", "100", "--level", "0.9").exit_code == 0


def test_a_split_that_was_not_run_is_missing(make_run):
    with pytest.raises(MissingData, match="No split 'fold-1'"):
        asked(make_run(), "--split", "fold-1")
