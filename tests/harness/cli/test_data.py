from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import abaw6.plugin
from harness import plugins
from harness.cli.data import data
from harness.errors import HarnessError, MissingData, SomeTasksFailed, UserError

EXPR = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"


@pytest.fixture(autouse=True)
def only_abaw6(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded = plugins.load
    monkeypatch.setattr(plugins, "entry_points", lambda group: ())
    monkeypatch.setattr(plugins, "load", lambda: loaded({"abaw6": abaw6.plugin}))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_DATA", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten recordings, one of them on both sides."""
    for number in range(10):
        write(tmp_path, "Train_Set" if number < 7 else "Validation_Set", f"video{number}", number % 8)
    write(tmp_path, "Validation_Set", "video0", 0)
    return tmp_path / "set"


def write(tmp_path: Path, side: str, name: str, value: int) -> None:
    path = tmp_path / "set" / "EXPR_Set" / side / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{EXPR}\n{value}\n-1\n")


def call(*arguments: Any) -> Result:
    return CliRunner().invoke(data, [str(argument) for argument in arguments])


def test_check_counts_as_json(root: Path) -> None:
    result = call("check", "--task", "expr", "--data", f"aff-wild2={root}", "--json")
    assert result.exit_code == 0, result.output
    (expr,) = json.loads(result.stdout)["tasks"]
    assert (expr["data"], expr["leaks"]) == ("aff-wild2", ["recording video0: video0 in train, video0 in valid"])
    counts = {side: (one["videos"], one["rows"], one["valid_rows"]) for side, one in expr["sides"].items()}
    assert counts == {"train": (7, 14, 7), "valid": (4, 8, 4)}
    assert expr["sides"]["valid"]["labels"]["Neutral"] == {"rows": 2, "videos": 2}


def test_check_prints_tables_leaks_and_notes(root: Path) -> None:
    result = call("check", "--task", "expr", "--data", f"aff-wild2={root}")
    assert result.exit_code == 0, result.output
    for words in ("expr on aff-wild2", "Happiness", "leak: recording video0", "note: no raw video"):
        assert words in result.stdout


def test_check_goes_on_where_a_task_has_no_data(root: Path) -> None:
    result = call("check", "--task", "expr", "--task", "au", "--data", f"aff-wild2={root}", "--json")
    assert isinstance(result.exception, SomeTasksFailed)
    assert "au: " in str(result.exception)
    assert [one["task"] for one in json.loads(result.stdout)["tasks"]] == ["expr"]
    alone = call("check", "--task", "au", "--data", f"aff-wild2={root}")
    assert isinstance(alone.exception, MissingData)


def test_check_ends_at_a_malformed_line(root: Path) -> None:
    (root / "EXPR_Set" / "Train_Set" / "video3.txt").write_text(f"{EXPR}\n1\n9\n")
    result = call("check", "--task", "expr", "--data", f"aff-wild2={root}", "--json")
    assert isinstance(result.exception, UserError)
    assert "video3.txt, line 3: expected" in str(result.exception)


@pytest.mark.parametrize("command", ["check", "folds"])
def test_unknown_names_have_near_names(command: str, root: Path) -> None:
    result = call(command, "--task", "exper", "--data", f"aff-wild2={root}")
    assert isinstance(result.exception, HarnessError)
    assert "Did you mean 'expr'" in str(result.exception)
    result = call(command, "--task", "expr", "--data", f"affwild={root}")
    assert "Did you mean 'aff-wild2'" in str(result.exception)


def test_folds_are_of_one_task(root: Path) -> None:
    result = call("folds", "--task", "all", "--data", f"aff-wild2={root}")
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "--task: expected one of au, ce, emi, expr, va, came 'all'"


def test_folds_are_printed_written_and_hashed(root: Path, tmp_path: Path) -> None:
    options = ("--task", "expr", "--data", f"aff-wild2={root}")
    out = tmp_path / "lists" / "folds.tsv"
    printed, written, as_json = (
        call("folds", *options),
        call("folds", *options, "--out", out),
        call("folds", *options, "--json"),
    )
    assert printed.exit_code == written.exit_code == as_json.exit_code == 0
    found = json.loads(as_json.stdout)
    assert out.read_text() == printed.stdout == "".join(f"{key}\t{fold}\n" for key, fold in found["folds"].items())
    assert sorted(set(found["folds"].values())) == [1, 2, 3, 4, 5]
    assert found["folds"]["train/video0"] == found["folds"]["valid/video0"]
    assert len(found["folds"]) == 11
    assert found["sha256"] in written.stderr


def test_demo_comes_from_the_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from abaw6.demo import sheet as sheet_room
    from abaw6.demo import write as room

    calls: list[Any] = []

    def written(name: str, root: Path, progress: object, seed: int) -> Path:
        calls.append((name, root, seed))
        return root

    def drawn(root: Path, png: Path) -> Path:
        calls.append((root, png))
        return png

    monkeypatch.setattr(room, "write", written)
    monkeypatch.setattr(sheet_room, "sheet", drawn)
    assert "demo" in call("--help").stdout
    root, png = tmp_path / "d", tmp_path / "a.png"
    result = call("demo", root, "--only", "c-expr", "--seed", 7, "--sheet", png)
    assert result.exit_code == 0, result.output
    assert calls == [("c-expr", root / "c-expr", 7), (root / "c-expr", png)]
    assert result.stdout.split() == [str(root / "c-expr"), str(png)]
    call("demo", root, "--only", "c-expr", "--only", "aff-wild2", "--sheet", png)
    assert [one[1].name for one in calls[2:]] == ["c-expr", "a.c-expr.png", "aff-wild2", "a.aff-wild2.png"]
