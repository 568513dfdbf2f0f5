from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image as Pillow

import abaw6.plugin
from harness import plugins
from harness.audit import near
from harness.cli import audit as room
from harness.cli.data import data
from harness.errors import MissingData, SomeTasksFailed, UserError

EXPR = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five recordings of two frames each, the picture of video1 again in video4's crops, on the other side."""
    loaded = plugins.load
    monkeypatch.setattr(plugins, "entry_points", lambda group: ())
    monkeypatch.setattr(plugins, "load", lambda: loaded({"abaw6": abaw6.plugin}))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    root = tmp_path / "set"
    for number in range(5):
        labels = root / "EXPR_Set" / ("Train_Set" if number < 3 else "Validation_Set") / f"video{number}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text(f"{EXPR}\n{number}\n-1\n")
        for frame in (1, 2):
            blots = np.random.default_rng([number, frame]).integers(0, 256, (10, 10, 3), dtype=np.uint8)
            path = root / "cropped_aligned" / f"video{number}" / f"{frame:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Pillow.fromarray(blots).resize((48, 48), Pillow.Resampling.BICUBIC).save(path, quality=95)
    crops = root / "cropped_aligned"
    Pillow.open(crops / "video1" / "00002.jpg").resize((60, 60)).save(crops / "video4" / "00001.jpg", quality=70)
    return root


def call(*arguments: Any) -> Result:
    return CliRunner().invoke(data, ["audit", *(str(argument) for argument in arguments)])


def test_it_prints_and_writes_what_it_finds(root: Path, tmp_path: Path) -> None:
    files = (tmp_path / "out" / "audit.json", tmp_path / "out" / "audit.html")
    words = ("--task", "expr", "--data", f"aff-wild2={root}", "--threads", 1)
    result = call(*words, "--json", files[0], "--out", files[1])
    assert result.exit_code == 0, result.output
    told = json.loads(files[0].read_text())
    (expr,) = told["tasks"]
    (pair,) = expr["duplicates"]["pairs"]
    assert pair["videos"] == ["train/video1", "valid/video4"]
    (sample,) = pair["samples"]
    assert sample == ["cropped_aligned/video1/00002.jpg", "cropped_aligned/video4/00001.jpg"]
    assert (told["schema"], told["missing"]) == (1, {})
    for said in ("share pictures across train/valid", "train/video1", "1 pair of videos, of 10 face images"):
        assert said in result.stdout
    assert "cropped_aligned/video4/00001.jpg" in files[1].read_text()


def test_what_was_hashed_is_not_opened_again(root: Path) -> None:
    words = ("--task", "expr", "--data", f"aff-wild2={root}")
    first = call(*words)
    assert "hash frames: 5 videos" in first.stderr
    again = call(*words)
    assert "hash frames" not in again.stderr
    assert again.stdout == first.stdout


def test_tasks_share_the_hashes_of_their_images(root: Path) -> None:
    folders = root / "EXPR_Set", root / "VA_Set"
    shutil.copytree(*folders)
    for path in folders[1].glob("*/*.txt"):
        path.write_text("valence,arousal\n0.5,0.5\n0.25,-0.5\n")
    result = call("--task", "expr", "--task", "va", "--data", f"aff-wild2={root}")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("hash frames") == 1


def test_a_task_without_data_is_named_and_the_others_are_written(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "audit.json"
    result = call("--task", "expr", "--task", "au", "--data", f"aff-wild2={root}", "--json", out)
    assert isinstance(result.exception, SomeTasksFailed)
    assert list(json.loads(out.read_text())["missing"]) == ["au"]
    alone = call("--task", "au", "--data", f"aff-wild2={root}", "--json", tmp_path / "none.json")
    assert isinstance(alone.exception, MissingData)
    assert not (tmp_path / "none.json").exists()


def test_mistakes_are_said_before_any_work(root: Path) -> None:
    assert room.FARTHEST == near.FARTHEST
    result = call("--distance", 9)
    assert result.exit_code == 2
    assert "9 is not in the range 0<=x<=6" in result.output
    result = call("--task", "exper", "--data", f"aff-wild2={root}")
    assert isinstance(result.exception, UserError)
    assert "Did you mean 'expr'" in str(result.exception)
