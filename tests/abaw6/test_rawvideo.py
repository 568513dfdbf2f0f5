from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abaw6 import rawvideo
from abaw6.rawvideo import frames_at, probe, sound


@pytest.mark.parametrize("fps", [Fraction(15, 2), Fraction(30000, 1001), Fraction(25)])
@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_frames_and_odd_rates(disk: Any, fps: Fraction, suffix: str) -> None:
    found = probe(str(disk.video(f"a.{suffix}", fps=fps)))
    assert found.frames == 10
    assert found.fps == pytest.approx(float(fps), rel=1e-3)
    assert found.seconds == pytest.approx(10 / float(fps), rel=1e-3)


def test_a_varying_rate_is_its_mean(disk: Any) -> None:
    found = probe(str(disk.video("a.mp4", fps=Fraction(100), ticks=(0, 10, 20, 25, 60, 70, 75, 90))))
    assert found.frames == 8
    assert found.fps == pytest.approx(found.frames / found.seconds)
    assert 7 < found.fps < 9.5


def test_frames_are_told_by_time_across_key_frames(disk: Any) -> None:
    path = str(disk.video("a.mp4", fps=Fraction(100), ticks=(0, 10, 20, 25, 60, 70, 75, 90, 95, 99)))
    frames = frames_at(path, 5)
    assert [index for index, _ in frames] == [1, 3, 5, 7, 9]
    assert [abs(float(image.mean()) - 20 * index) < 6 for index, image in frames] == [True] * 5
    assert [index for index, _ in frames_at(path, 99)] == list(range(10))
    assert frames_at(path, 0) == []


def test_late_sound_starts_late(disk: Any) -> None:
    heard = sound(str(disk.video("a.mkv", tone=0.5, late=0.5)))
    assert heard is not None
    assert heard.rate == 16_000
    assert heard.start == pytest.approx(0.5, abs=0.07)  # an AAC frame lasts 64 ms
    assert np.abs(heard.samples_S).max() == pytest.approx(0.5, abs=0.1)


def test_silence_is_sound_and_no_stream_is_none(disk: Any) -> None:
    silent = sound(str(disk.video("silent.mp4", tone=0.0)))
    assert silent is not None
    assert float(np.abs(silent.samples_S).max()) < 1e-3
    assert sound(str(disk.video("mute.mp4"))) is None


def test_what_cannot_be_decoded_has_no_sound_and_no_frames(disk: Any) -> None:
    path = str(disk.text("broken.mp4", "not a film"))
    assert sound(path) is None
    assert frames_at(path, 3) == []
    assert (probe(path).frames, probe(path).fps) == (0, 0.0)


def test_long_sound_is_cut(disk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rawvideo, "LONGEST", 0.25)
    heard = sound(str(disk.video("a.mp4", tone=0.5)))
    assert heard is not None
    assert heard.samples_S.size == 4000


def test_real_clips(test_data: Path) -> None:
    heard = sound(str(test_data / "clips" / "single_face.mp4"))
    assert heard is not None
    assert heard.samples_S.size / heard.rate == pytest.approx(2.4, abs=0.3)
    frames = frames_at(str(test_data / "grid" / "bbaf2n.mpg"), 4)
    assert [index for index, _ in frames] == [9, 28, 46, 65]
    assert {image.shape for _, image in frames} == {frames[0][1].shape}
