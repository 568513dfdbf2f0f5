"""Statistics merge in any order, and score every weighting of videos as its rows would be scored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_rows import EXACT, binary, ccc_by_hand, pieces
from numpy.typing import NDArray

from harness import metrics

Array = NDArray[Any]


def some_unlabelled(name: str, seed: int, offset: float, rng: np.random.Generator, rows: int) -> tuple[Array, Array]:
    """Predictions and targets of 5 labels as the metric wants them, a tenth of the targets unknown."""
    pred_RL, target_RL = binary(seed, rows)
    if name != "f1":
        pred_RL, target_RL = offset + rng.normal(size=(rows, 5)), offset + rng.normal(size=(rows, 5))
    target_RL[rng.random((rows, 5)) < 0.1] = np.nan
    return pred_RL, target_RL


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 12), st.sampled_from(sorted(metrics.METRICS)), st.sampled_from([0.0, 1e6]))
def test_shards_merged_in_any_order_and_nesting_score_the_same(seed: int, count: int, name: str, offset: float) -> None:
    metric, rng = metrics.get(name), np.random.default_rng(seed)
    pred_RL, target_RL = some_unlabelled(name, seed, offset, rng, rows=60)
    whole = metric.score(metric.stats(pred_RL, target_RL))
    stats_VLk = pieces(metric, pred_RL, target_RL, count, seed)[rng.permutation(count)]
    cut = int(rng.integers(0, count + 1))
    halves = [metric.merge(half) for half in (stats_VLk[:cut], stats_VLk[cut:]) if len(half)]
    np.testing.assert_allclose(metric.score(metric.merge(stats_VLk)), whole, rtol=0, atol=EXACT)
    np.testing.assert_allclose(metric.score(metric.merge(np.array(halves))), whole, rtol=0, atol=EXACT)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**16), st.integers(2, 12), st.sampled_from(sorted(metrics.METRICS)), st.sampled_from([0.0, 1e6]))
def test_shards_merged_in_any_order_give_the_same_statistics(seed: int, count: int, name: str, offset: float) -> None:
    """Two at a time, any two next, as shards that come when they are done: counts exactly, moments to 1e-9."""
    metric, rng = metrics.get(name), np.random.default_rng(seed)
    pred_RL, target_RL = some_unlabelled(name, seed, offset, rng, rows=80)
    waiting = list(pieces(metric, pred_RL, target_RL, count, seed))
    while len(waiting) > 1:
        one, other = (waiting.pop(int(rng.integers(len(waiting)))) for _ in range(2))
        waiting.append(metric.merge(np.array([one, other])))
    whole_Lk = metric.stats(pred_RL, target_RL)
    if name == "f1":
        np.testing.assert_array_equal(waiting[0], whole_Lk)
        return
    merged, whole = (dict(zip(metric.columns, stats_Lk.T, strict=True)) for stats_Lk in (waiting[0], whole_Lk))
    for exact in ("n", "min_p", "max_p", "min_t", "max_t"):
        np.testing.assert_array_equal(merged[exact], whole[exact])
    for mean, rest in (("mean_p", "rest_p"), ("mean_t", "rest_t")):
        apart_L = (merged[mean] - whole[mean]) + (merged[rest] - whole[rest])
        np.testing.assert_allclose(apart_L, 0, atol=1e-12)
    for squares in ("m2_p", "m2_t", "cross"):
        np.testing.assert_allclose(merged[squares], whole[squares], rtol=0, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 6), st.sampled_from(["f1", "ccc", "pearson"]))
def test_weights_repeat_rows(seed: int, count: int, name: str) -> None:
    metric, rng = metrics.get(name), np.random.default_rng(seed)
    videos = [tuple(m[: rng.integers(1, 9)] for m in binary(seed + v, rows=9)) for v in range(count)]
    videos = [(pred, target[: len(pred)]) for pred, target in videos if len(target) >= len(pred)] or [binary(seed)]
    stats_VLk = np.array([metric.stats(*video) for video in videos])
    weights_BV = rng.integers(0, 4, size=(5, len(videos)))
    weights_BV[0] = 0
    scores_BL = metric.scorer(stats_VLk)(weights_BV)
    assert scores_BL[0].tolist() == [0.0] * 5
    for weights_V, scores_L in zip(weights_BV[1:], scores_BL[1:], strict=True):
        index = np.repeat(np.arange(len(videos)), weights_V)
        rows = [np.concatenate([videos[i][side] for i in index] or [np.zeros((0, 5))]) for side in (0, 1)]
        np.testing.assert_allclose(scores_L, metric.score(metric.stats(*rows)), rtol=0, atol=EXACT)


def test_one_video_far_from_the_rest_loses_no_digits() -> None:
    """Draws without the outlier have a mean far from the pooled one, where a one-pass formula would cancel."""
    ccc, rng = metrics.get("ccc"), np.random.default_rng(8)
    videos = [(rng.normal(size=(20, 1)), rng.normal(size=(20, 1))) for _ in range(4)]
    videos.append((1e7 + rng.normal(size=(5000, 1)), 1e7 + rng.normal(size=(5000, 1))))
    stats_VLk = np.array([ccc.stats(*video) for video in videos])
    score = ccc.scorer(stats_VLk)(np.array([[1, 1, 1, 1, 0]]))[0, 0]
    rows = [np.concatenate([video[side] for video in videos[:4]])[:, 0] for side in (0, 1)]
    assert score == pytest.approx(ccc_by_hand(*rows), abs=EXACT)


@pytest.mark.parametrize("name", sorted(metrics.METRICS))
@pytest.mark.parametrize("constant", ["", "one recording", "all but one", "everywhere"])
def test_draws_are_scored_as_their_merged_statistics_are(name: str, constant: str) -> None:
    metric, rng = metrics.get(name), np.random.default_rng(0)
    truth_VRL = rng.integers(2, size=(6, 9, 3)).astype(float)
    said_VRL = rng.integers(2, size=(6, 9, 3)).astype(float)
    said_VRL[{"": [], "one recording": [0], "all but one": [0, 1, 2, 3, 4], "everywhere": range(6)}[constant]] = 1.0
    stats_VLk = np.stack([metric.stats(*pair) for pair in zip(said_VRL, truth_VRL, strict=True)])
    weights_BV = rng.multinomial(6, np.full(6, 1 / 6), size=200)
    merged_BL = np.stack([metric.score(metric.merge(np.repeat(stats_VLk, w, axis=0))) for w in weights_BV])
    np.testing.assert_allclose(metric.scorer(stats_VLk)(weights_BV), merged_BL, rtol=0, atol=1e-12)
