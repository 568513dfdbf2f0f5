from __future__ import annotations

import numpy as np
import pytest

from abaw6.demo import dynamics, prototypes
from abaw6.demo.dynamics import Segment, Style


def test_an_expression_rises_holds_and_falls_smoothly() -> None:
    t_F = np.linspace(0.0, 3.0, 301)
    envelope_F = Segment("Happiness", 0.5, 2.5).envelope(t_F)
    assert envelope_F[t_F <= 0.5].max() == 0.0
    assert envelope_F[(t_F > 1.0) & (t_F < 2.0)].min() == 1.0
    assert np.abs(np.diff(envelope_F)).max() < 0.08


def test_arranged_segments_fill_the_time_and_keep_every_expression() -> None:
    wanted = [("Neutral", 2.0), ("Fear", 0.6), ("Happiness", 1.5)]
    segments = dynamics.arrange(np.random.default_rng(0), 8.2, wanted)
    assert sorted(s.expression for s in segments) == ["Fear", "Happiness", "Neutral"]
    assert segments[0].start == 0.0
    assert [s.start for s in segments[1:]] == [s.end for s in segments[:-1]]
    assert segments[-1].end == pytest.approx(8.2)
    fear = next(s for s in segments if s.expression == "Fear")
    assert fear.end - fear.start == pytest.approx(0.6 * 2)


def test_a_face_shows_the_prototype_at_its_apex() -> None:
    t_F = np.arange(100) / 25
    style = Style(np.ones(12), np.zeros(12), 0.0)
    au_F12 = dynamics.face(np.random.default_rng(0), t_F, [Segment("Sadness", 0.0, 4.0)], style, np.zeros(100))
    assert au_F12.shape == (100, 12)
    assert np.abs(au_F12[50] - prototypes.variants("Sadness")[0]).max() < 0.15


def test_the_same_movement_at_any_frame_rate() -> None:
    slow_F, fast_F = np.arange(0, 4, 0.1), np.arange(0, 4, 0.05)
    slow = dynamics.drift(np.random.default_rng(5), slow_F, 1.0)
    assert np.allclose(slow, dynamics.drift(np.random.default_rng(5), fast_F, 1.0)[::2])


def test_valence_and_arousal_of_a_face() -> None:
    t_F = np.arange(50) / 25
    happy_F12 = np.tile(prototypes.variants("Happiness")[0], (50, 1))
    sad_F12 = np.tile(prototypes.variants("Sadness")[0], (50, 1))
    surprised_F12 = np.tile(prototypes.variants("Surprise")[0], (50, 1))
    assert dynamics.suggested(t_F, happy_F12)[0].mean() > 0.5 > -0.5 > dynamics.suggested(t_F, sad_F12)[0].mean()
    assert dynamics.suggested(t_F, surprised_F12)[1].mean() > dynamics.suggested(t_F, sad_F12)[1].mean() + 0.5


def test_labels_follow_the_segments_after_a_lag() -> None:
    t_F = np.arange(0, 4, 0.04)
    segments = (Segment("Anger", 0.0, 2.0), Segment("Fear", 2.0, 4.0))
    names = dynamics.expression_labels(t_F, segments, 0.1, rest="Neutral")
    assert names[25] == "Anger"
    assert names[80] == "Fear"
    assert names.index("Fear") > int(2.1 / 0.04)
    assert dynamics.expression_labels(t_F, segments, 0.0, rest=None)[0] is None


def test_smooth_keeps_constants_and_delay_shifts() -> None:
    t_F = np.sort(np.random.default_rng(0).uniform(0, 3, 80))
    assert np.allclose(dynamics.smooth(t_F, np.full(80, 0.7), 0.2), 0.7)
    assert np.allclose(dynamics.delayed(t_F, t_F, 0.2)[20:], t_F[20:] - 0.2)


def test_absences_are_few_short_runs() -> None:
    seen = [dynamics.absences(np.random.default_rng(seed), 250, 0.02) for seed in range(200)]
    assert 0.01 < 1 - np.mean(seen) < 0.03


def test_compound_prototypes_hold_both_parts() -> None:
    assert set(prototypes.COMPOUNDS) & set(prototypes.EXPRESSIONS) == set()
    for name in prototypes.COMPOUNDS:
        assert all(au_12.shape == (12,) and au_12.max() <= 1.0 for au_12 in prototypes.variants(name))
    compound = prototypes.variants("Happily Surprised")[0]
    assert (compound >= prototypes.variants("Happiness")[0]).all()
    assert (compound >= prototypes.variants("Surprise")[0]).all()
