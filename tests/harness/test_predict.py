from __future__ import annotations

import numpy as np
import pytest

from harness import builtin, metrics
from harness.kinds import ANY_OF, ONE_OF, continuous
from harness.predict import Decider, choose_setting, decisions, predictions_table
from harness.types import Floats, Video

KIND = continuous("ccc", -1.0, 1.0)
VIDEO = Video("v", "g", "valid", 3, 10.0, np.ones(3, bool))


class Square:
    """A smoother that does not commute with the mean."""

    candidates = (1.0, 2.0)

    def __call__(self, scores_RL: Floats, video: Video, setting: float) -> Floats:
        assert video is VIDEO
        assert scores_RL.ndim == 2
        return scores_RL**2 * np.float32(setting)


SCORES_KRL = np.arange(12, dtype=np.float32).reshape(2, 3, 2) / 12


@pytest.mark.parametrize(
    ("order", "expected"),
    [("vote-smooth", 2 * SCORES_KRL.mean(0) ** 2), ("smooth-vote", (2 * SCORES_KRL**2).mean(0))],
)
def test_the_order_of_vote_and_smoothing(order: str, expected: Floats):
    decider = Decider(builtin.mean, Square(), order, KIND)
    np.testing.assert_allclose(decider(SCORES_KRL, VIDEO, 2.0, 0), expected, rtol=1e-6)


@pytest.mark.parametrize("order", ["vote-smooth", "smooth-vote"])
def test_a_routed_video_is_judged_by_its_own_part(order: str):
    decider = Decider(builtin.routed, Square(), order, KIND)
    assert decider.asks_part
    for part, own_RL in enumerate(SCORES_KRL):
        np.testing.assert_allclose(decider(SCORES_KRL, VIDEO, 2.0, part), 2 * own_RL**2, rtol=1e-6)


class Toward:
    """Setting s: score * s; the target is matched best by one of the candidates."""

    candidates = (0.2, 1.0, 1.0, 3.0)

    def __call__(self, scores_RL: Floats, video: Video, setting: float) -> Floats:
        return scores_RL * np.float32(setting)


def test_the_setting_is_the_best_on_inner_and_logged(tiny):
    world = tiny("mood")
    context, split = world.prepare().context, world.prepare().splits[0]
    targets = context.targets(split.inner)
    scores = {key: np.nan_to_num(target_RL)[None] for key, target_RL in targets.items()}
    decider = Decider(builtin.mean, Toward(), "vote-smooth", KIND)
    assert choose_setting(context, decider, split.inner, scores, dict.fromkeys(scores, 0)) == 1.0
    [choice] = context.choices
    assert (choice["what"], choice["chosen"], choice["by"]) == ("smoothing", 1.0, "ccc on inner")
    assert choice["candidates"] == [0.2, 1.0, 1.0, 3.0]
    metric = metrics.get("ccc")
    for candidate, score in zip(choice["candidates"], choice["scores"], strict=True):
        pred_RL = np.concatenate([scores[v.key][0] * np.float32(candidate) for v in split.inner])
        target_RL = np.concatenate([targets[v.key] for v in split.inner])
        assert score == pytest.approx(metric.score(metric.stats(pred_RL, target_RL)).mean(), abs=1e-9)


def test_nothing_to_choose(tiny):
    world = tiny()
    context = world.prepare().context
    assert choose_setting(context, Decider(builtin.mean, builtin.none(), "vote-smooth", ONE_OF), (), {}, {}) == 0.0
    assert context.choices == []


def test_decisions_in_words():
    scores_RL = np.array([[0.6, 0.5, 0.1], [0.2, 0.3, 0.3]], np.float32)
    assert decisions(scores_RL, ANY_OF, ["a", "b", "c"]) == ["a+b", ""]
    assert decisions(scores_RL, ONE_OF, ["a", "b", "c"]) == ["a", "b"]
    assert decisions(scores_RL, KIND, ["a", "b", "c"]) == ["", ""]


def test_every_prediction_is_a_row():
    other = Video("w", "g", "valid", 2, 10.0, np.ones(2, bool))
    scores = {"valid/v": np.full((3, 2), 0.25, np.float32), "valid/w": np.full((1, 2), 0.75, np.float32)}
    table = predictions_table([VIDEO, other], {"valid/v": 1, "valid/w": 0}, scores, ANY_OF, ["a", "b"])
    assert table.columns.tolist() == ["video", "frame", "part", "score a", "score b", "decision"]
    assert table.to_numpy().tolist() == [
        ["valid/v", 1, 1, 0.25, 0.25, ""],
        ["valid/v", 2, 1, 0.25, 0.25, ""],
        ["valid/v", 3, 1, 0.25, 0.25, ""],
        ["valid/w", 0, 0, 0.75, 0.75, "a+b"],
    ]
