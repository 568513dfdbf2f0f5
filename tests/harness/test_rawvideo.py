from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from harness.errors import MissingData
from harness.rawvideo import CROP, mean_rate, read, stretches
from harness.types import Box, Face, Image


class Corner:
    """A face in the upper left corner of every frame but `without`; two faces where `twice`."""

    name, weights_sha256 = "corner", ""

    def __init__(self, without: tuple[int, ...] = (), twice: bool = False) -> None:
        self.without, self.twice, self.batches = without, twice, []

    def __call__(self, images: list[Image]) -> list[list[Face]]:
        first = sum(self.batches)
        self.batches.append(len(images))
        faces = [Face(Box(0, 0, 16, 16), 0.9)] + [Face(Box(40, 0, 50, 10), 0.8)] * self.twice
        return [[] if first + i in self.without else faces for i in range(len(images))]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """20 frames at 10 fps that grow brighter."""
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuv420p", 2_000_000
        for i in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 + 10 * i, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_clip_becomes_a_video_and_its_view(clip: Path):
    detector = Corner(without=(4, 5, 19))
    with read(clip, detector, transcript="hello") as raw:
        assert detector.batches == [16, 4]
        assert (raw.video.id, raw.video.frames, raw.video.fps) == ("clip", 20, pytest.approx(10))
        assert np.flatnonzero(~raw.video.face_F).tolist() == [4, 5, 19]
        assert raw.faceless == [(4, 5), (19, 19)]
        crops = raw.view.images(raw.video, [18, 0, 7])  # in the order asked for
        assert {crop.shape for crop in crops} == {(CROP, CROP, 3)}
        assert [crop.mean() for crop in crops] == pytest.approx([190, 10, 80], abs=4)
        assert raw.view.text(raw.video) == "hello"
        assert raw.view.audio(raw.video) is None


def test_scene_frames_are_whole_spread_and_show_every_face(clip: Path):
    with read(clip, Corner(twice=True)) as raw:
        frames = raw.view.scene(raw.video, 3)
        assert [frame.image.mean() for frame in frames] == pytest.approx([10, 110, 200], abs=4)
        assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
        assert frames[0].boxes == (Box(0, 0, 16, 16), Box(40, 0, 50, 10))
        assert len(raw.view.scene(raw.video, 99)) == 20


def test_a_clip_without_any_face_is_an_error_that_names_the_detector(clip: Path):
    with pytest.raises(MissingData, match="'corner' finds no face in any of its 20 frames"):
        read(clip, Corner(without=tuple(range(20))))


def test_the_rate_comes_from_the_times():
    assert mean_rate([0, 0.1, 0.4, 0.5], header_rate=25) == pytest.approx(6)
    assert mean_rate([0], header_rate=25) == 25


def test_stretches_are_runs_of_false():
    assert stretches([False, True, False, False]) == [(0, 0), (2, 3)]
    assert stretches([True]) == []
