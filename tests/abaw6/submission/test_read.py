from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from abaw6.specs import AU, CE, EMI, EXPR, TASKS, VA
from abaw6.submission import FORMS, OFFICIAL, read
from harness.errors import MissingData, UserError
from harness.scoring.predicted import Predicted, Reading
from harness.types import TaskSpec

NAN = np.nan


def file_of(folder: Path, task: TaskSpec, *rows: str, end: str = "\n", header: str = "") -> Path:
    path = folder / "predictions.txt"
    path.write_bytes("".join(line + end for line in (header or FORMS[task.name].header, *rows)).encode())
    return path


def by_video(path: Path, task: TaskSpec) -> dict[str, Predicted]:
    return {one.video: one for one in read(path, task).videos}


def test_rows_go_to_their_videos_and_frames_in_the_files_order(tmp_path: Path) -> None:
    rows = ("b/00002.jpg,0.5,-1", "a_left/00001.jpg,0.25,0", "b/00001.jpg,-5,-5")
    found = by_video(file_of(tmp_path, VA, *rows), VA)
    assert list(found) == ["b", "a_left"]
    assert found["b"].frame_N is not None
    assert found["b"].frame_N.tolist() == [1, 0]
    np.testing.assert_array_equal(found["b"].scores_NL, np.array([[0.5, -1], [NAN, NAN]], np.float32))
    np.testing.assert_array_equal(found["a_left"].scores_NL, np.array([[0.25, 0]], np.float32))


@pytest.mark.parametrize(
    ("task", "row", "decision"),
    [
        (EXPR, "v/00001.jpg,4", np.eye(8)[4]),
        (CE, "01/00001.jpg,6", np.eye(7)[6]),
        (AU, "v/00001.jpg,1,0,0,0,-1,0,0,0,0,0,0,1", [1, 0, 0, 0, NAN, 0, 0, 0, 0, 0, 0, 1]),
        (EMI, "00072,0,0.5,1,0.25,0,0", [0, 0.5, 1, 0.25, 0, 0]),
    ],
)
def test_values_of_the_other_tracks(tmp_path: Path, task: TaskSpec, row: str, decision: list[float]) -> None:
    predictions = read(file_of(tmp_path, task, row), task)
    np.testing.assert_array_equal(predictions.videos[0].scores_NL, np.array([decision], np.float32))
    assert predictions.decided == (task != EMI)
    assert (predictions.videos[0].frame_N is None) == (task == EMI)


def test_columns_are_matched_by_name_whatever_the_line_ends(tmp_path: Path) -> None:
    header = "\ufeffimage_location,Arousal,Valence"
    found = by_video(file_of(tmp_path, VA, "v/00001.jpg,0.25,0.5", end="\r\n", header=header), VA)
    assert found["v"].scores_NL.tolist() == [[0.5, 0.25]]


def test_a_folder_with_the_one_file_or_with_a_file_per_video(tmp_path: Path) -> None:
    whole, single = tmp_path / "whole", tmp_path / "single"
    for folder in (whole, single):
        folder.mkdir()
    file_of(whole, EXPR, "v/00003.jpg,4")
    assert by_video(whole, EXPR)["v"].scores_NL.argmax(axis=1).tolist() == [4]
    for name, classes in (("v_left", "4\n-1\n"), ("w", "0\n")):
        (single / f"{name}.txt").write_text(",".join(EXPR.labels) + "\n" + classes)
    found = by_video(single, EXPR)
    assert [(name, one.frame_N, len(one.scores_NL)) for name, one in found.items()] == [
        ("v_left", None, 2),
        ("w", None, 1),
    ]
    assert np.isnan(found["v_left"].scores_NL[1]).all()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (("v/00001.jpg,1", "v/00001.jpg,2"), r"line 3: v/00001.jpg came before, in line 2"),
        (("v/00001.jpg,8",), r"line 2: expected one whole number from 0 to 7, or -1 where invalid, got '8'"),
        (("v/00001.jpg",), r"line 2: expected one whole number"),
        (("v/1.jpg,1",), r"line 2: expected a row named <video>/00001.jpg, images counted from 1; got 'v/1.jpg'"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, rows: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(file_of(tmp_path, EXPR, *rows), EXPR)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_another_tracks_file_is_refused(tmp_path: Path, task: TaskSpec) -> None:
    other = VA if task != VA else EXPR
    with pytest.raises(UserError, match="line 1: expected " + FORMS[task.name].header):
        read(file_of(tmp_path, other), task)


def test_what_is_no_submission(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="No predictions at"):
        read(tmp_path / "nothing", VA)
    with pytest.raises(MissingData, match="expected one submission file, or a folder of a file per video"):
        read(tmp_path, VA)
    file_of(tmp_path, VA, "v/00001.jpg,0,0")
    (tmp_path / "more.txt").write_text("valence,arousal\n0,0\n")
    with pytest.raises(UserError, match="holds 2 files, one of them a submission file: expected that one alone"):
        read(tmp_path, VA)


def test_endings_of_any_case(tmp_path: Path) -> None:
    file_of(tmp_path, VA, "v/00001.jpg,0,0").rename(tmp_path / "VA.TXT")
    assert list(by_video(tmp_path, VA)) == ["v"]


def test_nothing_can_be_remapped(tmp_path: Path) -> None:
    path = file_of(tmp_path, VA, "v/00001.jpg,0,0")
    assert len(read(path, VA, Reading(first_frame=1)).videos) == 1
    for reading in (Reading(first_frame=0), Reading(renamed={"v": "valence"})):
        with pytest.raises(UserError, match="nothing can be remapped"):
            read(path, VA, reading)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_files_and_folders_are_recognised_by_names_and_headers(tmp_path: Path, task: TaskSpec) -> None:
    other = VA if task != VA else EXPR
    folder = tmp_path / "videos"
    folder.mkdir()
    assert not OFFICIAL.recognises(folder, task)
    (folder / "video1.txt").write_text(",".join(task.labels) + "\n")
    assert OFFICIAL.recognises(folder, task) == (task != EMI)
    assert not OFFICIAL.recognises(folder / "video1.txt", task)
    path = file_of(tmp_path, task)
    assert OFFICIAL.recognises(path, task)
    assert OFFICIAL.recognises(tmp_path, task)
    assert not OFFICIAL.recognises(path, other)
