from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from abaw6.affwild2 import AffWild2
from abaw6.specs import AU, EXPR, VA
from harness.errors import MissingData, UserError

HEADER = ",".join(EXPR.labels)
EXPR_TRAIN = "6th_ABAW_Annotations/EXPR_Recognition_Challenge/Train_Set"
EXPR_VALID = "6th_ABAW_Annotations/EXPR_Recognition_Challenge/Validation_Set"


def reader(disk: Any, partial_rows: str = "any") -> AffWild2:
    return AffWild2(disk.root, EXPR, partial_rows)


def test_the_label_file_rules_the_frames(disk: Any) -> None:
    disk.text(f"{EXPR_TRAIN}/video1.txt", HEADER, "4", "-1", "0")  # three rows; the film has ten frames
    for number in (1, 3, 4, 7):  # no face in frame 2, images beyond the last row
        disk.image(f"cropped_aligned/video1/{number:05d}.jpg")
    disk.video("batch1/video1.mp4", fps=Fraction(15, 2))
    (video,) = reader(disk).videos()
    assert (video.id, video.group, video.side, video.frames) == ("video1", "video1", "train", 3)
    assert video.face_F.tolist() == [True, False, True]
    assert video.fps == pytest.approx(7.5, rel=1e-3)
    assert reader(disk).image_counts() == {"video1": 4}
    target_RL = reader(disk).targets(video)
    assert target_RL.shape == (3, 8)
    assert np.isnan(target_RL).all(axis=1).tolist() == [False, True, False]


def test_rows_beyond_the_images_have_no_face(disk: Any) -> None:
    disk.text(f"{EXPR_TRAIN}/video1.txt", HEADER, *"12345")
    disk.image("cropped_aligned/video1/00002.jpg")
    (video,) = reader(disk).videos()
    assert video.face_F.tolist() == [False, True, False, False, False]


def test_left_and_right_share_one_recording(disk: Any) -> None:
    disk.text(f"{EXPR_TRAIN}/9-15-1920x1080_left.txt", HEADER, "1")
    disk.text(f"{EXPR_VALID}/9-15-1920x1080_right.txt", HEADER, "2")
    disk.image("cropped_aligned/cropped_aligned/9-15-1920x1080_left/00001.jpg", grey=10)
    disk.image("cropped_aligned/cropped_aligned_new_50_vids/9-15-1920x1080_right/00001.jpg", grey=200)
    disk.video("batch2/9-15-1920x1080.avi", fps=Fraction(20))
    left, right = reader(disk).videos()
    assert (left.id, right.id) == ("9-15-1920x1080_left", "9-15-1920x1080_right")
    assert left.group == right.group == "9-15-1920x1080"
    assert left.fps == right.fps == pytest.approx(20)
    view = reader(disk).view()
    assert [int(view.images(video, [0])[0].mean()) for video in (left, right)] == [10, 200]
    assert len(view.scene(right, 2)) == 2


def test_one_id_on_both_sides_is_two_videos(disk: Any) -> None:
    disk.text(f"{EXPR_TRAIN}/122-60-1920x1080-1.txt", HEADER, "1", "1")
    disk.text(f"{EXPR_VALID}/122-60-1920x1080-1.txt", HEADER, "2")
    train, valid = reader(disk).videos()
    assert [train.key, valid.key] == ["train/122-60-1920x1080-1", "valid/122-60-1920x1080-1"]
    assert [reader(disk).targets(v).argmax(axis=1).tolist() for v in (train, valid)] == [[1, 1], [2]]


def test_names_match_whole_and_strays_are_left_out(disk: Any) -> None:
    disk.text(f"{EXPR_TRAIN}/video1.txt", HEADER, "1", end="\r\n")
    disk.text(f"{EXPR_TRAIN}/.DS_Store", "x")
    disk.text(f"{EXPR_TRAIN}/._video1.txt", "x")
    disk.text(f"{EXPR_TRAIN}/readme.md", "x")
    disk.image("cropped_aligned/video10/00001.jpg")
    disk.text("cropped_aligned/video10/Thumbs.db", "x")
    disk.video("batch1/video10.mp4", fps=Fraction(12))
    (video,) = reader(disk).videos()
    assert (video.id, video.fps, video.face_F.tolist()) == ("video1", 30.0, [False])
    assert reader(disk).notes() == ("no raw video, so 30 frames per second assumed: train/video1",)


def test_test_videos_have_the_raw_videos_frames_and_no_labels(disk: Any) -> None:
    disk.text(f"{EXPR_TRAIN}/video1.txt", HEADER, "1")
    names = "names_of_videos_in_each_test_set/Expression_Recognition_Challenge_test_set_release.txt"
    disk.text(names, "video2_left", "", "video2_left", "gone", end="\r\n")
    disk.video("batch1/video2.mp4")
    disk.image("cropped_aligned/video2_left/00004.jpg")
    test, _ = reader(disk).videos()
    assert (test.key, test.group, test.frames, test.face_F.sum()) == ("test/video2_left", "video2", 10, 1)
    target_RL = reader(disk).targets(test)
    assert target_RL.shape == (10, 8)
    assert np.isnan(target_RL).all()
    assert "left out, as they have no frames: test/gone" in reader(disk).notes()


def test_three_tracks_read_their_own_folders(disk: Any) -> None:
    disk.text("Third ABAW Annotations/VA_Set/Training_Set/451.txt", "valence,arousal", "0.5,-0.5", "-5,-5")
    units = ",".join(AU.labels)
    disk.text("Third ABAW Annotations/AU_Set/Train_Set/451.txt", units, "-1" + ",1" * 11)
    (va,) = AffWild2(disk.root, VA).videos()
    assert AffWild2(disk.root, VA).targets(va)[0].tolist() == [0.5, -0.5]
    (au,) = AffWild2(disk.root, AU).videos()
    known = {
        policy: int(np.isfinite(AffWild2(disk.root, AU, policy).targets(au)).sum()) for policy in ("any", "all", "mask")
    }
    assert known == {"any": 0, "all": 12, "mask": 11}
    with pytest.raises(MissingData, match=r"no labels of expression recognition.*EXPR_"):
        reader(disk).videos()


def test_a_wrong_policy_and_a_malformed_line_are_one_line(disk: Any) -> None:
    with pytest.raises(UserError, match="Did you mean 'mask'"):
        reader(disk, "masks")
    path = disk.text(f"{EXPR_TRAIN}/video1.txt", HEADER, "1", "happy")
    (video,) = reader(disk).videos()
    with pytest.raises(UserError, match=rf"{path}, line 3: expected one whole number from 0 to 7.*got 'happy'"):
        reader(disk).targets(video)


def test_labels_are_read_anew_at_each_call(disk: Any) -> None:
    path = disk.text(f"{EXPR_TRAIN}/video1.txt", HEADER, "1")
    mine = reader(disk)
    (video,) = mine.videos()
    assert mine.targets(video).argmax() == 1
    path.write_text(f"{HEADER}\n5\n")
    assert mine.targets(video).argmax() == 5


def test_demo_says_its_marker(disk: Any) -> None:
    assert not reader(disk).demo()
    disk.text("demo.json", "{}")
    assert reader(disk).demo()
