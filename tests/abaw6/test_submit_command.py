"""`harness submit` from the command line; what its rooms do is tested in tests/abaw6/submission."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import abaw6.plugin
from abaw6.submission.fill import RULE
from abaw6.submission.form import FORMS
from abaw6.submit_command import submit
from harness.errors import MissingData, UserError
from harness.records import write_row

VA = FORMS["va"].header


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished VA run on three frames of `v`, the second of them out of range."""
    folder = tmp_path / "run0"
    table = pd.DataFrame({"video": "test/v", "frame": [1, 2, 3], "part": 0})
    table["score valence"] = np.array([0.1, 1.5, 0.5], np.float32)
    table["score arousal"] = np.array([0, 0.25, 0.5], np.float32)
    folder.mkdir()
    table.to_parquet(folder / "test.parquet")
    heading = {"system": "linear", "profile": "demo", "seed": 0, "run": "run0", "partial": "limited"}
    about = {"task": "va", "labels": ["valence", "arousal"], "split": "test", "data": {"name": "demo"}}
    write_row(folder / "test.json", {"schema": 1, **heading, **about})
    return folder


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Frames 1, 2 and 4 of `v` and one of `w`."""
    path = tmp_path / "CVPR_6th_ABAW_VA_test_set_sample.txt"
    path.write_text(f"{VA}\nv/00001.jpg\nv/00002.jpg\nv/00004.jpg\nw/00001.jpg\n")
    return path


def submitted(*words: str | Path) -> Result:
    return CliRunner().invoke(submit, [*map(str, words), "-q"], catch_exceptions=False)


def checked(*words: str | Path) -> tuple[str, str]:
    """What was printed, and the error."""
    done = CliRunner().invoke(submit, ["--check", *map(str, words), "-q"])
    assert isinstance(done.exception, UserError), done.exception
    return done.stdout, str(done.exception)


def test_it_is_a_command() -> None:
    cli = click.Group("harness")
    abaw6.plugin.add_commands(cli)
    assert cli.commands["submit"] is submit


def test_a_run_becomes_the_file_of_its_template(run: Path, template: Path, tmp_path: Path) -> None:
    out = tmp_path / "sent"
    done = submitted(run, "--template", template, "--out", out)
    assert (out / "va.txt").read_bytes().decode() == (
        f"{VA}\nv/00001.jpg,0.1,0.0\nv/00002.jpg,1.0,0.25\nv/00004.jpg,0.5,0.5\nw/00001.jpg,0.7,0.25\n"
    )
    assert done.stdout.splitlines() == [
        f"{out / 'va.txt'}",
        "va: linear@demo seed 0, run run0, split test, on demo data",
        "the run is partial: limited",
        "4 rows asked for, 2 predicted",
        "1 filled with the nearest predicted frame: v (1)",
        "1 filled with the mean of the run, 0.7,0.25: w (1)",
        "not asked for: 1 predicted row",
        "clipped into the range of the task: 1 row",
        "checked against the template: nothing to object to",
    ]
    assert submitted("--check", out, "--template", template).stdout == (
        f"{out / 'va.txt'} (va): nothing to object to; rows and order as in the template\n"
    )


def test_what_was_done_as_json(run: Path, template: Path, tmp_path: Path) -> None:
    told = json.loads(submitted(run, "--template", template, "--out", tmp_path / "sent", "--json").stdout)
    assert told["filled"] == {"rule": RULE, "nearest": {"v": 1}, "mean": {"w": 1}, "mean_value": "0.7,0.25"}
    assert (told["rows"], told["predicted"], told["unasked"], told["clipped"]) == (4, 2, 1, 1)
    assert (told["run"]["run"], told["data"]) == ("run0", "demo")


def test_findings_are_shown_by_sort_and_end_in_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "predictions.txt"
    path.write_text(f"{VA}\n" + "".join(f"v/{i:05d}.jpg,0,2\n" for i in range(1, 9)) + "v/00001.jpg,0,0\n")
    shown, error = checked(path)
    lines = shown.splitlines()
    assert lines[0] == f"{path} (va):"
    assert lines[1] == "  line 2: value: expected 2 numbers from -1 to 1; got '2'"
    assert lines[6:] == [
        "  line 10: duplicate: expected each name once; got v/00001.jpg again, after line 2",
        "  value: 3 more",
        "  no template: rows and their order not checked",
    ]
    assert error == f"9 findings in {path}"
    assert UserError.exit_code == 2


def test_findings_as_json(tmp_path: Path, template: Path) -> None:
    path = tmp_path / "predictions.txt"
    path.write_text(f"{VA}\nv/00001.jpg,0,0\nv/00002.jpg,0,0\nv/00004.jpg,0,0\n")
    [told] = json.loads(checked(path, "--template", template, "--json")[0])
    assert (told["task"], told["template"]) == ("va", str(template))
    assert [(one["line"], one["what"]) for one in told["findings"]] == [(4, "count"), (4, "missing")]


def test_the_track_is_known_by_the_header_or_told(tmp_path: Path) -> None:
    path = tmp_path / "predictions.txt"
    path.write_text("Image,Neutral,Anger,Disgust\nv/00001.jpg,1\n")
    assert "(expr):\n  line 1: header" in checked(path)[0]
    path.write_text("v/00001.jpg,1\n")
    shown, error = checked(path)
    assert shown == (
        f"{path}:\n  line 1: header: expected that of one of va, expr, au, ce, emi (--task says which file it is to "
        "be); got 'v/00001.jpg,1'\n"
    )
    assert error == f"1 finding in {path}"
    assert checked(path, "--task", "expr")[1] == f"1 finding in {path}"
    assert "Did you mean 'expr'" in checked(path, "--task", "exprs")[1]


def test_a_folder_of_files_each_with_its_template(tmp_path: Path, template: Path) -> None:
    sent = tmp_path / "sent"
    sent.mkdir()
    (sent / "va.txt").write_text(template.read_text().replace(".jpg", ".jpg,0,0"))
    (sent / "emi.csv").write_text(f"{FORMS['emi'].header}\n00001,0,0,0,0,0,2\n")
    shown, error = checked(sent, "--template", template)
    assert f"{sent / 'va.txt'} (va): nothing to object to; rows and order as in the template" in shown
    assert error == f"1 finding in {sent / 'emi.csv'}"
    (sent / "va.txt").unlink()
    assert f"{template} is the template of none of these files" in checked(sent, "--template", template)[1]


def test_a_file_of_no_track_does_not_keep_others_from_being_checked(tmp_path: Path, template: Path) -> None:
    sent = tmp_path / "sent"
    sent.mkdir()
    (sent / "README.txt").write_text("Our predictions\n")
    (sent / "empty.csv").touch()
    (sent / "va.TXT").write_text(f"{VA}\nv/00001.jpg,0,2\n")
    (sent / "folder.txt").mkdir()
    shown, error = checked(sent)
    assert f"{sent / 'README.txt'}:\n  line 1: header: expected that of one of va" in shown
    assert f"{sent / 'empty.csv'}:\n  line 1: header: expected that of one of va" in shown
    assert f"{sent / 'va.TXT'} (va):\n  line 2: value: expected 2 numbers from -1 to 1; got '2'" in shown
    assert error == f"3 findings in {sent / 'README.txt'}, {sent / 'empty.csv'}, {sent / 'va.TXT'}"
    told = json.loads(checked(sent, "--json")[0])
    assert [(Path(one["file"]).name, one["task"], len(one["findings"])) for one in told] == [
        ("README.txt", None, 1),
        ("empty.csv", None, 1),
        ("va.TXT", "va", 1),
    ]
    assert told[1]["findings"][0]["came"] == "an empty file"
    (sent / "va.TXT").unlink()
    shown, error = checked(sent, "--template", template, "--json")
    assert "is the template of none of these files" in error
    assert [one["task"] for one in json.loads(shown)] == [None, None]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("RUN",), "Expected RUN --template FILE --out DIR, or --check PATH"),
        (("RUN", "--template", "t", "--template", "u", "--out", "o"), "Expected RUN --template FILE"),
        ((), "Expected RUN --template FILE"),
        (("--check", "f", "--out", "o"), "--check looks at finished files: leave out --out"),
        (("RUN", "--check", "f"), "leave out RUN"),
    ],
)
def test_words_that_do_not_go_together(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        submitted(*words)


def test_nothing_there(tmp_path: Path, run: Path) -> None:
    for words, said in (
        (("--check", tmp_path / "none"), "Nothing to check at"),
        (("--check", run), "holds no .txt or .csv file to check"),
        ((tmp_path / "none", "--template", "t", "--out", tmp_path), "No run at"),
        ((run, "--template", tmp_path / "none", "--out", tmp_path), "No template at"),
    ):
        with pytest.raises(MissingData, match=said):
            submitted(*words)
