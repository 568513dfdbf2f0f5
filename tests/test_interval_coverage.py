"""The two made-up worlds are what they claim to be, and the intervals hold in them what docs/statistics.md says."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from harness.metrics import get


def test_rare_labels_are_as_rare_and_as_lopsided_as_they_are_said_to_be(tool: ModuleType):
    stats_NLk = tool.f1_world("b", 500 * 70, np.random.default_rng(0))
    true_NL = (stats_NLk[..., 1] + stats_NLk[..., 3]).reshape(500, 70, -1)
    for label, recordings in tool.RARE.items():
        held = (true_NL[..., label] > 0).sum(axis=1).mean()
        three = np.sort(true_NL[..., label], axis=1)[:, -3:].sum(axis=1) / true_NL[..., label].sum(axis=1)
        assert held == pytest.approx(recordings, abs=1)
        assert 0.8 < np.median(three) < 0.9


def test_no_label_is_rare_in_world_a(tool: ModuleType):
    stats_NLk = tool.f1_world("a", 7000, np.random.default_rng(0))
    held = (stats_NLk[..., 1] + stats_NLk[..., 3] > 0).reshape(100, 70, -1).sum(axis=1)
    assert held.min() >= 20


@pytest.mark.parametrize("metric", ["f1", "ccc", "pearson"])
def test_counts_are_those_of_rows(tool: ModuleType, metric: str):
    stats_NLk = tool.world(metric, "a", 50, np.random.default_rng(1))
    score_L = get(metric).score(get(metric).merge(stats_NLk))
    assert ((score_L > 0.2) & (score_L < 0.95)).all()
    assert (get(metric).rows(stats_NLk) > 0).all()


@pytest.mark.slow
def test_studentised_intervals_hold_their_level(tool: ModuleType):
    """With 200 samples a share of 95 is known to 1.5: the mean over labels is much better known."""
    plenty = tool.coverage("f1", "a", 200, "studentised", draws=400)
    assert 0.93 <= plenty[:-1].mean() <= 0.97
    rare = sorted(tool.RARE)
    held = {m: tool.coverage("f1", "b", 200, m, draws=400)[rare].mean() for m in ("studentised", "percentile")}
    assert held["studentised"] > 0.89
    assert held["percentile"] < 0.86


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["ccc", "pearson"])
def test_so_do_those_of_values(tool: ModuleType, metric: str):
    assert 0.92 <= tool.coverage(metric, "a", 200, "studentised", draws=400).mean() <= 0.98


@pytest.mark.slow
def test_equal_systems_seldom_differ(tool: ModuleType):
    alarms = tool.false_alarms("a", 200, draws=400)
    assert alarms[:-1].mean() < 0.075


@pytest.mark.slow
def test_intervals_over_five_seeds_hold_the_procedures_score(tool: ModuleType):
    held, alone = tool.seeds_coverage(5, 100, luck=0.05, draws=400)
    assert held > 0.88
    assert alone < 0.6
