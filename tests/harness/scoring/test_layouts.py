from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from table_files import CLIP, MOOD, TABLE, UNITS, read, write

from harness.errors import MissingData, UserError
from harness.scoring.layouts import find_columns
from harness.scoring.predicted import Predictions, Reading
from harness.scoring.tables import open_table


def told(predictions: Predictions) -> dict[str, tuple[object, object]]:
    return {
        one.video: (None if one.frame_N is None else one.frame_N.tolist(), one.scores_NL.tolist())
        for one in predictions.videos
    }


def test_rows_by_video_columns_by_name(tmp_path: Path):
    path = write(
        tmp_path / "a.csv", "Blue,frame,video,RED,extra,green", "0.25,1,b,0.5,9,0", "0,2,a.mp4,1,9,0", "1,2,b,0,9,0"
    )
    found = read(path)
    assert told(found) == {"b": ([0, 1], [[0.5, 0, 0.25], [0, 0, 1]]), "a": ([1], [[1, 0, 0]])}
    assert (found.decided, found.missing, found.unused) == (False, (), ("extra",))


def test_a_file_is_the_video_it_is_named_after(tmp_path: Path):
    for name in ("video49_left.csv", "v.units.csv"):
        write(tmp_path / name, "a,b", "0,1", "1,0")
    assert told(read(tmp_path, UNITS)) == {
        "v": (None, [[0, 1], [1, 0]]),
        "video49_left": (None, [[0, 1], [1, 0]]),
    }


def test_images_tell_video_and_frame(tmp_path: Path):
    path = write(tmp_path / "a.csv", "image_location,x,y", "v_left/00001.jpg,0,1", "crops/w/00012.png,1,0")
    assert told(read(path, MOOD)) == {"v_left": ([0], [[0, 1]]), "w": ([11], [[1, 0]])}
    with pytest.raises(UserError, match=r"line 2: expected an image like VIDEO/00001\.jpg, got '00001\.jpg'"):
        read(write(tmp_path / "b.csv", "image_location,x,y", "00001.jpg,0,1"), MOOD)


def test_a_video_level_task_has_no_frames(tmp_path: Path):
    path = write(tmp_path / "a.csv", "Filename,frame,x,y", "08072,0,0,1", "00001,0,1,0")
    assert told(read(path, CLIP)) == {"08072": (None, [[0, 1]]), "00001": (None, [[1, 0]])}


def test_frames_count_from_what_is_said(tmp_path: Path):
    path = write(tmp_path / "v.csv", "frame,x,y", "5,0,0", "7,0,0")
    frames = {first: read(path, MOOD, Reading(first_frame=first)).videos[0].frame_N for first in (None, 0, 5)}
    assert {first: frame_N.tolist() for first, frame_N in frames.items()} == {None: [4, 6], 0: [5, 7], 5: [0, 2]}


def test_renamed_columns_come_first(tmp_path: Path):
    path = write(tmp_path / "v.csv", "nr,rot,red,green,blue", "1,0.9,0.1,0,0")
    found = read(path, reading=Reading({"rot": "red", "nr": "frame"}))
    assert told(found) == {"v": ([0], [[np.float32(0.9), 0, 0]])}
    assert found.unused == ("red",)
    for renamed, fault in (({"rott": "red"}, "column in .*'rott'"), ({"rot": "rde"}, "label of task 'colour'.*'rde'")):
        with pytest.raises(UserError, match=f"No {fault}"):
            read(path, reading=Reading(renamed))
    with pytest.raises(UserError, match="columns 'rot' and 'green' are both said to be red"):
        read(path, reading=Reading({"rot": "red", "green": "red"}))


def test_labels_without_a_column_are_missing(tmp_path: Path):
    found = read(write(tmp_path / "v.csv", "red,blue,mauve", "0.5,0.1,0.4"))
    assert (found.missing, found.unused) == (("green",), ("mauve",))
    np.testing.assert_array_equal(found.videos[0].scores_NL, np.array([[0.5, np.nan, 0.1]], np.float32))


@pytest.mark.parametrize(
    ("name", "end"), [("v.csv", "\n"), ("v.csv", ""), ("v.csv", "\r\n\n"), ("v.parquet", ""), ("folder", "")]
)
def test_a_table_without_rows_is_named(tmp_path: Path, name: str, end: str):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        write(path / "v.csv", "video,frame,decision")
    elif name == "v.parquet":
        pq.write_table(pa.table({"red": pa.array([], pa.float64())}), path)
    else:
        path.write_text("video,frame,red,green,blue" + end)
    with pytest.raises(UserError, match=r"v\.\w+: expected rows of predictions, got none"):
        read(path)


def test_a_clip_has_one_row(tmp_path: Path):
    path = write(tmp_path / "a.csv", "video,x,y", "08072,0,1", "00001,1,0", "08072.mp4,0,0")
    with pytest.raises(UserError, match=r"a\.csv, line 4: expected one row for a clip; 08072 came before, in line 2$"):
        read(path, CLIP)
    with pytest.raises(UserError, match=r"line 3: expected one row for a clip; 00001 came before, in line 2$"):
        read(write(tmp_path / "00001.csv", "x,y", "0,1", "1,0"), CLIP)
    pq.write_table(pa.table({"video": ["a", "a"], "x": [0.0, 0.5], "y": [0.0, 0.1]}), tmp_path / "w.parquet")
    with pytest.raises(UserError, match=r"w\.parquet, row 2: expected one row for a clip; a came before, in row 1$"):
        read(tmp_path / "w.parquet", CLIP)


def test_faults_of_columns(tmp_path: Path):
    for name, line, fault in (
        ("a", "video,frame,violet", "expected columns named red, green, blue, came video, frame, violet"),
        ("b", "red,RED,green", "columns 'red' and 'RED' both speak of red"),
    ):
        with pytest.raises(UserError, match=fault):
            read(write(tmp_path / f"{name}.csv", line, "1,2,3"))
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(MissingData, match="No tables of predictions"):
        read(folder)
    write(folder / "v.csv", "red,green", "1,0")
    write(folder / "w.csv", "red,blue", "1,0")
    with pytest.raises(UserError, match=r"w\.csv and .*v\.csv do not speak of the same labels: blue, green"):
        read(folder)


def test_only_columns_that_are_needed_are_read(tmp_path: Path):
    """Text in a column that is not used is no fault."""
    path = write(tmp_path / "v.csv", "x,y,comment", "0,1,not a number")
    assert find_columns(TABLE, open_table(path), MOOD, Reading()).unused == ("comment",)
    assert told(read(path, MOOD)) == {"v": (None, [[0, 1]])}
