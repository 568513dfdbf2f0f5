"""At three million frames the search ends in minutes, in bounded memory, and misses nothing that was planted."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from harness.progress import silent


def test_copies_are_planted_on_the_other_side(tool: ModuleType) -> None:
    frames, places, pairs = tool.world(50_000)
    assert len(frames.hash_N) == 50_000
    assert [(places.side_V[one], places.side_V[other]) for one, other in pairs] == [(0, 1)] * 2
    one, other = (frames.hash_N[frames.video_N == video] for video in pairs[0])
    assert (np.bitwise_count(other[:, None] ^ one[None]).min(axis=1) <= tool.DISTANCE).sum() >= tool.COPIED


def test_all_that_was_planted_is_found(tool: ModuleType) -> None:
    answer = tool.measure(50_000, silent)
    assert (answer["frames"], answer["planted"], answer["found"]) == (50_000, 2, 2)


@pytest.mark.slow
def test_three_million_frames(tool: ModuleType) -> None:
    answer = tool.measure(3_000_000, silent)
    assert (answer["frames"], answer["planted"], answer["found"]) == (3_000_000, 20, 20)
    assert answer["seconds"] < 600
    assert answer["memory_mb"] < 2000
