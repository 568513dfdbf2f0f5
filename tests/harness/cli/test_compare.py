from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import finished_runs
import pytest
from click.testing import CliRunner, Result
from finished_runs import write_run

from harness.cli.compare import compare
from harness.errors import UserError
from harness.statistics.bootstrap import METHOD
from harness.statistics.intervals import METHODS, holm

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes the folder of a finished run."""
    return partial(write_run, tmp_path)


FOLDS = tuple(f"fold-{i}" for i in range(1, 6))


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def compared(*words: str | Path) -> Result:
    return CliRunner().invoke(compare, list(map(str, words)), catch_exceptions=False)


def test_a_table_per_run_against_the_first(make_run: MakeRun):
    runs = [
        make_run(skill=0.1),
        make_run(system="b[x]", run="r2", skill=0.9),
        make_run(system="c", run="r3", seed=4, partial="limited"),
    ]
    done = compared(*runs)
    lines = done.stdout.splitlines()
    assert sum("expr, official, demo data: F1, %" in line for line in lines) == 2
    first_words = [line.split()[0] for line in lines if line.strip()]
    assert [word for word in first_words if word in ("Anger", "Joy", "P")] == ["Anger", "Joy", "P"] * 2
    assert "other: b[x]@demo seed 0, run r2" in lines
    assert "other: c@demo seed 4, run r3 [limited]" in lines
    assert "10,000 draws of 3 recordings, studentised, for these trained models" in lines
    assert sum("Holm" in line for line in lines) == 2


def test_nothing_is_cut_off_in_a_terminal_of_80_columns(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setitem(finished_runs.LABELS, "pearson", ("Determination", "Empathic Pain"))  # the longest there are
    runs = [make_run(task="emi", metric="pearson", run=f"r{i}", skill=skill) for i, skill in enumerate((0.1, 0.9, 0.5))]
    done = compared(*runs)
    assert "Determination" in done.stdout
    assert "Holm" in done.stdout
    assert "…" not in done.stdout


def test_few_recordings_are_marked(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "120")
    a, b = make_run(), make_run(system="strong", run="r2", skill=0.9)
    assert json.loads(compared(a, b, "--json").stdout)[0]["few_clusters"] == ["Anger", "Joy"]
    printed = compared(a, b).stdout
    assert printed.count("]†") == 3
    assert "† few clusters" in printed


def test_json_holds_fractions(make_run: MakeRun):
    a, b = (
        make_run(*FOLDS, "folds-pooled", skill=0.1),
        make_run(*FOLDS, "folds-pooled", system="b", run="r2", skill=0.9),
    )
    (found,) = json.loads(compared(a, b, "--split", "folds-pooled", "--json").stdout)
    assert (found["split"], found["first"]["run"], found["other"]["run"]) == ("folds-pooled", "run0", "r2")
    assert found["P"]["value"] == pytest.approx(found["other"]["P"] - found["first"]["P"], abs=1e-12)
    assert 0 < found["P"]["low"] <= found["P"]["value"] <= found["P"]["high"] <= 1
    assert list(found["labels"]) == ["Anger", "Joy"]
    assert found["interval"]["clusters"] == 15


def test_one_run_is_not_enough(make_run: MakeRun):
    with pytest.raises(UserError, match="Expected two runs or more to compare, came one"):
        compared(make_run())


def test_runs_on_other_data_are_refused(make_run: MakeRun):
    with pytest.raises(UserError, match="judged differently: data: demo and aff-wild2"):
        compared(make_run(), make_run(run="r2", data={"name": "aff-wild2"}))


def test_p_values_of_several_runs_are_corrected_score_by_score(make_run: MakeRun):
    others = [make_run(system=name, run=name, skill=skill) for name, skill in (("b", 0.9), ("c", 0.5), ("d", 0.12))]
    runs = [make_run(skill=0.1), *others]
    found = json.loads(compared(*runs, "--draws", "400", "--json").stdout)
    for score in ("P", "Joy"):
        of = [one["P"] if score == "P" else one["labels"][score] for one in found]
        assert [one["p_holm"] for one in of] == holm([one["p_value"] for one in of])


def test_the_interval_is_made_as_asked(make_run: MakeRun):
    a, b = make_run(skill=0.2), make_run(system="b", run="r2", skill=0.8)
    words = ("--method", "percentile", "--level", "0.5", "--draws", "200", "--seed", "3", "--json")
    [one] = json.loads(compared(a, b, *words).stdout)
    assert one["interval"] == {
        "method": "paired cluster bootstrap, percentile", "level": 0.5, "draws": 200, "clusters": 3,
    }  # fmt: skip
    [usual] = json.loads(compared(a, b, "--json").stdout)
    assert one["P"]["high"] - one["P"]["low"] < usual["P"]["high"] - usual["P"]["low"]


def test_every_method_there_is_may_be_asked_for():
    [option] = [parameter for parameter in compare.params if parameter.name == "method"]
    assert tuple(option.type.choices) == METHODS
    assert option.default == METHOD


def test_seeds_of_a_system_are_compared_as_one(make_run: MakeRun):
    weak = [make_run(run=f"w{seed}", seed=seed, skill=0.1) for seed in (0, 1, 2)]
    strong = [make_run(system="b", run=f"s{seed}", seed=seed, skill=0.9) for seed in (0, 1)]
    done = compared("--seeds", weak[0].parent, *strong, "--draws", "300")
    lines = done.stdout.splitlines()
    assert "first: linear@demo seeds 0, 1, 2, runs w0, w1, w2" in lines
    assert "300 draws of 3 recordings and of seeds, studentised, for the training procedures" in lines
    [one] = json.loads(compared("--seeds", weak[0].parent, *strong, "--draws", "300", "--json").stdout)
    assert one["for"] == "the training procedures"
    assert (one["other"]["seeds"], one["other"]["runs"]) == ([0, 1], ["s0", "s1"])
    assert one["P"]["value"] == pytest.approx(one["other"]["P"] - one["first"]["P"])
    with pytest.raises(UserError, match="Expected two systems or more to compare, came linear@demo seeds 0, 1, 2"):
        compared("--seeds", *weak)
    with pytest.raises(UserError, match="holds 3 runs, expected one of"):
        compared(weak[0].parent, strong[0])
