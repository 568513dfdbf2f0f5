"""Splits: recordings are never cut, labels are spread, and nothing but the data decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness import splits
from harness.errors import MissingData, UserError
from harness.kinds import ANY_OF, ONE_OF, continuous
from harness.types import Side, Video

LABELS = 8


def video(id: str, side: Side = "train", *, group: str | None = None, frames: int = 100) -> Video:
    return Video(id, group or id, side, frames, 25.0, np.ones(frames, dtype=bool))


def world(
    seed: int = 0, *, groups: int = 60, labels: int = LABELS, holders: int = 24
) -> tuple[list[Video], dict[str, NDArray[np.int64]]]:
    """Recordings of very unequal length and label counts; every label in at least `holders` of them, 20 % valid.

    A few recordings hold two persons; the first of them has its other person on the other side (a leak).
    """
    rng = np.random.default_rng(seed)
    videos, histograms = [], {}
    holds_GL = np.stack([rng.permutation(np.arange(groups) < rng.integers(holders, groups + 1)) for _ in range(labels)])
    for g, holds_L in enumerate(holds_GL.T):
        side: Side = "valid" if g % 5 == 0 else "train"
        for person in ("", "_left")[: 1 + (g % 11 == 0)]:
            frames = int(rng.integers(80, 900))
            other: Side = "train" if side == "valid" else "valid"
            one = video(f"video{g}{person}", other if person and g == 0 else side, group=f"video{g}", frames=frames)
            videos.append(one)
            histograms[one.key] = holds_L * (1 + (rng.pareto(1.0, labels) * 20).astype(np.int64) % 10_000)
    videos += [video(f"test{i}", "test") for i in range(4)]
    return videos, histograms


def groups_of(videos: Iterable[Video]) -> set[str]:
    return {each.group for each in videos}


def recordings(videos: Sequence[Video], histograms: dict[str, NDArray[np.int64]]) -> list[int]:
    """In how many recordings each label occurs."""
    held = [{v.group for v in videos if histograms[v.key][label]} for label in range(LABELS)]
    return [len(each) for each in held]


def keys(split: splits.Split) -> tuple[list[str], ...]:
    return tuple([each.key for each in part] for part in (split.train, split.inner, split.held))


# -- histograms ----------------------------------------------------------------------------------


def test_a_histogram_counts_positives_of_labelled_entries() -> None:
    nan = np.nan
    target_RL = np.array([[1, 0, 0], [0, nan, 1], [nan, nan, nan], [1, 1, 0]], dtype=np.float32)
    assert splits.histogram(target_RL, ANY_OF).tolist() == [2, 1, 1]
    assert splits.histogram(np.eye(3, dtype=np.float32)[[0, 0, 2]], ONE_OF).tolist() == [2, 0, 1]


def test_a_histogram_of_values_counts_fixed_bins_label_by_label() -> None:
    target_RL = np.array([[-1.0, 0.0], [-0.5, 1.0], [0.49, np.nan], [0.5, 3.0]], dtype=np.float32)
    kind = continuous("ccc", -1.0, 1.0)
    assert splits.histogram(target_RL, kind).tolist() == [1, 1, 1, 1, 0, 0, 1, 2]
    assert splits.histogram(np.full((2, 2), np.nan, dtype=np.float32), kind).tolist() == [0] * 8


# -- folds ---------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16))
def test_folds_keep_recordings_whole_and_spread_every_label(seed: int) -> None:
    videos, histograms = world(seed)
    fold_of = splits.folds(videos, histograms)
    judged = [each for each in videos if each.side != "test"]
    assert sorted(fold_of) == sorted(each.key for each in judged)
    parts = [[each for each in judged if fold_of[each.key] == fold] for fold in range(5)]
    assert [len(groups_of(part)) for part in parts] == [12] * 5
    assert sum(len(groups_of(part)) for part in parts) == len(groups_of(judged))
    for part in parts:
        assert min(recordings(part, histograms)) >= 3


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16), st.randoms(use_true_random=False))
def test_splits_do_not_depend_on_the_order_of_the_videos(seed: int, random: Any) -> None:
    videos, histograms = world(seed, groups=30, holders=5)
    shuffled = random.sample(videos, len(videos))
    reversed_histograms = dict(reversed(histograms.items()))
    assert splits.folds(shuffled, reversed_histograms) == splits.folds(videos, histograms)
    one, other = splits.make_splits("all", videos, histograms), splits.make_splits("all", shuffled, reversed_histograms)
    assert [keys(split) for split in one] == [keys(split) for split in other]


def test_rows_and_label_counts_are_spread_too() -> None:
    rng = np.random.default_rng(0)
    groups = [f"rec{i}" for i in range(200)]
    rows = rng.integers(100, 1000, size=200)
    histogram_VL = (rows[:, None] * rng.dirichlet(np.ones(6), size=200)).astype(np.int64)
    fold_V = splits.assign_folds(histogram_VL, groups, rows_V=rows.tolist())
    assert sorted(Counter(fold_V.tolist()).values()) == [40] * 5
    for column in (rows, *histogram_VL.T):
        share_P = np.bincount(fold_V, weights=column) / column.sum()
        assert np.abs(share_P - 0.2).max() < 0.02


def test_a_rare_label_is_dealt_out_evenly() -> None:
    histogram_VL = np.zeros((40, 2), dtype=np.int64)
    histogram_VL[:, 0] = 500
    histogram_VL[:10, 1] = [900, 3, 3, 3, 3, 3, 3, 3, 3, 3]  # one recording holds nearly all of it
    fold_V = splits.assign_folds(histogram_VL, [f"rec{i:02d}" for i in range(40)])
    assert np.bincount(fold_V[:10]).tolist() == [2] * 5


def test_folds_are_pinned() -> None:
    """Committed rows carry such a hash: the rule must not change without a decision."""
    fold_of = splits.folds(*world(1))
    assert splits.folds_hash(fold_of) == PINNED
    assert splits.folds_hash(dict(reversed(fold_of.items()))) == PINNED
    first = next(iter(fold_of))
    assert splits.folds_hash(fold_of | {first: (fold_of[first] + 1) % 5}) != PINNED


PINNED = "0234a6271e9efe41beea411ee9c487c5c6372a9f64ab6522cd8ed64ef6467153"


def test_folds_put_a_leaked_recording_in_one_fold() -> None:
    videos, histograms = world()
    fold_of = splits.folds(videos, histograms)
    assert fold_of["valid/video0"] == fold_of["train/video0_left"]


def test_too_few_recordings_for_five_folds() -> None:
    videos = [video(f"v{i}", group=f"g{i % 4}") for i in range(9)]
    with pytest.raises(UserError, match="5 folds need at least 5 recordings, this data has 4"):
        splits.folds(videos, {each.key: np.ones(2, dtype=np.int64) for each in videos})


# -- inner ---------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**16))
def test_inner_is_15_percent_of_the_recordings_with_every_label_on_both_sides(seed: int) -> None:
    videos, histograms = world(seed)
    pool = [each for each in videos if each.side != "test"]
    train, inner = splits.inner(pool, histograms)
    assert len(groups_of(inner)) == 9
    assert groups_of(train) & groups_of(inner) == set()
    assert sorted(each.key for each in (*train, *inner)) == sorted(each.key for each in pool)
    assert min(recordings(inner, histograms)) >= 3
    assert min(recordings(train, histograms)) >= 3


@pytest.mark.parametrize(("groups", "expected"), [(2, 1), (9, 1), (19, 3), (20, 5), (30, 5), (40, 6), (100, 15)])
def test_size_of_inner(groups: int, expected: int) -> None:
    videos = [video(f"v{i}") for i in range(groups)]
    _, inner = splits.inner(videos, {each.key: np.ones(2, dtype=np.int64) for each in videos})
    assert len(inner) == expected


def test_inner_needs_two_recordings() -> None:
    with pytest.raises(UserError, match="at least 2 recordings to train on"):
        splits.inner([video("v")], {"train/v": np.ones(2, dtype=np.int64)})


# -- named splits --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "names"),
    [
        ("official", ["official"]),
        ("fold-2", ["fold-2"]),
        ("folds", [f"fold-{i}" for i in range(1, 6)]),
        ("all", ["official", *(f"fold-{i}" for i in range(1, 6))]),
        ("test", ["test"]),
    ],
)
def test_names_of_splits(which: str, names: list[str]) -> None:
    found = splits.make_splits(which, *world())
    assert [split.name for split in found] == names
    for split in found:
        assert split.train
        assert split.inner
        assert split.held
        assert splits.check(split, official=which in ("official", "all")) is split


def test_a_fold_alone_is_the_one_among_five() -> None:
    data = world()
    assert keys(splits.make_splits("fold-4", *data)[0]) == keys(splits.make_splits("folds", *data)[3])


def test_every_video_is_held_out_once_over_the_folds() -> None:
    videos, histograms = world()
    found = splits.make_splits("folds", videos, histograms)
    assert sorted(each.key for split in found for each in split.held) == sorted(histograms)
    for split in found:
        assert sorted(key for part in keys(split) for key in part) == sorted(histograms)
        assert split.leaks == ()


def test_official_keeps_its_sides_and_names_its_leak() -> None:
    videos, histograms = world()
    (split,) = splits.make_splits("official", videos, histograms)
    assert {each.side for each in (*split.train, *split.inner)} == {"train"}
    assert [each.key for each in split.held] == sorted(each.key for each in videos if each.side == "valid")
    assert split.leaks == ("recording video0: video0_left in train, video0 in valid",)
    assert "train/video0_left" in keys(split)[0]  # comparable with published numbers, and never chosen on


def test_dedupe_drops_leaked_recordings_from_training_only() -> None:
    videos, histograms = world()
    (plain,) = splits.make_splits("official", videos, histograms)
    (split,) = splits.make_splits("official", videos, histograms, dedupe=True)
    trained, before = (groups_of((*each.train, *each.inner)) for each in (split, plain))
    assert before - trained == {"video0"}
    assert keys(split)[2] == keys(plain)[2]
    assert split.leaks == ()


def test_test_trains_like_official_and_needs_no_labels_of_its_own() -> None:
    videos, histograms = world()
    (official,), (split,) = (splits.make_splits(name, videos, histograms) for name in ("official", "test"))
    assert [each.id for each in split.held] == ["test0", "test1", "test2", "test3"]
    assert {each.side for each in (*split.train, *split.inner)} == {"train"}
    assert keys(official)[:2] == keys(split)[:2]


def test_one_id_on_both_sides_is_a_leak() -> None:
    both = [video("122-60", side) for side in ("train", "valid")]
    assert splits.leaks(both) == ("recording 122-60: 122-60 in train, 122-60 in valid",)
    assert splits.leaks([both[0], video("122-60-2", "valid")]) == ()


def test_a_recording_on_two_sides_is_refused() -> None:
    left, right, other = video("a_left", group="a"), video("a_right", group="a"), video("b")
    with pytest.raises(UserError, match="Split mine: expected every recording in one part, a is in train and held"):
        splits.check(splits.Split("mine", (left,), (other,), (right,)))
    with pytest.raises(UserError, match="a is in inner and held"):
        splits.check(splits.Split("official", (other,), (left,), (right,)), official=True)
    with pytest.raises(UserError, match="a is in train and inner"):
        splits.check(splits.Split("official", (left,), (right,), (other,)), official=True)


def test_unknown_split_and_missing_side() -> None:
    videos, histograms = world()
    with pytest.raises(UserError, match=r"No split is called 'fold-6'\. Did you mean 'fold-5'"):
        splits.make_splits("fold-6", videos, histograms)
    labelled = [each for each in videos if each.side != "test"]
    with pytest.raises(MissingData, match="Split test: this data has no videos on the test side"):
        splits.make_splits("test", labelled, histograms)
