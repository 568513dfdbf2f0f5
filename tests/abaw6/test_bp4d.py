from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abaw6.bp4d import Bp4d, read_codes
from abaw6.specs import AU, EXPR
from harness.errors import MissingData, UserError

TABLE = "AUCoding/AU_OCC/F001_T1.csv"
NAN = np.nan


def test_units_match_by_number_and_nine_is_unknown(disk: Any) -> None:
    disk.text(TABLE, "0,1,2,5,12,17", "2440,1,9,1,0,1", "2441,0,1,1,9,1", "2443,1,0,0,1,0")
    for number in (2440, 2443, 2450):
        disk.image(f"2D/F001/T1/{number}.jpg", grey=number - 2400)
    reader = Bp4d(disk.root, AU)
    (video,) = reader.videos()
    assert (video.id, video.group, video.side, video.frames, video.fps) == ("F001_T1", "F001", "train", 4, 25.0)
    assert video.face_F.tolist() == [True, False, False, True]
    target_RL = reader.targets(video)
    known = {
        label: target_RL[:, i].tolist() for i, label in enumerate(AU.labels) if not np.isnan(target_RL[:, i]).all()
    }
    assert known.keys() == {"AU1", "AU2", "AU12"}
    np.testing.assert_array_equal(known["AU1"], [1, 0, NAN, 1])
    np.testing.assert_array_equal(known["AU2"], [NAN, 1, NAN, 0])
    np.testing.assert_array_equal(known["AU12"], [0, NAN, NAN, 1])
    images = reader.view().images(video, [0, 3])
    assert [int(image.mean()) for image in images] == [40, 43]
    assert not reader.demo()


def test_numbers_with_leading_zeros_and_a_subject_without_images(disk: Any) -> None:
    disk.text(TABLE, "0,12", "7,1", "8,0")
    disk.text("AUCoding/AU_OCC/M002_T8.csv", "0,12", "1,1")
    disk.image("f001/T1/0008.jpg")
    first, second = Bp4d(disk.root, AU).videos()
    assert (first.face_F.tolist(), second.face_F.tolist()) == ([False, True], [False])


def test_rows_in_any_order_and_commas_at_the_end(disk: Any) -> None:
    path = disk.text(TABLE, ",1,2,", "3,1,0,", "", "2,0,9,", end="\r\n")
    codes = read_codes(path)
    assert (codes.frame_R.tolist(), codes.code_RA.tolist(), codes.units) == ([2, 3], [[0, 9], [1, 0]], (1, 2))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["0,1,x", "1,1,1"], "line 1: expected AU numbers after the first column, got '0,1,x'"),
        ([], "line 1: expected AU numbers after the first column, got ''"),
        (["0,1", "1,2"], "line 2: expected a frame number and 1 codes 0, 1 or 9, got '1,2'"),
        (["0,1", "a,1"], "line 2: expected a frame number and 1 codes 0, 1 or 9, got 'a,1'"),
        (["0,1,2", "1,1"], "line 2: expected a frame number and 2 codes 0, 1 or 9, got '1,1'"),
    ],
)
def test_a_malformed_table_is_named(disk: Any, lines: list[str], message: str) -> None:
    path = disk.text(TABLE, *lines)
    with pytest.raises(UserError) as error:
        read_codes(path)
    assert str(error.value) == f"{path}, {message}"


def test_a_frame_that_comes_twice(disk: Any) -> None:
    path = disk.text(TABLE, "0,1", "1,1", "1,0")
    with pytest.raises(UserError, match=f"{path}: a frame number comes twice"):
        read_codes(path)


def test_what_is_not_there_and_what_does_not_fit(disk: Any) -> None:
    with pytest.raises(MissingData, match="holds no BP4D: expected 'AUCoding/AU_OCC"):
        Bp4d(disk.root, AU).videos()
    with pytest.raises(UserError, match="BP4D holds action units; task 'expr' has labels that are one_of"):
        Bp4d(disk.root, EXPR)


def test_the_fingerprint_follows_labels_and_media(disk: Any) -> None:
    disk.text(TABLE, "0,12", "7,1")
    first = Bp4d(disk.root, AU).fingerprint()
    disk.text(TABLE, "0,12", "7,0")
    second = Bp4d(disk.root, AU).fingerprint()
    disk.image("F001/T1/7.jpg")
    assert len({first, second, Bp4d(disk.root, AU).fingerprint()}) == 3
