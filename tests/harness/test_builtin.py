from __future__ import annotations

import numpy as np
import pluggy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from harness import builtin, hookspecs
from harness.errors import UserError
from harness.kinds import ANY_OF, ONE_OF, continuous
from harness.types import Video


def video(group: str, frames: int = 10, side: str = "train", suffix: str = "") -> Video:
    return Video(group + suffix, group, side, frames, 30.0, np.ones(frames, bool))  # type: ignore[arg-type]


# Sixty-fourths add up exactly, so that a tie of mean scores is one.
ARRAYS = st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.integers(0, 64).map(lambda n: np.float32(n / 64)))
)


def shares(scores_KRL):
    """Scores of a one_of task: a row of zeros becomes even shares."""
    total_KR1 = scores_KRL.sum(axis=2, keepdims=True)
    even = np.float32(1 / scores_KRL.shape[2])
    return np.where(total_KR1 > 0, scores_KRL / np.where(total_KR1 > 0, total_KR1, 1), even).astype(np.float32)


@settings(deadline=None, max_examples=150)
@given(ARRAYS)
def test_majority_of_any_of_is_more_than_half_or_half_with_a_mean_of_one_half(scores_KRL):
    got_RL = ANY_OF.decide(builtin.majority(scores_KRL, ANY_OF))
    k, rows, labels = scores_KRL.shape
    for r in range(rows):
        for label in range(labels):
            votes = sum(score >= 0.5 for score in scores_KRL[:, r, label])
            tie = 2 * votes == k and sum(scores_KRL[:, r, label].astype(float)) / k >= 0.5
            assert got_RL[r, label] == (2 * votes > k or tie)


@settings(deadline=None, max_examples=150)
@given(ARRAYS)
def test_majority_of_one_of_is_the_most_votes_then_the_best_mean(raw_KRL):
    scores_KRL = shares(raw_KRL)
    got_RL = ONE_OF.decide(builtin.majority(scores_KRL, ONE_OF))
    k, rows, labels = scores_KRL.shape
    for r in range(rows):
        votes = [0] * labels
        for classifier in range(k):
            votes[int(scores_KRL[classifier, r].argmax())] += 1
        means = scores_KRL[:, r].astype(float).mean(axis=0)
        best = [label for label in range(labels) if votes[label] == max(votes)]
        leading = max(means[label] for label in best)
        winner = int(got_RL[r].argmax())
        assert votes[winner] == max(votes)
        assert means[winner] == pytest.approx(leading, abs=1e-6)


def test_majority_outvotes_a_single_sure_classifier():
    scores_KRL = np.array([[[0.0, 1.0]], [[0.51, 0.49]], [[0.51, 0.49]]], np.float32)
    np.testing.assert_array_equal(ONE_OF.decide(builtin.mean(scores_KRL, ONE_OF)), [[0, 1]])
    np.testing.assert_array_equal(ONE_OF.decide(builtin.majority(scores_KRL, ONE_OF)), [[1, 0]])


def test_majority_scores_of_one_of_add_up_to_one():
    scores_KRL = shares(np.random.default_rng(0).random((4, 50, 8), np.float32))
    got_RL = builtin.majority(scores_KRL, ONE_OF)
    np.testing.assert_allclose(got_RL.sum(axis=1), 1, atol=1e-6)
    assert got_RL.dtype == np.float32


@pytest.mark.parametrize("kind", [ONE_OF, ANY_OF])
def test_majority_of_one_classifier_decides_as_it_does(kind):
    scores_RL = shares(np.random.default_rng(0).random((1, 50, 3), np.float32))[0]
    np.testing.assert_array_equal(kind.decide(builtin.majority(scores_RL[None], kind)), kind.decide(scores_RL))


def test_majority_of_values_is_refused():
    with pytest.raises(UserError, match="--vote mean"):
        builtin.majority(np.zeros((2, 3, 2), np.float32), continuous("ccc", -1, 1))


def test_mean_is_the_mean():
    scores_KRL = np.random.default_rng(0).random((5, 7, 2), np.float32)
    got_RL = builtin.mean(scores_KRL, continuous("ccc", -1, 1))
    np.testing.assert_allclose(got_RL, sum(s.astype(float) for s in scores_KRL) / 5, rtol=1e-6)
    assert got_RL.dtype == np.float32


def test_whole_is_one_part():
    scenes = builtin.whole().fit([video("a"), video("b")], None, 0)
    assert (scenes.k, scenes.assign(video("a"), None), scenes.assign(video("z", side="valid"), None)) == (1, 0, 0)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 500), min_size=6, max_size=40), st.integers(1, 6), st.integers(0, 3))
def test_random_k_balances_frames_and_leaves_no_part_empty(frames, k, seed):
    videos = [video(f"g{i}", n) for i, n in enumerate(frames)]
    scenes = builtin.random_k(k).fit(videos, None, seed)
    load_K = [0] * k
    for v in videos:
        load_K[scenes.assign(v, None)] += v.frames
    assert scenes.k == k
    assert min(load_K) > 0
    assert max(load_K) - min(load_K) <= max(frames)


def test_random_k_keeps_recordings_whole_and_ignores_the_order_of_videos():
    videos = [video(f"g{i}", 5 + i, suffix=side) for i in range(12) for side in ("_left", "_right")]
    there = builtin.random_k(3).fit(videos, None, seed=1)
    back = builtin.random_k(3).fit(videos[::-1], None, seed=1)
    assert there == back
    for left, right in zip(videos[::2], videos[1::2], strict=True):
        assert there.assign(left, None) == there.assign(right, None)


def test_random_k_depends_on_the_seed():
    videos = [video(f"g{i}") for i in range(20)]
    parts = {seed: [builtin.random_k().fit(videos, None, seed).assign(v, None) for v in videos] for seed in (0, 1)}
    assert parts[0] != parts[1]
    assert set(parts[0]) == {0, 1, 2, 3}


def test_random_k_places_held_out_videos_the_same_way_each_time():
    scenes = builtin.random_k(4).fit([video(f"g{i}") for i in range(8)], None, seed=0)
    held = [video(f"held{i}", side="valid") for i in range(200)]
    first = [scenes.assign(v, None) for v in held]
    assert first == [scenes.assign(v, None) for v in held]
    assert set(first) == {0, 1, 2, 3}


def test_random_k_needs_a_recording_per_part():
    with pytest.raises(UserError, match="at least k=4 training recordings, got 2"):
        builtin.random_k(4).fit([video("a"), video("b"), video("b", suffix="_left")], None, 0)


def test_random_k_refuses_no_parts():
    with pytest.raises(UserError, match="k >= 1, got 0"):
        builtin.random_k(0)


def test_none_leaves_scores_as_they_are():
    scores_RL = np.random.default_rng(0).random((4, 2), np.float32)
    smoother = builtin.none()
    assert smoother.candidates == ()
    assert smoother(scores_RL, video("a", 4), 0.0) is scores_RL


def test_it_registers_like_any_plugin():
    manager = pluggy.PluginManager("harness")
    manager.add_hookspecs(hookspecs)
    manager.register(builtin)
    manager.check_pending()
    names = [sorted(hook()[0]) for hook in (manager.hook.provide_votes, manager.hook.provide_partitions)]
    assert names == [["majority", "mean", "routed"], ["random_k", "whole"]]
    assert sorted(manager.hook.provide_postprocessors()[0]) == ["none"]


def test_random_parts_of_new_recordings_are_the_same_in_a_saved_model():
    partition = builtin.random_k(k=3)
    fitted = partition.fit([video(f"seen{i}") for i in range(9)], None, seed=2**62 + 12345)  # type: ignore[arg-type]
    again = partition.restore(fitted.state())
    others = [video(f"new{i}") for i in range(40)]
    placed = [fitted.assign(one, None) for one in others]  # type: ignore[arg-type]
    assert set(placed) == {0, 1, 2}
    assert [again.assign(one, None) for one in others] == placed  # type: ignore[arg-type]
