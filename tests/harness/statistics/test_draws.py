"""Draws are multinomial counts; a sum of systems is drawn as each of them is by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import metrics
from harness.statistics import draws

Array = NDArray[Any]


def all_weights(clusters: int, count: int, seed: int = 0, fold: int = 0) -> Array:
    return np.concatenate(list(draws.weights(clusters, count, seed, fold))).astype(int)


def systems(name: str, count: int, groups: int = 12) -> list[Array]:
    """stats_GLk of systems on one truth of three labels."""
    rng, metric = np.random.default_rng(3), metrics.get(name)
    truth_GRL = [rng.normal(size=(30, 3)) for _ in range(groups)]
    made = []
    for _ in range(count):
        said_GRL = [truth_RL + rng.normal(size=truth_RL.shape) for truth_RL in truth_GRL]
        pairs = zip(said_GRL, truth_GRL, strict=True)
        if name == "f1":
            pairs = (((said > 0).astype(float), (truth > 0).astype(float)) for said, truth in pairs)
        made.append(np.stack([metric.stats(*pair) for pair in pairs]))
    return made


def test_weights_are_multinomial_counts_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    counts_BG = all_weights(40, 3000, seed=7)
    assert (counts_BG.sum(axis=1) == 40).all()
    assert counts_BG.mean(axis=0) == pytest.approx(np.ones(40), abs=0.1)
    assert counts_BG.var(axis=0) == pytest.approx(np.full(40, 39 / 40), abs=0.15)
    monkeypatch.setattr(draws, "CHUNK", 999)
    np.testing.assert_array_equal(all_weights(40, 3000, seed=7), counts_BG)
    np.testing.assert_array_equal(all_weights(40, 100, seed=7), counts_BG[:100])
    assert (all_weights(40, 100, seed=8) != counts_BG[:100]).any()
    assert (all_weights(40, 100, seed=7, fold=1) != counts_BG[:100]).any()


@pytest.mark.parametrize("name", sorted(metrics.METRICS))
def test_a_sum_of_systems_is_drawn_as_each_of_them_by_itself(name: str) -> None:
    metric, made = metrics.get(name), systems(name, 3)
    shares = (0.5, 0.5, -1.0)
    drawn, each = draws.draw(metric, [tuple(made)], shares, 50, 1, errors=True)
    alone = [draws.draw(metric, [(one,)], (1.0,), 50, 1, errors=True)[0] for one in made]
    for system, one in enumerate(alone):
        np.testing.assert_array_equal(each.drawn_BSM[:, system], one.drawn_BM)
    total_BM = sum(share * one.drawn_BM for share, one in zip(shares, alone, strict=True))
    np.testing.assert_allclose(drawn.drawn_BM, total_BM, rtol=0, atol=1e-15)
    # what a recording does to the sum is the sum of what it does to each
    influence_GM = sum(share * one.influence_GM for share, one in zip(shares, alone, strict=True))
    np.testing.assert_allclose(drawn.influence_GM, influence_GM, rtol=0, atol=1e-12)
    np.testing.assert_allclose(drawn.error_M, np.sqrt((influence_GM**2).sum(axis=0)), rtol=1e-9)
