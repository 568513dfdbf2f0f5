from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from abaw6.cexpr import CExpr
from abaw6.specs import CE
from harness.errors import MissingData
from netease_abaw6.pipeline import NETEASE_ABAW6
from netease_abaw6.variants import VARIANTS

HEADER = ",".join(CE.labels)


def test_labelled_videos_and_the_official_test_videos(disk: Any) -> None:
    disk.text("CE_Recognition_Challenge/Train_Set/clip1.txt", HEADER, "6", "-1")
    disk.text("CE_Recognition_Challenge/Validation_Set/07.txt", HEADER, "0")
    disk.video("C-EXPR-DB/01.mp4")
    disk.video("C-EXPR-DB/07.mp4")
    disk.video("C-EXPR-DB/other.mp4")
    disk.image("cropped_aligned/01/00003.jpg")
    reader = CExpr(disk.root, CE)
    test, train, valid = reader.videos()
    assert [video.key for video in (test, train, valid)] == ["test/01", "train/clip1", "valid/07"]
    assert (test.frames, test.face_F.nonzero()[0].tolist()) == (10, [2])
    assert reader.targets(train)[0].argmax() == 6
    assert np.isnan(reader.targets(train)[1]).all()
    assert np.isnan(reader.targets(test)).all()


def test_without_labels_three_ways_are_named(disk: Any) -> None:
    with pytest.raises(MissingData) as error:
        CExpr(disk.root, CE).videos()
    assert error.value.exit_code == 3
    for way in ("CE_Recognition_Challenge/{Train_Set,Validation_Set}", "RAF-DB", "zero-shot"):
        assert way in str(error.value)
    assert "\n" not in str(error.value)


def test_test_videos_alone_can_be_predicted_and_tell_how_to_train(disk: Any) -> None:
    disk.video("C-EXPR-DB/01.mp4")
    reader = CExpr(disk.root, CE)
    assert [video.key for video in reader.videos()] == ["test/01"]
    commands = re.findall(r"harness run --plugin (\S+) --task ce", reader.how_to_train())
    assert commands == ["netease_abaw6", "netease_abaw6:ce_rafdb", "netease_abaw6:ce_zero_shot"]
    names = {pipeline.name for pipeline in (NETEASE_ABAW6, *VARIANTS)}
    assert {command.rpartition(":")[2] for command in commands} <= names


def test_rafdb_compound_joins_as_training_images(disk: Any) -> None:
    disk.text("CE_Recognition_Challenge/Train_Set/clip1.txt", HEADER, "6")
    disk.text("RAF-DB/compound/EmoLabel/list_patition_label.txt", "train_0001.jpg 8", "test_0001.jpg 11")
    disk.image("RAF-DB/compound/Image/aligned/train_0001_aligned.jpg", grey=50)
    reader = CExpr(disk.root, CE)
    videos = {video.key: video for video in reader.videos()}
    assert sorted(videos) == ["train/clip1", "train/rafdb_test_0001", "train/rafdb_train_0001"]
    image = videos["train/rafdb_train_0001"]
    assert (image.frames, image.face_F.tolist()) == (1, [True])
    assert int(reader.view().images(image, [0])[0].mean()) == 50
    assert reader.targets(image).tolist() == [[1, 0, 0, 0, 0, 0, 0]]
    assert reader.image_counts()["rafdb_train_0001"] == 1
    before = reader.fingerprint()
    disk.text("RAF-DB/compound/EmoLabel/list_patition_label.txt", "train_0001.jpg 1", "test_0001.jpg 11")
    assert reader.fingerprint() != before


def test_rafdb_compound_alone_has_its_own_sides(disk: Any) -> None:
    disk.text("compound/EmoLabel/list_patition_label.txt", "train_0001.jpg 8", "test_0001.jpg 11")
    assert [video.key for video in CExpr(disk.root, CE).videos()] == ["train/rafdb_train_0001", "valid/rafdb_test_0001"]
