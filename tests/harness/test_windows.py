from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.types import Audio, AudioInput, Video
from harness.windows import windows

SPEC = AudioInput(rate=100, window=1.0, hop=1.0)


def video(seconds: float = 10.0) -> Video:
    return Video("v", "g", "train", round(seconds * 10), 10.0, np.ones(round(seconds * 10), bool))


def heard(seconds: float, rate: int = 100, start: float = 0.0) -> Audio:
    return Audio(np.arange(1, round(seconds * rate) + 1, dtype=np.float32) / 1e4, rate, start)


def test_whole_windows_and_their_seconds():
    samples_NS, times_N2 = windows(heard(3), SPEC, video())
    assert (samples_NS.reshape(-1).numpy() == heard(3).samples_S).all()
    assert times_N2.tolist() == [[0, 1], [1, 2], [2, 3]]


def test_the_last_one_is_padded_with_silence():
    samples_NS, times_N2 = windows(heard(2.3), SPEC, video())
    assert samples_NS.shape == (3, 100)
    assert samples_NS[2, :30].all()
    assert not samples_NS[2, 30:].any()
    assert times_N2.tolist() == [[0, 1], [1, 2], [2, 3]]


def test_sound_shorter_than_a_window():
    samples_NS, times_N2 = windows(heard(0.2), SPEC, video())
    assert samples_NS.shape == (1, 100)
    assert int((samples_NS != 0).sum()) == 20
    assert times_N2.tolist() == [[0, 1]]


def test_overlapping_windows():
    samples_NS, times_N2 = windows(heard(2), AudioInput(100, window=1.0, hop=0.5), video())
    assert times_N2.tolist() == [[0, 1], [0.5, 1.5], [1, 2]]
    assert (samples_NS[1].numpy() == heard(2).samples_S[50:150]).all()


@pytest.mark.parametrize("audio", [None, Audio(np.zeros(0, np.float32), 100)])
def test_silence(audio):
    samples_NS, times_N2 = windows(audio, SPEC, video())
    assert (samples_NS.shape, times_N2.shape) == ((0, 100), (0, 2))


def test_late_sound_is_late():
    _, times_N2 = windows(heard(2, start=1.25), SPEC, video())
    assert times_N2.tolist() == [[1.25, 2.25], [2.25, 3.25]]


def test_sound_that_begins_before_the_video():
    _, times_N2 = windows(heard(2, start=-0.5), SPEC, video())
    assert times_N2.tolist() == [[-0.5, 0.5], [0.5, 1.5]]


def test_windows_after_the_last_frame_are_left_out():
    _, times_N2 = windows(heard(9), SPEC, video(2.5))
    assert times_N2.tolist() == [[0, 1], [1, 2], [2, 3]]
    samples_NS, _ = windows(heard(9, start=3.0), SPEC, video(2.5))
    assert samples_NS.shape == (0, 100)


def test_another_rate_is_resampled():
    wave_S = np.sin(2 * np.pi * 5 * np.arange(800) / 400).astype(np.float32)
    samples_NS, times_N2 = windows(Audio(wave_S, 400), SPEC, video())
    assert samples_NS.shape == (2, 100)
    assert times_N2.tolist() == [[0, 1], [1, 2]]
    expected_S = np.sin(2 * np.pi * 5 * np.arange(200) / 100)
    np.testing.assert_allclose(samples_NS.reshape(-1).numpy()[20:180], expected_S[20:180], atol=0.01)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 700), st.sampled_from([0.5, 0.96, 1.0]), st.sampled_from([0.25, 0.5, 0.96]))
def test_every_sample_is_in_some_window(length: int, window: float, hop: float):
    if hop > window:
        return
    audio = Audio(np.arange(1, length + 1, dtype=np.float32), 100)
    samples_NS, times_N2 = windows(audio, AudioInput(100, window, hop), video())
    assert set(audio.samples_S.tolist()) <= set(samples_NS.reshape(-1).tolist())
    assert len(samples_NS) == len(times_N2)
    assert (samples_NS != 0).any(dim=1).all()
