"""The bootstrap equals naive resampling of rows with the same draws; the order of videos changes nothing."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_draws import DRAWS, NAIVE, Array, Rows, all_weights, resampled, statistics, world

from harness import metrics
from harness.errors import UserError
from harness.statistics import bootstrap, intervals


@pytest.mark.parametrize("name", sorted(NAIVE))
def test_every_draw_equals_naive_resampling(name: str) -> None:
    rows = world(name)
    metric = metrics.get(name)
    names, stats_GLk = bootstrap.by_group(metric, *statistics(name, rows))
    assert names == sorted({group for group, _, _ in rows})
    counts_BG = all_weights(len(names), DRAWS)
    fast_BL = metric.scorer(stats_GLk)(counts_BG)
    naive_BL = np.array([resampled(name, rows, counts_G) for counts_G in counts_BG])
    np.testing.assert_allclose(fast_BL, naive_BL, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", sorted(NAIVE))
def test_the_interval_is_the_percentiles_of_the_naive_draws(name: str) -> None:
    rows = world(name)
    words: dict[str, Any] = {"draws": DRAWS, "seed": 4, "level": 0.9, "method": "percentile"}
    found = bootstrap.interval(metrics.get(name), *statistics(name, rows), **words)
    naive_BL = np.array([resampled(name, rows, counts_G) for counts_G in all_weights(20, DRAWS, 4)])
    points_L = resampled(name, rows, np.ones(20, dtype=int))
    for estimate, point, drawn_B in zip(found.labels, points_L, naive_BL.T, strict=True):
        assert estimate.value == pytest.approx(point, abs=1e-12)
        assert (estimate.low, estimate.high) == pytest.approx(np.quantile(drawn_B, [0.05, 0.95]), abs=1e-12)
    assert found.p.value == pytest.approx(points_L.mean(), abs=1e-12)
    assert (found.p.low, found.p.high) == pytest.approx(np.quantile(naive_BL.mean(axis=1), [0.05, 0.95]), abs=1e-12)
    assert (found.clusters, found.draws, found.level, found.method) == (20, DRAWS, 0.9, "percentile")


@pytest.mark.parametrize("name", sorted(NAIVE))
def test_the_folds_mean_draws_within_each_fold(name: str) -> None:
    folds = [[(f"fold{i} {group}", *rest) for group, *rest in world(name, seed=i)] for i in range(3)]
    given = [statistics(name, rows) for rows in folds]
    found = bootstrap.folds_mean(metrics.get(name), given, draws=DRAWS, seed=2, method="percentile")
    naive_FBL = [
        [resampled(name, rows, counts_G) for counts_G in all_weights(20, DRAWS, 2, fold)]
        for fold, rows in enumerate(folds)
    ]
    drawn_BL = np.mean(naive_FBL, axis=0)
    points_L = np.mean([resampled(name, rows, np.ones(20, dtype=int)) for rows in folds], axis=0)
    expected = [points_L.mean(), *np.quantile(drawn_BL.mean(axis=1), [0.025, 0.975])]
    assert [found.p.value, found.p.low, found.p.high] == pytest.approx(expected, abs=1e-12)
    assert [estimate.value for estimate in found.labels] == pytest.approx(points_L.tolist(), abs=1e-12)
    assert found.clusters == 60


def test_the_folds_pooled_draw_from_all_folds() -> None:
    folds = [[(f"fold{i} {group}", *rest) for group, *rest in world("ccc", seed=i)] for i in range(3)]
    ccc = metrics.get("ccc")
    together = bootstrap.interval(ccc, *statistics("ccc", [row for rows in folds for row in rows]), draws=DRAWS)
    given = [statistics("ccc", rows) for rows in folds]
    assert bootstrap.folds_pooled(ccc, given, draws=DRAWS) == together
    assert bootstrap.folds_mean(ccc, given, draws=DRAWS).p.value != pytest.approx(together.p.value, abs=1e-4)


def test_a_recording_in_two_folds_is_an_error() -> None:
    given = [statistics("f1", world("f1", seed=i)) for i in range(2)]
    for function in (bootstrap.folds_mean, bootstrap.folds_pooled):
        with pytest.raises(ValueError, match="more than one fold: rec0, rec1"):
            function(metrics.get("f1"), given, draws=2)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**16), st.integers(2, 12), st.sampled_from(sorted(NAIVE)), st.sampled_from(intervals.METHODS))
def test_the_order_of_videos_changes_nothing(seed: int, groups: int, name: str, method: str) -> None:
    """Not a last bit of any score, interval or p-value: of one system, of two, of folds."""
    metric, how = metrics.get(name), {"draws": DRAWS, "method": method}
    one, recording_V = statistics(name, world(name, groups=groups, seed=seed))
    other, _ = statistics(name, world(name, groups=groups, seed=seed, skill=0.3))
    order_V = np.random.default_rng(seed).permutation(len(recording_V))
    shuffled_V = [recording_V[v] for v in order_V]
    first, second = (one, recording_V), (one[order_V], shuffled_V)
    assert bootstrap.interval(metric, *second, **how) == bootstrap.interval(metric, *first, **how)
    assert bootstrap.paired(metric, one[order_V], other[order_V], shuffled_V, **how) == bootstrap.paired(
        metric, one, other, recording_V, **how
    )
    fold = (other, [f"another {group}" for group in recording_V])
    for over_folds in (bootstrap.folds_mean, bootstrap.folds_pooled):
        assert over_folds(metric, [second, fold], **how) == over_folds(metric, [first, fold], **how)


@pytest.mark.parametrize("name", sorted(NAIVE))
def test_the_studentised_interval_by_hand(name: str) -> None:
    """Standard errors by leaving each drawn recording's rows slightly lighter, in rows; the rest by its definition."""
    rows = world(name, videos=24, groups=12)
    metric = metrics.get(name)
    counts_BG = all_weights(12, DRAWS, 3)

    def score(weights_G: Array) -> Array:
        return np.append(*(lambda s: (s, s.mean()))(weighted_score(name, rows, weights_G)))

    def error(weights_G: Array, step: float = 1e-4) -> Array:
        moved = [(score(weights_G + step * e_G) - score(weights_G - step * e_G)) / (2 * step) for e_G in np.eye(12)]
        return np.asarray(np.sqrt((weights_G[:, None] * np.array(moved) ** 2).sum(axis=0)))

    point_M, error_M = score(np.ones(12)), error(np.ones(12))
    t_BM = np.array([(score(w_G) - point_M) / error(w_G) for w_G in counts_BG.astype(float)])
    found = bootstrap.interval(metric, *statistics(name, rows), draws=DRAWS, seed=3, level=0.8)
    low_M = point_M - np.quantile(t_BM, 0.9, axis=0, method="higher") * error_M
    high_M = point_M - np.quantile(t_BM, 0.1, axis=0, method="lower") * error_M
    estimates = [*found.labels, found.p]
    np.testing.assert_allclose([e.low for e in estimates], np.clip(low_M, *metric.bounds), atol=1e-6)
    np.testing.assert_allclose([e.high for e in estimates], np.clip(high_M, *metric.bounds), atol=1e-6)
    assert found.method == "studentised"


def weighted_score(name: str, rows: Rows, weights_G: Array) -> Array:
    """The scores with every row counted as often as its recording weighs, which need not be a whole number."""
    names = sorted({group for group, _, _ in rows})
    weight_R = np.concatenate([np.full(len(pred), weights_G[names.index(group)]) for group, pred, _ in rows])
    pred_RL, target_RL = (np.concatenate([row[side] for row in rows]) for side in (1, 2))
    if name == "f1":
        tp = weight_R @ (pred_RL * target_RL)
        return np.asarray(2 * tp / (weight_R @ (pred_RL + target_RL)))
    mean_p, mean_t = (np.average(side, axis=0, weights=weight_R) for side in (pred_RL, target_RL))
    cov, var_p, var_t = (
        np.average(a * b, axis=0, weights=weight_R)
        for a, b in (
            (pred_RL - mean_p, target_RL - mean_t),
            (pred_RL - mean_p, pred_RL - mean_p),
            (target_RL - mean_t, target_RL - mean_t),
        )
    )
    if name == "ccc":
        return np.asarray(2 * cov / (var_p + var_t + (mean_p - mean_t) ** 2))
    return np.asarray(cov / np.sqrt(var_p * var_t))


def test_bca_equals_scipy() -> None:
    """Same draws, the jackknife's acceleration instead of the influences': scipy resamples recordings as one sample."""
    from scipy.stats import bootstrap as scipy_bootstrap

    rng = np.random.default_rng(1)
    tp_G = rng.integers(5, 60, 80)
    stats_GLk = np.stack([tp_G * 3, tp_G, rng.integers(0, 30, 80), rng.integers(0, 30, 80)], axis=-1)[:, None]
    f1 = metrics.get("f1")

    def score(indices: Array, axis: int = -1) -> Array:
        return np.asarray(f1.score(stats_GLk[indices.astype(int)].sum(axis=axis - 2 if axis < 0 else axis)))[..., 0]

    names = [f"{i:03}" for i in range(80)]
    ours = bootstrap.interval(f1, stats_GLk, names, draws=20_000, method="bca").p
    theirs = scipy_bootstrap(
        (np.arange(80),), score, method="BCa", n_resamples=20_000, random_state=np.random.default_rng(0), batch=500
    ).confidence_interval
    plain = bootstrap.interval(f1, stats_GLk, names, draws=20_000, method="percentile").p
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=2e-3)
    assert (ours.low, ours.high) != pytest.approx((plain.low, plain.high), abs=1e-5)


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(UserError, match=r"'bcaa'\. Did you mean 'bca'"):
        bootstrap.interval(metrics.get("f1"), *statistics("f1", world("f1")), draws=9, method="bcaa")


@pytest.mark.parametrize("method", intervals.METHODS)
def test_of_one_recording_nothing_is_known_but_the_score(method: str) -> None:
    stats_VLk, groups = statistics("f1", [("only", *rest) for _, *rest in world("f1", videos=3)])
    f1 = metrics.get("f1")
    found = bootstrap.interval(f1, stats_VLk, groups, draws=10, method=method)
    assert {(one.low, one.high) for one in (found.p, *found.labels)} == {(0.0, 1.0)}
    worse_VLk = stats_VLk.copy()
    columns = [f1.columns.index(name) for name in ("tp", "fn")]
    worse_VLk[..., columns[1]] += worse_VLk[..., columns[0]]
    worse_VLk[..., columns[0]] = 0
    difference = bootstrap.paired(f1, stats_VLk, worse_VLk, groups, draws=10, method=method)
    assert difference.p.value > 0
    assert (difference.p.low, difference.p.high, difference.p.p_value) == (-1.0, 1.0, 1.0)


def test_one_recording_is_one_cluster_and_none_is_an_error() -> None:
    rows = [("only", *rest) for _, *rest in world("f1", videos=3)]
    f1 = metrics.get("f1")
    found = bootstrap.interval(f1, *statistics("f1", rows), draws=10)
    assert found.clusters == 1
    with pytest.raises(ValueError, match="at least one recording"):
        bootstrap.interval(f1, np.zeros((0, 4, 4), dtype=np.int64), [])
    with pytest.raises(ValueError, match="3 videos have statistics, 1 have a group"):
        bootstrap.interval(f1, statistics("f1", rows)[0], ["only"])


def test_ten_thousand_draws_stay_in_bounded_memory() -> None:
    rng = np.random.default_rng(0)
    f1 = metrics.get("f1")
    stats_VLk = rng.integers(0, 50, size=(600, 8, 4))
    tracemalloc.start()
    bootstrap.interval(f1, stats_VLk, [f"rec{i}" for i in range(600)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
