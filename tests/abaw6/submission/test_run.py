from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abaw6.submission.run import read_run
from harness.errors import MissingData, UserError


def test_scores_by_video_in_order_of_frame(make_run, scores_for) -> None:
    scores = {"v2": scores_for("va", 3, 1), "v1_left": scores_for("va", 2, 2)}
    folder = make_run("va", scores, drop=(("v2", 2),))
    table = pd.read_parquet(folder / "test.parquet")
    table.iloc[::-1].to_parquet(folder / "test.parquet")
    run = read_run(folder, "test")
    assert {name: one.frame_N.tolist() for name, one in run.videos.items()} == {"v1_left": [0, 1], "v2": [0, 2]}
    np.testing.assert_array_equal(run.videos["v2"].scores_NL, scores["v2"][[0, 2]])


def test_a_row_without_a_score_is_not_there(make_run, scores_for) -> None:
    scores_RL = scores_for("au", 3, 1)
    scores_RL[1, 4] = np.nan
    assert read_run(make_run("au", {"v": scores_RL}), "test").videos["v"].frame_N.tolist() == [0, 2]


def test_a_clip_is_its_one_row(make_run, scores_for) -> None:
    run = read_run(make_run("emi", {"00072": scores_for("emi", 1, 1)}), "test")
    assert run.videos["00072"].frame_N.tolist() == [0]


def test_one_id_of_two_sides_is_refused(make_run, scores_for) -> None:
    folder = make_run("va", {"v": scores_for("va", 2, 1)}, split="fold-1")
    table = pd.read_parquet(folder / "fold-1.parquet")
    pd.concat([table, table.assign(video="train/v")]).to_parquet(folder / "fold-1.parquet")
    with pytest.raises(UserError, match=r"v is there of two sides \(train and valid\)"):
        read_run(folder, "fold-1")


def test_the_one_run_in_a_folder(make_run, scores_for) -> None:
    folder = make_run("va", {"v": scores_for("va", 2, 1)})
    assert read_run(folder.parent, "test").row["run"] == "run0"
    shutil.copytree(folder, folder.parent / "run1")
    with pytest.raises(UserError, match=r"linear@demo holds 2 runs, expected one of: .*run0, .*run1"):
        read_run(folder.parent, "test")


def test_what_is_missing_is_said(make_run, scores_for, tmp_path: Path) -> None:
    folder = make_run("va", {"v": scores_for("va", 2, 1)}, split="official")
    with pytest.raises(MissingData, match=f"No finished split 'test' in {folder}; it has official"):
        read_run(folder, "test")
    with pytest.raises(MissingData, match=r"No finished split in .*; runs lie in runs/"):
        read_run(tmp_path / "runs", "test")
    with pytest.raises(MissingData, match="No run at"):
        read_run(tmp_path / "nowhere", "test")


def test_a_run_of_another_task_is_refused(make_run, scores_for) -> None:
    folder = make_run("va", {"v": scores_for("va", 2, 1)})
    row = folder / "test.json"
    row.write_text(row.read_text().replace('"va"', '"mine"'))
    with pytest.raises(UserError, match="No task with an official submission file is called 'mine'"):
        read_run(folder, "test")
    with pytest.raises(UserError, match="expected the labels valence, arousal; got arousal, valence"):
        read_run(make_run("va", {"v": scores_for("va", 2, 1)}, labels=["arousal", "valence"]), "test")
