from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import clips
from harness.clips import Track, assemble, batches, coverage, groups, nearest, on_device, starts, targets, track
from harness.types import Video

NO_SOUND = {"tokens": torch.zeros(0, 3), "times": torch.zeros(0, 2)}


def video(frames: int, face: list[bool] | None = None, fps: float = 10.0) -> Video:
    return Video("v", "g", "train", frames, fps, np.array(face if face is not None else [True] * frames))


def image_tokens(frames: list[int], offset: int = 0) -> dict[str, torch.Tensor]:
    """One token per frame that says which frame it is of."""
    return {
        "tokens": torch.tensor(frames, dtype=torch.float32)[:, None] + offset,
        "frames": torch.tensor(frames, dtype=torch.int32),
    }


def laid(frames: int, seen: list[int] | None = None, fill: str = "nearest", **others) -> Track:
    seen = list(range(frames)) if seen is None else seen
    face = [i in seen for i in range(frames)]
    return track(video(frames, face), {"image": image_tokens(seen), **others}, fill)  # type: ignore[arg-type]


@given(st.lists(st.booleans(), min_size=1, max_size=40).filter(any))
def test_nearest_is_the_nearest_and_of_two_the_earlier(has):
    there = [i for i, one in enumerate(has) if one]
    expected = [min(there, key=lambda j: (abs(i - j), j)) for i in range(len(has))]
    assert nearest(np.array(has)).tolist() == expected


def test_a_frame_without_a_face_takes_the_nearest_frame_s_token():
    assert laid(6, [1, 4]).row_F.tolist() == [0, 0, 0, 1, 1, 1]


def test_or_none():
    assert laid(6, [1, 4], "mask").row_F.tolist() == [-1, 0, -1, -1, 1, -1]


@pytest.mark.parametrize("fill", ["nearest", "mask"])
def test_a_video_without_any_face(fill: str):
    assert laid(3, [], fill).row_F.tolist() == [-1, -1, -1]


def test_tokens_beyond_the_last_frame_are_left_out():
    one = track(video(3), {"image": image_tokens([0, 2, 7])}, "nearest")
    assert one.row_F.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("frames", "offset", "expected"),
    [(10, 0, [0, 4, 8]), (8, 0, [0, 4]), (10, 3, [0, 3, 7]), (2, 3, [0]), (3, 3, [0]), (1, 0, [0])],
)
def test_where_clips_begin(frames: int, offset: int, expected: list[int]):
    assert starts(frames, 4, offset) == expected


FRAMES = st.lists(st.integers(1, 23), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(FRAMES, st.integers(1, 9), st.integers(1, 5), st.booleans(), st.one_of(st.none(), st.integers(0, 9)))
def test_every_frame_stands_in_exactly_one_clip(frames, length, batch, whole, seed):
    tracks = [laid(n) for n in frames]
    rng = None if seed is None else np.random.default_rng(seed)
    seen: list[tuple[int, int]] = []
    for one in batches(tracks, length=length, batch=batch, rng=rng, whole_videos=whole):
        assert one.valid_BT.shape[1] <= length
        for row, (owner, start) in enumerate(zip(one.owner_B, one.start_B, strict=True)):
            n = int(one.valid_BT[row].sum())
            assert one.valid_BT[row, :n].all()
            assert one.tokens["image"][row, :n, 0].tolist() == list(range(start, start + n))
            assert one.mask["image"][row].tolist() == one.valid_BT[row].tolist()
            assert not one.tokens["image"][row, n:].any()
            seen += [(int(owner), int(start) + i) for i in range(n)]
    assert sorted(seen) == [(i, f) for i, n in enumerate(frames) for f in range(n)]


@given(FRAMES, st.integers(1, 9), st.integers(1, 3), st.one_of(st.none(), st.integers(0, 3)))
@settings(deadline=None, max_examples=40)
def test_whole_videos_are_never_cut_across_batches(frames, length, batch, seed):
    tracks = [laid(n) for n in frames]
    rng = None if seed is None else np.random.default_rng(seed)
    owners = [
        set(one.owner_B.tolist()) for one in batches(tracks, length=length, batch=batch, rng=rng, whole_videos=True)
    ]
    assert all(len(some) <= batch for some in owners)
    assert sum(len(some) for some in owners) == len(frames)
    assert set().union(*owners) == set(range(len(frames)))


def test_training_clips_differ_between_epochs_and_repeat_by_seed():
    tracks = [laid(20), laid(17)]

    def cuts(seed: int) -> list[tuple[int, int]]:
        found = batches(tracks, length=4, batch=3, rng=np.random.default_rng(seed))
        return [(int(i), int(a)) for one in found for i, a in zip(one.owner_B, one.start_B, strict=True)]

    assert cuts(0) == cuts(0)
    assert cuts(0) != cuts(1)


def test_a_filled_frame_counts_as_seen_and_a_masked_one_does_not():
    filled, masked = (assemble([laid(4, [0, 3], fill)], [(0, 0, 4)]) for fill in ("nearest", "mask"))
    assert filled.tokens["image"][0, :, 0].tolist() == [0, 0, 3, 3]
    assert filled.mask["image"].tolist() == [[True] * 4]
    assert masked.tokens["image"][0, :, 0].tolist() == [0, 0, 0, 3]
    assert masked.mask["image"].tolist() == [[True, False, False, True]]
    assert filled.valid_BT.all()
    assert masked.valid_BT.all()


def sound(*windows: tuple[float, float]) -> dict[str, torch.Tensor]:
    """Tokens 10, 20, ... for these stretches of seconds."""
    return {"tokens": 10.0 * torch.arange(1, len(windows) + 1)[:, None], "times": torch.tensor(windows)}


@pytest.mark.parametrize(
    ("cut", "windows", "expected"),
    [
        ((0, 10), [(0.0, 1.0), (1.0, 2.0)], 10.0),
        ((5, 15), [(0.0, 1.0), (1.0, 2.0)], 15.0),
        ((0, 20), [(0.0, 1.0), (1.0, 4.0)], 15.0),
        ((8, 18), [(0.0, 1.0), (1.0, 2.0)], 0.2 * 10 + 0.8 * 20),
        ((0, 20), [(0.5, 1.5), (1.0, 2.0)], 15.0),
        ((0, 10), [(-0.5, 0.25), (0.25, 1.0)], (0.25 * 10 + 0.75 * 20)),
    ],
)
def test_the_audio_token_is_the_mean_weighted_by_overlap(cut, windows, expected):
    one = assemble([laid(20, audio=sound(*windows))], [(0, *cut)])
    assert one.tokens["audio"].tolist() == [[[pytest.approx(expected)]]]
    assert one.mask["audio"].tolist() == [[True]]


@pytest.mark.parametrize("silent", [NO_SOUND, {"tokens": torch.ones(1, 3), "times": torch.tensor([[1.0, 2.0]])}])
def test_no_sound_during_a_clip_is_masked(silent):
    one = assemble([laid(20, audio=silent)], [(0, 0, 10)])
    assert one.tokens["audio"].tolist() == [[[0.0] * 3]]
    assert one.mask["audio"].tolist() == [[False]]


def test_words_stand_in_every_clip_of_their_video_or_are_masked():
    with_words, without = ({"tokens": torch.ones(n, 2)} for n in (1, 0))
    one = assemble([laid(8, text=with_words), laid(4, text=without)], [(0, 0, 4), (0, 4, 8), (1, 0, 4)])
    assert one.mask["text"].tolist() == [[True], [True], [False]]
    assert one.tokens["text"].tolist() == [[[1.0, 1.0]], [[1.0, 1.0]], [[0.0, 0.0]]]


def test_targets_of_frames_with_nan_on_padding():
    tracks = [laid(5), laid(3)]
    target_VRL = [np.arange(5, dtype=np.float32)[:, None], np.arange(10, 13, dtype=np.float32)[:, None]]
    [one] = batches(tracks, length=4, batch=9)
    nan = pytest.approx(float("nan"), nan_ok=True)
    assert targets(one, target_VRL)[..., 0].tolist() == [[0, 1, 2, 3], [4, nan, nan, nan], [10, 11, 12, nan]]


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 9])
def test_the_target_of_a_whole_video_stands_on_each_of_its_frames(frames: int):
    [one] = batches([laid(frames)], length=4, batch=9, whole_videos=True)
    found = targets(one, [np.array([[0.25, 0.5]], np.float32)])
    assert found[one.valid_BT].tolist() == [[0.25, 0.5]] * frames
    assert found[~one.valid_BT].isnan().all()


def test_a_clip_of_one_frame_has_its_own_target():
    tracks = [laid(5)]
    one = assemble(tracks, [(0, 4, 5)])
    assert targets(one, [np.arange(5, dtype=np.float32)[:, None]]).tolist() == [[[4.0]]]


def test_a_batch_moves_with_everything():
    moved = assemble([laid(4, audio=NO_SOUND)], [(0, 0, 4)]).to("meta")
    assert {t.device.type for t in (*moved.tokens.values(), *moved.mask.values(), moved.valid_BT)} == {"meta"}


@settings(deadline=None, max_examples=60)
@given(FRAMES, st.integers(2, 9), st.data(), st.booleans(), st.one_of(st.none(), st.integers(1, 3)))
def test_overlapping_clips_cover_every_frame_and_none_is_a_mere_repeat(frames, length, data, whole, most):
    overlap = data.draw(st.integers(0, length - 1))
    tracks = [laid(n) for n in frames]
    counts = [np.zeros(n) for n in frames]
    for cuts in groups(tracks, length=length, batch=2, whole_videos=whole, overlap=overlap, most=most):
        assert most is None or len(cuts) <= most
        for i, a, b in cuts:
            assert b - a <= length
            assert (counts[i][a:b] == 0).sum() >= min(frames[i], 1)
            counts[i][a:b] += 1
    for n, count_F in zip(frames, counts, strict=True):
        assert count_F.tolist() == coverage(n, length, overlap).tolist()
        assert count_F.min() >= 1
        assert overlap or count_F.max() == 1


def test_training_takes_some_clips_of_a_long_video_and_others_in_the_next_epoch(monkeypatch):
    monkeypatch.setattr(clips, "CLIPS_OF_A_VIDEO", 3)
    tracks = [laid(4 * 10), laid(5)]

    def drawn(seed: int) -> list[int]:
        how = {"length": 4, "batch": 2, "whole_videos": True, "rng": np.random.default_rng(seed)}
        [cuts] = groups(tracks, **how)
        assert [a for i, a, _ in cuts if i == 1] == [0, 4]
        return [a for i, a, _ in cuts if i == 0]

    epochs = [drawn(seed) for seed in range(8)]
    assert all(len(some) == 3 and some == sorted(set(some)) for some in epochs)
    assert len(set(map(tuple, epochs))) > 1
    [everything] = groups(tracks, length=4, batch=2, whole_videos=True)
    assert len(everything) == 12


def test_sound_far_from_a_clip_is_not_read():
    windows = [(i / 2, i / 2 + 1) for i in range(3000)]
    one = laid(4, audio={"tokens": torch.arange(3000.0)[:, None], "times": torch.tensor(windows)})
    far = Track(Video("v", "g", "train", 15_000, 10.0, np.ones(15_000, bool)), one.tokens, np.zeros(15_000, np.int64))
    heard = assemble([far], [(0, 7000, 7010)]).tokens["audio"]  # seconds 700 to 701: half of 1399, 1400, half of 1401
    assert heard.tolist() == [[[pytest.approx(1400.0)]]]


class Ready:
    """Stands in for a batch: notes where it was."""

    def __init__(self, number: int) -> None:
        self.seen = [number]

    def pinned(self) -> Ready:
        self.seen.append("pinned")
        return self

    def to(self, device: str) -> Ready:
        self.seen.append(device)
        return self


def test_for_a_gpu_the_next_batch_is_made_in_a_thread_while_this_one_is_used():
    made: list[int] = []
    second = threading.Event()

    def batches():
        for number in range(4):
            assert threading.current_thread() is not threading.main_thread()
            made.append(number)
            if number == 1:
                second.set()
            yield Ready(number)

    got = on_device(batches(), "cuda:0")
    assert next(got).seen == [0, "pinned", "cuda:0"]
    assert second.wait(10)  # made though nobody asked for it
    assert [one.seen[0] for one in got] == [1, 2, 3]
    assert made == [0, 1, 2, 3]


def test_on_the_processor_batches_come_as_they_are_asked_for():
    made = []
    got = on_device((made.append(number) or Ready(number) for number in range(3)), "cpu")
    assert next(got).seen == [0, "cpu"]
    assert made == [0]


def test_what_goes_wrong_in_the_thread_is_seen():
    def broken():
        yield Ready(0)
        raise OSError("the disk is gone")

    got = on_device(broken(), "cuda")
    next(got)
    with pytest.raises(OSError, match="the disk is gone"):
        next(got)
