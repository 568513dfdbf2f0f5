"""Near duplicates are those that a comparison of all pairs finds."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.audit import near
from harness.audit.framehash import Frames
from harness.audit.near import Places
from harness.errors import UserError
from harness.progress import silent


def made(seed: int, videos: int = 6, most: int = 12, flips: int = 6) -> Frames:
    """Videos of up to `most` frames, each a few bits from one of three pictures; equal hashes occur."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2**64, 3, dtype=np.uint64)
    lengths = rng.integers(0, most + 1, videos)
    hash_N = base[rng.integers(0, 3, lengths.sum())]
    for _ in range(flips):
        flip_N = np.uint64(1) << rng.integers(0, 64, len(hash_N), dtype=np.uint64)
        hash_N = np.where(rng.random(len(hash_N)) < 0.3, hash_N ^ flip_N, hash_N)
    frame_N = np.concatenate([np.sort(rng.permutation(40)[:n]) for n in lengths])
    return Frames(hash_N, np.repeat(np.arange(videos), lengths).astype(np.int32), frame_N.astype(np.int32))


def places(seed: int, videos: int = 6) -> Places:
    rng = np.random.default_rng(seed)
    return Places(rng.integers(0, 3, videos), rng.integers(0, 4, videos), rng.integers(-1, 3, videos))


def by_hand(frames: Frames, where: Places, distance: int) -> dict[tuple[int, int], tuple[int, int, int]]:
    """Frames on either side and the least bits apart, for every two videos that are apart."""
    found = {}
    for one, other in combinations(range(len(where.side_V)), 2):
        same_unit = where.side_V[one] == where.side_V[other] and where.group_V[one] == where.group_V[other]
        if same_unit or not where.apart(np.array([one]), np.array([other]))[0]:
            continue
        hashes = [[int(h) for h in frames.hash_N[frames.video_N == video]] for video in (one, other)]
        bits = np.array([[(a ^ b).bit_count() for b in hashes[1]] for a in hashes[0]]).reshape(*map(len, hashes))
        if (bits <= distance).any():
            near_AB = bits <= distance
            found[one, other] = (int(near_AB.any(axis=1).sum()), int(near_AB.any(axis=0).sum()), int(bits.min()))
    return found


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.integers(0, near.FARTHEST))
def test_every_near_pair_is_found_and_no_other(seed: int, distance: int) -> None:
    frames, where = made(seed), places(seed + 1)
    found = near.find(frames, where, distance, silent)
    assert {one.videos: (*one.frames, one.distance) for one in found} == by_hand(frames, where, distance)
    assert [sum(one.frames) for one in found] == sorted((sum(one.frames) for one in found), reverse=True)
    for one in found:
        for a, b, bits in one.samples:
            pair = [
                int(frames.hash_N[(frames.video_N == video) & (frames.frame_N == frame)][0])
                for video, frame in zip(one.videos, (a, b), strict=True)
            ]
            assert (pair[0] ^ pair[1]).bit_count() == bits == one.distance


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16))
def test_neither_the_size_of_a_step_nor_settling_matters(seed: int) -> None:
    frames, where = made(seed), places(seed + 1)
    expected = near.find(frames, where, 4, silent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(near, "AT_ONCE", 40)
        patch.setattr(near, "MOST", 400)
        assert near.find(frames, where, 4, silent) == expected


def test_hashes_within_the_distance_agree_on_some_mask() -> None:
    rng = np.random.default_rng(0)
    for distance in range(near.FARTHEST + 1):
        masks = near.masks_of(distance)
        for _ in range(300):
            flipped = sum(1 << int(bit) for bit in rng.permutation(64)[:distance])
            assert any(int(mask) & flipped == 0 for mask in masks)
        assert np.bitwise_or.reduce(masks) == np.uint64(2**64 - 1)


def test_videos_of_one_recording_and_side_are_never_compared_those_of_one_fold_neither() -> None:
    frames = Frames(np.full(4, 7, np.uint64), np.arange(4, dtype=np.int32), np.zeros(4, np.int32))
    side, group = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 0])
    leak = near.find(frames, Places(side, group, np.array([0, 0, 0, 0])), 0, silent)
    assert [one.videos for one in leak] == [(0, 3), (1, 3), (2, 3)]
    folds = near.find(frames, Places(side, group, np.array([0, 0, 1, 0])), 0, silent)
    assert [one.videos for one in folds] == [(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    outside = near.find(frames, Places(side * 0, group, np.array([0, 0, -1, 0])), 0, silent)
    assert outside == []


def test_nothing_to_compare_finds_nothing() -> None:
    empty: Any = np.zeros(0)
    nothing = Frames(empty.astype(np.uint64), empty.astype(np.int32), empty.astype(np.int32))
    assert near.find(nothing, places(0), 4, silent) == []


def test_mistakes_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="--distance: expected 0 to 6 bits, came 7"):
        near.find(made(0), places(0), 7, silent)
    monkeypatch.setattr(near, "MOST", 10)
    with pytest.raises(UserError, match="Over 10 frames resemble those of another video at 4 bits; say --distance 3"):
        near.find(made(3), Places(np.arange(6), np.arange(6), np.zeros(6, int)), 4, silent)
