"""The tool that kills runs: what it calls a difference, that it kills whole groups, and two trials on a tiny world."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from harness.records import write_row
from harness.store import write_whole


def run_left(folder: Path, score: float = 0.5, wall: float = 1.0, prediction: float = 0.25, **more: Any) -> None:
    """The files of a finished run, as far as they are compared."""
    run = folder / "runs" / "expr" / "x[fit.lr=1]@demo" / "0123456789ab"
    write_whole(run / "plan.json", b"{}")
    write_row(run / "official.json", {"schema": 1, "score": score, "cost": {"wall_s": wall}, "env": {}, **more})
    write_whole(run / "model" / "pipeline.json", b"{}")
    pd.DataFrame({"video": ["a"], "score": [prediction]}).to_parquet(run / "official.parquet")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({}, None),
        ({"wall": 2.0}, None),
        ({"score": 0.25}, "official.json: differs in score"),
        ({"seed": 1}, "official.json: differs in seed"),
        ({"prediction": 0.5}, "official.parquet: predictions differ"),
    ],
    ids=str,
)
def test_differences(tool: ModuleType, tmp_path: Path, left: dict[str, Any], said: str | None):
    run_left(tmp_path / "whole")
    run_left(tmp_path / "again", **left)
    found = tool.differences(tool.Place(tmp_path / "again"), tool.Place(tmp_path / "whole"))
    assert [line.removeprefix("runs/expr/x[fit.lr=1]@demo/0123456789ab/") for line in found] == ([said] if said else [])


def test_a_missing_row_is_a_difference(tool: ModuleType, tmp_path: Path):
    run_left(tmp_path / "whole")
    (tmp_path / "again").mkdir()
    found = tool.differences(tool.Place(tmp_path / "again"), tool.Place(tmp_path / "whole"))
    assert [line.rpartition("/")[2] for line in found] == ["official.json: not there", "official.parquet: not there"]


def test_the_kill_takes_the_whole_group(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    child = "import os, subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    monkeypatch.setattr(tool, "HARNESS", child)
    place = tool.Place(tmp_path / "place")
    place.prepare(None)
    assert place.kill_at([], 2.0) is None
    pid = int(place.log.read_text())
    for _ in range(100):
        if not alive(pid):
            break
        time.sleep(0.02)
    else:
        os.kill(pid, signal.SIGKILL)
        pytest.fail("a process of the group outlived the kill")


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not yet collected does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


def test_a_run_that_ends_first_gives_its_time(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tool, "HARNESS", "print('encode image: 3 videos ... done in 0.2 s')")
    place = tool.Place(tmp_path / "place")
    place.prepare(None)
    assert 0 < place.kill_at([], 60.0) < 60
    assert place.steps() == ["encode image: 3 videos"]


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("", "start"),
        ("  to run: official\n", "adapt image (official)"),
        ("  to run: official\nadapt image (official) ... done in 12 s\n", "encode image: 3 videos"),
        (None, "predict, choose, judge, write"),
    ],
    ids=["nothing", "planned", "one step", "all steps"],
)
def test_the_step_that_was_hit(tool: ModuleType, tmp_path: Path, said: str | None, step: str):
    run_left(tmp_path / "whole")
    whole, place = tool.Place(tmp_path / "whole"), tool.Place(tmp_path / "killed")
    log = "  to run: official\nadapt image (official) ... done in 12 s\nencode image: 3 videos ... done in 0.2 s\n"
    whole.log.write_text(log)
    place.prepare(None)
    place.log.write_text(log if said is None else said)
    assert tool.hit(place, whole) == step
    run_left(tmp_path / "killed")
    assert tool.hit(place, whole) == "none: its rows were written"


def test_the_demo_world_keeps_its_time_stamps(tool: ModuleType, tmp_path: Path):
    world = tmp_path / "demo" / "aff-wild2" / "a.jpg"
    write_whole(world, b"face")
    os.utime(world, ns=(10**18 + 1, 10**18 + 7))
    place = tool.Place(tmp_path / "place")
    place.prepare(tmp_path / "demo")
    assert (place.folder / "cache" / "demo" / "aff-wild2" / "a.jpg").stat().st_mtime_ns == 10**18 + 7


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["data", "check"], "expected `run ...` after --"),
        (["run", "--runs", "/elsewhere"], "--runs must be relative"),
        (["run", "--runs=../elsewhere"], "--runs must be relative"),
        (["run", "--task", "expr", "-q"], "leave out -q"),
    ],
    ids=" ".join,
)
def test_refused(tool: ModuleType, capsys: pytest.CaptureFixture[str], command: list[str], said: str):
    with pytest.raises(SystemExit) as ended:
        tool.main(["--", *command])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_two_kills_on_a_tiny_world(repository: Path, tmp_path: Path):
    from abaw6.demo.world import Sizes
    from abaw6.demo.write import write

    faces = write("aff-wild2", tmp_path / "aff-wild2", workers=1, sizes=Sizes(6, 3, 1, (1.0, 1.2)))
    people = write("demo-pretrain", tmp_path / "people", workers=1, sizes=Sizes(2, 0, 0, (0.0, 0.0), stills=8))
    sets = (
        "encoders.image.pretrain_epochs=1", "adapt.image.epochs=1", "adapt.image.samples_per_epoch=64",
        "adapt.audio.epochs=1", "fit.epochs=2",
    )  # fmt: skip
    command = [
        "run", "--plugin", "netease_abaw6", "--task", "expr", "--threads", "1",
        "--data", f"aff-wild2={faces}", "--data", f"demo-pretrain={people}",
        *(word for one in sets for word in ("--set", one)),
    ]  # fmt: skip
    path = os.pathsep.join(str(repository / folder) for folder in (".", "plugins", "tasks"))
    done = subprocess.run(
        [sys.executable, str(repository / "tests" / "kill_trials.py"), "--times", "2", "--seed", "0", "--", *command],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.endswith("| yes |")]
    assert [len(row) for row in rows] == [6, 6]
    assert done.stdout.rstrip().endswith("2 of 2 as if never killed.")
