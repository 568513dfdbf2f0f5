"""Differences of two systems: those of the naive draws, mirrored by a swap, nothing for like systems."""

from __future__ import annotations

import numpy as np
import pytest
from naive_draws import DRAWS, NAIVE, all_weights, resampled, statistics, world

from harness import metrics
from harness.statistics import bootstrap, intervals


@pytest.mark.parametrize("method", intervals.METHODS)
@pytest.mark.parametrize("name", sorted(NAIVE))
def test_identical_systems_differ_by_nothing(name: str, method: str) -> None:
    stats_VLk, groups = statistics(name, world(name))
    found = bootstrap.paired(metrics.get(name), stats_VLk, stats_VLk.copy(), groups, draws=DRAWS, method=method)
    assert {found.p, *found.labels} == {bootstrap.Contrast(0.0, 0.0, 0.0, 1.0)}


@pytest.mark.parametrize("method", intervals.METHODS)
@pytest.mark.parametrize("name", sorted(NAIVE))
def test_swapping_two_systems_mirrors_exactly(name: str, method: str) -> None:
    metric = metrics.get(name)
    a_VLk, groups = statistics(name, world(name, skill=0.6))
    b_VLk, _ = statistics(name, world(name, skill=0.5))
    one = bootstrap.paired(metric, a_VLk, b_VLk, groups, draws=DRAWS, method=method)
    other = bootstrap.paired(metric, b_VLk, a_VLk, groups, draws=DRAWS, method=method)
    for x, y in zip((one.p, *one.labels), (other.p, *other.labels), strict=True):
        assert (x.value, x.low, x.high, x.p_value) == (-y.value, -y.high, -y.low, y.p_value)
    assert one.p.value != 0


@pytest.mark.parametrize("name", sorted(NAIVE))
def test_a_difference_is_that_of_the_naive_draws(name: str) -> None:
    good, bad = world(name, skill=0.9), world(name, skill=0.1)
    a_VLk, groups = statistics(name, good)
    b_VLk, _ = statistics(name, bad)
    found = bootstrap.paired(metrics.get(name), a_VLk, b_VLk, groups, draws=DRAWS, method="percentile")
    drawn_B = np.array(
        [
            resampled(name, good, counts_G).mean() - resampled(name, bad, counts_G).mean()
            for counts_G in all_weights(20, DRAWS)
        ]
    )
    assert (found.p.low, found.p.high) == pytest.approx(np.quantile(drawn_B, [0.025, 0.975]), abs=1e-12)
    assert found.p.low > 0
    assert found.p.p_value == 2 / (DRAWS + 1)


def test_the_p_value_counts_the_smaller_side_plus_one() -> None:
    stats_VLk, groups = statistics("ccc", world("ccc", skill=0.5))
    other_VLk, _ = statistics("ccc", world("ccc", skill=0.52))
    ccc = metrics.get("ccc")
    found = bootstrap.paired(ccc, stats_VLk, other_VLk, groups, draws=500, method="percentile")
    counts_BG = all_weights(20, 500)
    scores = [ccc.scorer(bootstrap.by_group(ccc, s, groups)[1])(counts_BG) for s in (stats_VLk, other_VLk)]
    drawn_B = (scores[0] - scores[1]).mean(axis=1)
    smaller = min((drawn_B <= 0).sum(), (drawn_B >= 0).sum())
    assert found.p.p_value == min(1.0, 2 * (smaller + 1) / 501)
    assert 0.01 < found.p.p_value <= 1


def test_folds_are_compared_like_their_scores() -> None:
    f1 = metrics.get("f1")
    worlds = {s: [world("f1", seed=i, skill=s) for i in range(2)] for s in (0.8, 0.3)}
    a, b = (
        [statistics("f1", [(f"{i} {g}", *rest) for g, *rest in rows]) for i, rows in enumerate(folds)]
        for folds in worlds.values()
    )
    for compare, score in (
        (bootstrap.paired_folds_mean, bootstrap.folds_mean),
        (bootstrap.paired_folds_pooled, bootstrap.folds_pooled),
    ):
        found = compare(f1, a, b, draws=DRAWS)
        expected = score(f1, a, draws=DRAWS).p.value - score(f1, b, draws=DRAWS).p.value
        assert found.p.value == pytest.approx(expected, abs=1e-12)
        assert 0 < found.p.low < found.p.value < found.p.high
        assert found.clusters == 40


def test_systems_judged_on_other_rows_cannot_be_compared() -> None:
    stats_VLk, groups = statistics("f1", world("f1"))
    more_VLk = stats_VLk.copy()
    more_VLk[0, 0, 0] += 1
    f1 = metrics.get("f1")
    with pytest.raises(ValueError, match="same labelled rows"):
        bootstrap.paired(f1, stats_VLk, more_VLk, groups)
    with pytest.raises(ValueError, match="same recordings"):
        bootstrap.paired_folds_mean(f1, [(stats_VLk, groups)], [(stats_VLk, ["other", *groups[1:]])])
