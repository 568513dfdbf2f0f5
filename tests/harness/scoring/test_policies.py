from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from harness.errors import UserError
from harness.kinds import ANY_OF, ONE_OF, continuous
from harness.metrics import get
from harness.scoring.matching import Frames, Matched
from harness.scoring.policies import admit, settle

NAN = np.nan
VALUE = continuous("ccc", -1.0, 1.0)


def array(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def matched(*frames: Frames, absent: tuple[str, ...] = (), unknown: tuple[str, ...] = ()) -> Matched:
    return Matched({}, frames, absent, (), unknown)


def one(**changes: int) -> Frames:
    """Nine rows, eight of them labelled, all predicted."""
    return dataclasses.replace(Frames("v", 9, 8, 9, True, starts=0, ends=8), **changes)


def test_complete_predictions_are_admitted_by_all():
    for policy in ("official", "strict", "intersection"):
        admit(matched(one(), one(unlabelled=1, first_unlabelled=3, predicted=8)), policy, ())


def test_official_tells_every_sort_of_fault_at_once():
    with pytest.raises(UserError) as caught:
        admit(
            matched(one(missing=2, first_missing=4, predicted=7), one(), absent=("valid/w",), unknown=("x",)),
            "official",
            ["Other"],
        )
    text = str(caught.value)
    assert "no column for Other" in text
    assert "videos that the data does not have: x" in text
    assert "1 of 2 videos without a row: valid/w" in text
    assert "1 of 2 videos differ: video v: 7 rows, 8 labelled; first gap at frame 5" in text
    assert "\n" not in text


def test_many_faults_are_counted_not_listed():
    with pytest.raises(UserError, match=r"30 of 30 videos differ: .*; and 25 more"):
        admit(matched(*[one(missing=1, first_missing=0)] * 30), "official", ())


@pytest.mark.parametrize("policy", ["strict", "intersection"])
def test_the_other_policies_take_what_is_incomplete(policy: str):
    admit(matched(one(missing=2, beyond=1), absent=("valid/w",), unknown=("x",)), policy, ["Other"])


@pytest.mark.parametrize("policy", ["official", "strict", "intersection"])
@pytest.mark.parametrize(
    ("frames", "told"),
    [
        (one(doubled=2, first_doubled=3), "A frame may be predicted once: .*2 rows are of frames that came before"),
        (one(numbered=False, predicted=7), "Rows and frames cannot be matched: .*Add a column 'frame'"),
        (one(starts=-1, beyond=1), "Frames before the first: .*--first-frame 0"),
        (one(starts=1, ends=9, beyond=1, missing=1), "The frame numbers look shifted"),
    ],
)
def test_no_policy_takes_rows_that_cannot_be_right(policy: str, frames: Frames, told: str):
    with pytest.raises(UserError, match=told):
        admit(matched(frames), policy, ())


def test_a_late_video_among_others_is_no_shift():
    admit(matched(one(starts=1, ends=9, beyond=1, missing=1), one()), "strict", ())


def test_a_video_of_several_whose_rows_look_shifted_is_warned_of(caplog: pytest.LogCaptureFixture):
    late = one(video="w", starts=1, ends=9, beyond=1, missing=1, first_missing=0, shift=1)
    for policy in ("strict", "intersection"):
        caplog.clear()
        admit(matched(late, one(), dataclasses.replace(late, video="x", shift=-2)), policy, ())
        assert [record.getMessage() for record in caplog.records] == [
            "video w: its frame numbers look shifted by +1, moved back they fit exactly",
            "video x: its frame numbers look shifted by -2, moved back they fit exactly",
        ]
    caplog.clear()
    with pytest.raises(UserError, match=r"2 of 2 videos differ: video w: .* look shifted by \+1"):
        admit(matched(late, one(missing=1, first_missing=2)), "official", ())
    assert not caplog.records


def test_a_clip_that_stands_twice_is_told_as_that():
    with pytest.raises(UserError, match=r"video 08072: 2 rows, 1 labelled; .*\. A clip has one row$"):
        admit(matched(Frames("08072", 1, 1, 2, False)), "strict", ())


def test_a_row_whose_best_class_is_none_of_the_labels_is_decided_for_none():
    scores_RL = array([-np.inf] * 3, [0.1, -np.inf, -np.inf], [NAN, -np.inf, -np.inf])
    said_RL, target_RL = settle(scores_RL, array(*[[1, 0, 0]] * 3), ONE_OF, "intersection", decided=False, never=[])
    assert said_RL.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert not np.isnan(target_RL).any()  # they are judged, and wrong


def test_strict_makes_missing_rows_wrong_of_each_kind():
    target_RL = array([1, 0, 0], [0, 1, 0])
    said_RL, kept_RL = settle(array([0.2, 0.7, 0.1], [NAN] * 3), target_RL, ONE_OF, "strict", decided=False)
    assert said_RL.tolist() == [[0, 1, 0], [0, 0, 0]]
    assert kept_RL.tolist() == target_RL.tolist()
    said_RL, _ = settle(array([0.5, 0.4], [NAN] * 2), array([1, 0], [1, 0]), ANY_OF, "strict", decided=False)
    assert said_RL.tolist() == [[1, 0], [0, 1]]
    said_RL, _ = settle(array([0.5, 0.4], [NAN] * 2), array([1, 0], [0.3, -0.2]), VALUE, "strict", decided=False)
    assert said_RL[1].tolist() == [-1, 1]


@pytest.mark.parametrize(("kind", "metric"), [(ONE_OF, "f1"), (ANY_OF, "f1"), (VALUE, "ccc")])
def test_leaving_out_a_right_row_never_pays(kind, metric: str):
    rng = np.random.default_rng(0)
    index = rng.integers(0, 3, 200)
    target_RL = np.eye(3)[index] if kind.name == "one_of" else rng.integers(0, 2, (200, 3))
    target_RL = (rng.uniform(-1, 1, (200, 3)) if kind.name == "continuous" else target_RL).astype(np.float32)
    scores = []
    for left_out in (0, 1, 10, 100, 200):
        scores_RL = target_RL.copy()
        scores_RL[:left_out] = NAN
        said_RL, kept_RL = settle(scores_RL, target_RL, kind, "strict", decided=False)
        scores.append(get(metric).score(get(metric).stats(said_RL, kept_RL)).mean())
    assert scores[0] == pytest.approx(1)
    assert all(a > b for a, b in pairwise(scores))


def test_intersection_judges_what_is_there():
    said_RL, target_RL = settle(
        array([0.9, 0.1], [NAN] * 2), array([1, 0], [1, 0]), ANY_OF, "intersection", decided=False
    )
    assert np.isnan(target_RL).tolist() == [[False, False], [True, True]]
    assert said_RL[0].tolist() == [1, 0]


def test_decisions_stay_as_they_are():
    """A row that decides for none of the labels (a class that the task lacks) must not become the first label."""
    none = array([0, 0, 0], [0, 0, 1])
    said_RL, _ = settle(none, array([1, 0, 0], [0, 0, 1]), ONE_OF, "official", decided=True)
    assert said_RL.tolist() == none.tolist()


def test_a_label_without_a_column_is_never_decided_for():
    scores_RL = array([NAN, 0.1, 0.3], [NAN] * 3)
    said_RL, _ = settle(scores_RL, array([1, 0, 0], [1, 0, 0]), ONE_OF, "strict", decided=False, never=[0])
    assert said_RL.tolist() == [[0, 0, 1], [0, 0, 0]]
    said_RL, _ = settle(scores_RL, array([1, 0, 0], [0, 0, 0]), ANY_OF, "strict", decided=False, never=[0])
    assert said_RL[:, 0].tolist() == [0, 0]
    said_RL, _ = settle(scores_RL, array([0.5, 0, 0], [-0.5, 0, 0]), VALUE, "strict", decided=False, never=[0])
    assert said_RL[:, 0].tolist() == [0, 0]


def test_an_unknown_policy_offers_the_known_ones():
    with pytest.raises(UserError, match=r"No policy is called 'offical'\. Did you mean 'official'"):
        admit(matched(one()), "offical", ())
