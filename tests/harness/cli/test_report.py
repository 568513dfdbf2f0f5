from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness import plugins
from harness.cli.report import report
from harness.errors import MissingData, UserError


@pytest.fixture
def run(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a finished run of the tiny world, whose plugin is the one loaded."""
    world = tiny("colour")
    row = world.row(sets={"adapt.image": None, "fit.epochs": 1}, command=f"harness run --data tiny={world.root}")
    monkeypatch.setattr(plugins, "load", lambda: world.plugins)
    (folder,) = (world.folder / "runs/colour").glob(f"*/{row['run']}")
    return folder


def make(*words: object) -> Result:
    return CliRunner().invoke(report, [str(word) for word in words], catch_exceptions=False)


def test_the_page_lies_in_the_runs_folder_and_its_path_is_printed(run: Path, own_home: Path):
    done = make(run, "--data", f"tiny={own_home / 'data/colour'}")
    assert done.stdout == f"{run / 'report.html'}\n"
    assert "do not share it" in done.stderr
    assert b'id="do-not-share"' in (run / "report.html").read_bytes()


def test_a_folder_that_holds_one_run_will_do_and_out_says_where(run: Path, own_home: Path):
    done = make(run.parent, "-q", "--out", own_home / "new" / "page.html")
    assert done.stdout == f"{own_home / 'new' / 'page.html'}\n"
    assert done.stderr == ""
    assert (own_home / "new" / "page.html").read_bytes().startswith(b"<!DOCTYPE html>")
    assert not (run / "report.html").exists()


def test_without_the_data_the_page_is_made_and_it_is_said(run: Path):
    done = make(run)
    assert done.exit_code == 0
    assert "without truth: No plugin has a made-up stand-in for 'tiny'" in done.stderr
    assert b"Made without the truth" in (run / "report.html").read_bytes()


def test_a_page_to_share_has_a_name_of_its_own_and_folders_of_this_machine_are_pointed_out(run: Path, own_home: Path):
    done = make(run, "--share", "--data", f"tiny={own_home / 'data/colour'}")
    assert done.stdout == f"{run / 'report.share.html'}\n"
    assert f"look before you share: command names a folder of this machine: harness run --data tiny={own_home}" in (
        done.stderr
    )
    page = (run / "report.share.html").read_bytes()
    assert b'id="confusion"' in page
    assert b"image/jpeg" not in page


def test_mistakes_are_one_line(run: Path):
    with pytest.raises(MissingData, match=r"No split 'fold-1' in .*; it has official") as missing:
        make(run, "--split", "fold-1")
    assert missing.value.exit_code == 3
    with pytest.raises(UserError, match="No split is called 'fold1'") as unknown:
        make(run, "--split", "fold1")
    assert unknown.value.exit_code == 2
    with pytest.raises(MissingData, match="No run at gone"):
        make("gone")
    with pytest.raises(UserError, match="--data: expected NAME=PATH"):
        make(run, "--data", "colour")
