from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from harness.media import VideoFile
from netease_abaw6.retinaface import RetinaFace
from netease_abaw6.yunet import YuNet, face_of

CLIPS = ("bbaf2n.mpg", "sbia1a.mpg", "id2_vcd_swwp2s.mpg", "single_face.mp4", "face_noface.mov")


@pytest.fixture(scope="module")
def yunet(test_data: Path) -> YuNet:
    pytest.importorskip("cv2", reason="OpenCV is not installed (extra: opencv)")
    return YuNet(test_data / "weights" / "yunet_n_640_640.onnx", max_side=320)


@pytest.mark.parametrize(("clip", "frames"), [("sbia1a.mpg", 75), ("face_noface.mov", 72)])
def test_a_face_is_found_in_every_frame_that_has_one(test_data: Path, yunet: YuNet, clip: str, frames: int):
    images = [frame.image for frame in VideoFile(next(test_data.rglob(clip)))]
    seen = [index for index, faces in enumerate(yunet(images)) if faces]
    assert seen[:frames] == list(range(frames))
    assert all(index < frames + 2 for index in seen)


@pytest.mark.slow
def test_presence_agrees_with_retinaface_in_98_of_100_frames(test_data: Path, yunet: YuNet):
    retinaface = RetinaFace(test_data / "weights" / "retinaface_mnet025_1mb.pth", max_side=320)
    images = [frame.image for clip in CLIPS for frame in VideoFile(next(test_data.rglob(clip)))]
    agree = [bool(a) == bool(b) for a, b in zip(yunet(images), retinaface(images), strict=True)]
    assert len(agree) == 75 + 75 + 75 + 72 + 169
    assert sum(agree) >= 0.98 * len(agree)


def test_a_face_lies_where_it_is(test_data: Path, yunet: YuNet):
    face = yunet([next(iter(VideoFile(test_data / "grid" / "sbia1a.mpg"))).image])[0][0]
    assert (face.box.x0, face.box.y0, face.box.x1, face.box.y1) == pytest.approx((130, 95, 234, 241), abs=8)
    assert face.points_52 is not None
    assert face.points_52[0, 0] < face.points_52[1, 0]


def test_an_empty_frame_has_no_face(yunet: YuNet):
    assert yunet([np.zeros((100, 80, 3), np.uint8)]) == [[]]


def test_a_row_is_scaled_back_to_the_frame():
    row_15 = np.array([1, 2, 3, 4, *range(10), 0.75], dtype=np.float32)
    face = face_of(row_15, np.array([2, 10], dtype=np.float32))
    assert (face.box.x0, face.box.y0, face.box.x1, face.box.y1, face.score) == (2, 20, 8, 60, 0.75)
    assert face.points_52 is not None
    assert face.points_52.tolist() == [[0, 10], [4, 30], [8, 50], [12, 70], [16, 90]]


def test_without_opencv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UserError, match=r"abaw-harness\[opencv\]"):
        YuNet(tmp_path / "any.onnx")
