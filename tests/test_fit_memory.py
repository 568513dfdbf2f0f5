"""The fusion trains in constant memory, whatever the number of frames."""

from __future__ import annotations

import mmap
import sys
import time
from types import ModuleType

import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_videos_hold_the_frames_asked_for(tool: ModuleType) -> None:
    assert [v.frames for v in tool.made_videos(250, 100, 0)] == [100, 100, 50]
    assert [v.frames for v in tool.made_videos(250, 100, 180)] == [180, 70]


@linux
def test_what_is_allocated_is_seen(tool: ModuleType) -> None:
    with tool.peak() as found, mmap.mmap(-1, 1 << 26, mmap.MAP_PRIVATE) as held:  # not from what was freed before
        held.write(b"\1" * (1 << 26))
        time.sleep(0.1)
    assert 60 < found["anonymous_mb"] < 140


@pytest.mark.slow
@linux
def test_ten_times_the_frames_take_no_more_memory(tool: ModuleType) -> None:
    few, many = tool.measure(30_000), tool.measure(300_000)
    assert many["mapped_mb"] > 800  # the tokens were read, all 922 MB of them
    assert many["anonymous_mb"] < few["anonymous_mb"] + 50  # targets and row numbers are 56 bytes a frame


@pytest.mark.slow
@linux
def test_a_clip_of_21_minutes_takes_little_more_than_short_ones(tool: ModuleType) -> None:
    how = ("--task", "emi", "--length", "300", "--set", "encoders.audio=none", "--set", "encoders.text=none")
    short = tool.measure(37_800, *how)
    long = tool.measure(37_800, *how, "--long", "37800")
    assert long["anonymous_mb"] < short["anonymous_mb"] + 50
