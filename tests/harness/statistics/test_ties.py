"""Standings agree with paired comparisons one by one, and letters with what was told apart."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness import metrics
from harness.statistics import bootstrap, ties
from harness.statistics.intervals import holm

Array = NDArray[Any]
GROUPS = [f"rec{g}" for g in range(25)]
SKILLS = (0.2, 0.5, 0.52, 0.8)


def system(name: str, skill: float, number: int = 0, offset: int = 0) -> Array:
    """stats_VLk of one system; the truth depends on the recording alone."""
    metric, found = metrics.get(name), []
    for g in range(len(GROUPS)):
        target_RL = np.random.default_rng([offset, g]).normal(size=(30, 3))
        noise_RL = np.random.default_rng([offset, g, 1 + number]).normal(size=target_RL.shape)
        pred_RL = skill * target_RL + (1 - skill) * noise_RL
        pair = (pred_RL > 0, target_RL > 0) if name == "f1" else (pred_RL, target_RL)
        found.append(metric.stats(*(side.astype(float) for side in pair)))
    return np.stack(found)


@pytest.mark.parametrize("name", sorted(metrics.METRICS))
def test_pairs_are_told_apart_as_compared_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = metrics.get(name)
    made = [system(name, skill, number) for number, skill in enumerate(SKILLS)]
    seen: list[list[float]] = []
    monkeypatch.setattr(ties, "holm", lambda p: seen.append(list(p)) or holm(p))
    found = ties.standings(metric, [[(stats, GROUPS)] for stats in made], draws=2000)
    best_first = sorted(range(4), key=lambda i: -metric.score(metric.merge(made[i])).mean())
    pairs = list(combinations(best_first, 2))
    one_by_one = [bootstrap.paired(metric, made[i], made[j], GROUPS, draws=2000).p.p_value for i, j in pairs]
    assert seen == [pytest.approx(one_by_one, abs=2 / 2001)]  # rounding may move one draw over the edge
    apart = {pair for pair, p in zip(pairs, holm(one_by_one), strict=True) if p < 0.05}
    for i, j in pairs:
        assert bool(set(found[i].tie) & set(found[j].tie)) == ((i, j) not in apart)
    assert found[best_first[0]].tie[0] == "a"
    assert [standing.tie for standing in found].count(found[0].tie) == 1  # the weakest is told apart from all


@pytest.mark.parametrize("name", sorted(metrics.METRICS))
def test_the_chance_of_being_best_is_the_share_of_draws(name: str) -> None:
    metric = metrics.get(name)
    made = [system(name, skill, number) for number, skill in enumerate(SKILLS)]
    found = ties.standings(metric, [[(stats, GROUPS)] for stats in made], draws=300, seed=3)
    weights_BG = np.concatenate(list(bootstrap.weights(len(GROUPS), 300, 3))).astype(int)
    in_order = [bootstrap.by_group(metric, stats, GROUPS)[1] for stats in made]
    p_BS = np.stack([metric.scorer(s)(weights_BG).mean(axis=1) for s in in_order], axis=1)
    assert [one.best for one in found] == pytest.approx(np.bincount(p_BS.argmax(axis=1), minlength=4) / 300)


@pytest.mark.parametrize("name", sorted(metrics.METRICS))
def test_equal_systems_share_letter_and_chance(name: str) -> None:
    twin, other = system(name, 0.7), system(name, 0.1, 1)
    given = [[(stats, GROUPS)] for stats in (twin, other, twin, twin)]
    found = ties.standings(metrics.get(name), given, draws=1000)
    third = pytest.approx(1 / 3)
    assert [(one.best, one.tie) for one in found] == [(third, "a"), (0.0, "b"), (third, "a"), (third, "a")]


def test_the_order_of_systems_changes_nothing() -> None:
    made = [system("ccc", skill, number) for number, skill in enumerate(SKILLS)]
    given = [[(stats, GROUPS)] for stats in made]
    found = ties.standings(metrics.get("ccc"), given, draws=200)
    assert ties.standings(metrics.get("ccc"), given[::-1], draws=200) == found[::-1]


def test_folds_are_drawn_apart() -> None:
    names = [[f"fold{i} {group}" for group in GROUPS] for i in range(3)]
    made = [
        [(system("f1", skill, number, offset), names[offset]) for offset in range(3)]
        for number, skill in enumerate((0.3, 0.8))
    ]
    weak, strong = ties.standings(metrics.get("f1"), made, draws=1000)
    p = bootstrap.paired_folds_mean(metrics.get("f1"), made[1], made[0], draws=1000).p
    assert p.p_value < 0.05
    assert (weak.tie, strong.tie, strong.best) == ("b", "a", 1.0)


def test_beyond_the_most_only_the_best_have_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ties, "MOST", 2)
    made = [[(system("f1", skill, number), GROUPS)] for number, skill in enumerate(SKILLS)]
    found = ties.standings(metrics.get("f1"), made, draws=200)
    assert [bool(one.tie) for one in found] == [False, False, True, True]
    assert sum(one.best for one in found) == pytest.approx(1.0)


def test_pieces_of_draws_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [[(system("ccc", skill, number), GROUPS)] for number, skill in enumerate(SKILLS)]
    found = ties.standings(metrics.get("ccc"), given, draws=150)
    monkeypatch.setattr(ties, "ROOM", 1000)
    assert ties.standings(metrics.get("ccc"), given, draws=150) == found


@settings(deadline=None)  # a shared machine stalls
@given(st.integers(2, 9), st.data())
def test_letters_are_shared_by_just_those_that_cannot_be_told_apart(count: int, data: st.DataObject) -> None:
    pairs = list(combinations(range(count), 2))
    differ = data.draw(st.sets(st.sampled_from(pairs)))
    found = ties.letters(count, differ)
    assert all(found)
    for pair in pairs:
        assert bool(set(found[pair[0]]) & set(found[pair[1]])) == (pair not in differ)
    assert found[0].startswith("a")


def test_after_z_letters_are_numbered() -> None:
    everyone = set(combinations(range(28), 2))
    assert ties.letters(28, everyone)[25:] == ["z", "a2", "b2"]
