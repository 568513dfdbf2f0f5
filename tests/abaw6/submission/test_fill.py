from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abaw6.submission.fill import fill, nearest_rows
from abaw6.submission.form import FORMS
from abaw6.submission.run import Scores, read_run
from abaw6.submission.template import read_template
from harness.errors import UserError

VALUES_RL = np.array([[0.1, -0.1], [0.2, -0.2], [0.3, -0.3], [0.4, -0.4]], np.float32)


def frames(video: str, *numbers: int) -> list[str]:
    return [f"{video}/{number:05d}.jpg" for number in numbers]


def test_missing_frames_take_the_nearest_and_missing_videos_the_mean(make_run, make_template) -> None:
    run = read_run(make_run("va", {"v": VALUES_RL, "unasked": VALUES_RL[:2]}, drop=(("v", 2), ("v", 3))), "test")
    names = [*frames("w", 1), *frames("v", 6, 4, 3, 2, 1), *frames("w", 2)]
    filled = fill(read_template(make_template("va", *names), FORMS["va"]), run)
    mean = np.array([0.2, -0.2], np.float32)
    expected = [mean, *VALUES_RL[[3, 3, 3, 0, 0]], mean]
    np.testing.assert_allclose(filled.decision_RL, np.array(expected), atol=1e-7)
    assert filled.nearest == {"v": 3}
    assert filled.mean == {"w": 2}
    np.testing.assert_allclose(filled.mean_L, mean, atol=1e-7)
    assert (filled.predicted, filled.unasked, filled.clipped) == (2, 2, 0)


@pytest.mark.parametrize(
    ("task", "mean_L"),
    [("expr", np.eye(8)[2]), ("au", [0] * 11 + [1]), ("ce", np.eye(7)[2])],
)
def test_a_filled_video_is_decided_as_any_other(make_run, make_template, task: str, mean_L: list[float]) -> None:
    scores_RL = np.full((3, len(FORMS[task].task.labels)), 0.1, np.float32)
    scores_RL[:, -1], scores_RL[1:, 2] = (0.9, 0.1, 0.51), (0.45, 0.98)
    if task != "au":
        scores_RL[:, -1] = 0.2
    filled = fill(
        read_template(make_template(task, *frames("v", 1, 2, 3), *frames("w", 1)), FORMS[task]),
        read_run(make_run(task, {"v": scores_RL}), "test"),
    )
    assert filled.decision_RL[3].tolist() == filled.mean_L.tolist()
    if task == "au":
        assert filled.mean_L.tolist() == [0, 0, 1, *[0] * 8, 1]
    else:
        assert filled.mean_L.tolist() == list(mean_L)


def test_values_are_clipped_into_the_range_and_counted(make_run, make_template) -> None:
    run = read_run(make_run("va", {"v": np.array([[1.5, 0], [0, 0], [0.5, -1.25]], np.float32)}), "test")
    filled = fill(read_template(make_template("va", *frames("v", 1, 2, 3)), FORMS["va"]), run)
    assert filled.decision_RL.tolist() == [[1, 0], [0, 0], [0.5, -1]]
    assert filled.clipped == 2


def test_a_template_of_other_videos_is_refused(make_run, make_template) -> None:
    run = read_run(make_run("va", {"v": VALUES_RL}), "test")
    with pytest.raises(UserError, match="none of the run's videos: expected some of v; got w1, w2, w3 and 1 more"):
        fill(read_template(make_template("va", *(f"w{i}/00001.jpg" for i in range(1, 5))), FORMS["va"]), run)


@settings(deadline=None)
@given(st.sets(st.integers(0, 60), min_size=1), st.lists(st.integers(0, 80), min_size=1))
def test_the_nearest_frame_the_earlier_of_two(predicted: set[int], asked: list[int]) -> None:
    frame_N = np.array(sorted(predicted))
    rows = nearest_rows(Scores(frame_N, np.zeros((len(frame_N), 1), np.float32)), np.array(asked))
    assert frame_N[rows].tolist() == [min(sorted(predicted), key=lambda one: abs(one - frame)) for frame in asked]
