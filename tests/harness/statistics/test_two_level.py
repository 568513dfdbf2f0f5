"""Recordings and seeds drawn together: checked against draws made one by one, and against what must follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import metrics
from harness.statistics import bootstrap, intervals
from harness.statistics.two_level import paired_seeds_mean, seeds_mean

Array = NDArray[Any]
GROUPS = [f"rec{g}" for g in range(15)]
NAMES = sorted(metrics.METRICS)


def run(name: str, seed: int, skill: float = 0.5, groups: int = 15) -> Array:
    """stats_VLk of one run; the truth depends on the recording alone, a run's luck on its seed."""
    metric, found = metrics.get(name), []
    luck = skill + 0.1 * np.random.default_rng(seed).normal()
    for g in range(groups):
        target_RL = np.random.default_rng([g]).normal(size=(20, 2))
        pred_RL = luck * target_RL + (1 - luck) * np.random.default_rng([g, 1 + seed]).normal(size=target_RL.shape)
        pair = (pred_RL > 0, target_RL > 0) if name == "f1" else (pred_RL, target_RL)
        found.append(metric.stats(*(side.astype(float) for side in pair)))
    return np.stack(found)


def runs(name: str, *seeds: int, skill: float = 0.5) -> list[list[bootstrap.Fold]]:
    return [[(run(name, seed, skill), GROUPS)] for seed in seeds]


@pytest.mark.parametrize("name", NAMES)
def test_draws_made_one_by_one(name: str) -> None:
    metric, given, draws = metrics.get(name), runs(name, 0, 1, 2), 80
    found = seeds_mean(metric, given, draws=draws, seed=4, method="percentile")
    weights_BG = np.concatenate(list(bootstrap.weights(15, draws, 4))).astype(int)
    picks_BS = np.random.default_rng([4, 3, 1]).integers(3, size=(draws, 3))
    in_order = [bootstrap.by_group(metric, *folds[0])[1] for folds in given]
    drawn = []
    for weights_G, picks_S in zip(weights_BG, picks_BS, strict=True):
        of_runs = np.array([metric.scorer(s)(weights_G[None])[0].mean() for s in in_order])
        drawn.append(of_runs.mean() + np.sqrt(3 / 2) * (of_runs[picks_S].mean() - of_runs.mean()))
    of_runs = [metric.score(metric.merge(s)).mean() for s in in_order]
    assert found.p.value == pytest.approx(np.mean(of_runs), abs=1e-12)
    assert (found.p.low, found.p.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=1e-12)
    assert (found.clusters, found.draws, found.method) == (15, draws, "percentile")


@pytest.mark.parametrize("method", intervals.METHODS)
@pytest.mark.parametrize("name", NAMES)
def test_runs_that_agree_give_the_interval_of_one(name: str, method: str) -> None:
    metric, stats_VLk = metrics.get(name), run(name, 0)
    found = seeds_mean(metric, [[(stats_VLk, GROUPS)]] * 3, draws=300, method=method)
    alone = bootstrap.interval(metric, stats_VLk, GROUPS, draws=300, method=method)
    for one, other in zip((found.p, *found.labels), (alone.p, *alone.labels), strict=True):
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_spread_over_seeds_widens_the_interval(name: str) -> None:
    metric, given = metrics.get(name), runs(name, 0, 1, 2, 3)
    widths = [one.p.high - one.p.low for one in (bootstrap.interval(metric, *folds[0], draws=2000) for folds in given)]
    found = seeds_mean(metric, given, draws=2000).p
    assert found.high - found.low > np.mean(widths)


def test_the_spread_over_draws_has_both_parts() -> None:
    """Without recordings to speak of (all alike), the draws' deviation is the seeds' standard error."""
    metric = metrics.get("ccc")
    given = [[(np.repeat(run("ccc", seed, groups=1), 15, axis=0), GROUPS)] for seed in range(6)]
    of_runs = [metric.score(metric.merge(folds[0][0])).mean() for folds in given]
    found = seeds_mean(metric, given, draws=20_000, level=0.6827, method="percentile").p
    assert (found.high - found.low) / 2 == pytest.approx(np.std(of_runs, ddof=1) / np.sqrt(6), rel=0.05)


@pytest.mark.parametrize("method", intervals.METHODS)
@pytest.mark.parametrize("name", NAMES)
def test_swapping_two_procedures_mirrors_exactly(name: str, method: str) -> None:
    metric, a, b = metrics.get(name), runs(name, 0, 1, 2), runs(name, 3, 4, skill=0.7)
    there, back = (paired_seeds_mean(metric, *pair, draws=200, method=method) for pair in ((a, b), (b, a)))
    for one, other in zip((there.p, *there.labels), (back.p, *back.labels), strict=True):
        assert (one.value, one.low, one.high, one.p_value) == (-other.value, -other.high, -other.low, other.p_value)


def test_a_difference_of_procedures_is_that_of_their_means() -> None:
    metric, a, b = metrics.get("f1"), runs("f1", 0, 1, 2), runs("f1", 3, 4, skill=0.9)
    found = paired_seeds_mean(metric, b, a, draws=500).p
    means = [seeds_mean(metric, side, draws=10).p.value for side in (a, b)]
    assert found.value == pytest.approx(means[1] - means[0], abs=1e-12)
    assert found.low > 0
    assert found.p_value < 0.05


def test_procedures_that_agree_differ_by_nothing_to_speak_of() -> None:
    given = runs("pearson", 0, 1, 2)
    found = paired_seeds_mean(metrics.get("pearson"), given, given, draws=1000).p
    assert found.value == 0
    assert found.p_value > 0.9


def test_one_run_tells_no_spread() -> None:
    with pytest.raises(ValueError, match="two runs or more"):
        seeds_mean(metrics.get("f1"), runs("f1", 0), draws=10)


def test_runs_on_other_rows_cannot_be_taken_together() -> None:
    one, other = runs("f1", 0, 1)
    other[0][0][0, 0, 0] += 1
    with pytest.raises(ValueError, match="same labelled rows"):
        seeds_mean(metrics.get("f1"), [one, other], draws=10)
