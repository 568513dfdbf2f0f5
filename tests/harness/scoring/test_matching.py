from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.scoring.matching import Frames, Matched, compare, match, named
from harness.scoring.policies import POLICIES, admit
from harness.scoring.predicted import Predicted, Predictions
from harness.types import Video


def video(name: str, frames: int = 4, side: str = "valid") -> Video:
    return Video(name, name, side, frames, 25.0, np.ones(frames, bool))  # type: ignore[arg-type]


def rows(frames: list[int] | None, n: int | None = None, name: str = "v") -> Predicted:
    """One column of scores that tell the frame they are of."""
    number = len(frames) if frames is not None else n
    scores_NL = np.array(frames if frames is not None else range(number or 0), np.float32)[:, None]
    return Predicted(name, None if frames is None else np.array(frames, np.int64), scores_NL, f"{name}.csv")


def targets(labelled: list[bool]) -> np.ndarray:
    return np.where(np.array(labelled)[:, None], 1.0, np.nan).astype(np.float32)


def refused(frames: Frames, policy: str) -> bool:
    try:
        admit(Matched({}, (frames,), (), (), ()), policy, ())
    except UserError:
        return True
    return False


masks = st.lists(st.booleans(), min_size=2, max_size=30)


@settings(deadline=None)
@given(masks, st.data())
def test_a_dropped_row_shows(labelled: list[bool], data: st.DataObject):
    n = len(labelled)
    gone = data.draw(st.integers(0, n - 1))
    found, scores_RL = compare(rows([f for f in range(n) if f != gone]), targets(labelled), [0])
    assert not found.exact
    assert (found.missing, found.unlabelled) == (int(labelled[gone]), int(not labelled[gone]))
    assert f"frame {gone + 1}" in found.explained()
    assert np.isnan(scores_RL[gone]).all()
    assert refused(found, "official") == labelled[gone]  # a row without a label is not judged, its absence is told


@settings(deadline=None)
@given(masks, st.data())
def test_a_doubled_row_shows_and_is_refused(labelled: list[bool], data: st.DataObject):
    n = len(labelled)
    twice = data.draw(st.integers(0, n - 1))
    order = data.draw(st.permutations([*range(n), twice]))
    found, _ = compare(rows(order), targets(labelled), [0])
    assert (found.doubled, found.first_doubled) == (1, twice)
    assert not found.exact
    assert all(refused(found, policy) for policy in POLICIES)


@settings(deadline=None)
@given(masks, st.integers(-40, 40).filter(bool))
def test_complete_predictions_that_are_shifted_are_refused(labelled: list[bool], by: int):
    found, _ = compare(rows([f + by for f in range(len(labelled))]), targets(labelled), [0])
    assert found.beyond == min(abs(by), len(labelled))
    assert all(refused(found, policy) for policy in POLICIES)


@settings(deadline=None)
@given(masks, st.data(), st.integers(-5, 5).filter(bool))
def test_a_shift_is_refused_by_official_unless_it_is_a_valid_set_of_frames(
    labelled: list[bool], data: st.DataObject, by: int
):
    n = len(labelled)
    shifted = {f + by for f in data.draw(st.sets(st.integers(0, n - 1), min_size=1))}
    found, scores_RL = compare(rows(sorted(shifted)), targets(labelled), [0])
    valid = shifted <= set(range(n)) and {f for f in range(n) if labelled[f]} <= shifted
    assert refused(found, "official") == (not valid)
    assert set(np.flatnonzero(~np.isnan(scores_RL[:, 0])).tolist()) == shifted & set(range(n))


@settings(deadline=None)
@given(masks, st.data(), st.integers(-5, 5))
def test_a_shift_shows_where_the_frames_moved_back_are_the_videos_or_the_labelled(
    labelled: list[bool], data: st.DataObject, by: int
):
    n = len(labelled)
    own = data.draw(st.sampled_from([set(range(n)), {f for f in range(n) if labelled[f]}]))
    found, _ = compare(rows(sorted(f + by for f in own)), targets(labelled), [0])
    assert found.shift == (by if own and by else None)
    assert (f"its frame numbers look shifted by {by:+d}" in found.explained()) == bool(own and by)


def test_what_only_lacks_frames_or_has_more_is_no_shift():
    for frames in ([0, 1, 2, 3, 4], [1, 2, 3], [0, 2, 3], [2, 3, 4, 6], [1, 1, 2, 3], []):
        assert compare(rows(frames), targets([True] * 4), [0])[0].shift is None
    assert compare(rows([1, 2]), targets([False, True, True, False]), [0])[0].shift is None  # all that is labelled


@settings(deadline=None)
@given(masks, st.integers(-3, 3))
def test_rows_without_numbers_are_told_by_their_count(labelled: list[bool], more: int):
    n = max(len(labelled) + more, 1)
    found, _ = compare(rows(None, n), targets(labelled), [0])
    assert found.placeable == (n == len(labelled))
    if n != len(labelled):
        assert all(refused(found, policy) for policy in POLICIES)
        assert "they have no frame numbers" in found.explained()


@settings(deadline=None)
@given(st.permutations(list(range(12))))
def test_the_order_of_rows_and_videos_changes_nothing(order: list[int]):
    target_RL = targets([True] * 12)
    found, scores_RL = compare(rows(list(order)), target_RL, [0])
    assert found.exact
    assert scores_RL[:, 0].tolist() == list(range(12))
    held = [video(f"v{i}", 1) for i in range(12)]
    sources = Predictions(tuple(rows([0], name=f"v{i}") for i in order))
    matched = match(sources, held, [], {one.key: targets([True]) for one in held}, ["x"])
    assert [one.video for one in matched.frames] == [f"v{i}" for i in range(12)]


def test_the_words_of_a_gap():
    labelled = [True] * 10_867
    kept = [f for f in range(10_867) if not 411 <= f < 1_421]
    found, _ = compare(rows(kept, name="23"), targets(labelled), [0])
    assert found.explained().startswith("video 23: 9,857 rows, 10,867 labelled; first gap at frame 412")


def test_a_row_without_a_value_is_no_prediction():
    source = Predicted("v", np.arange(3), np.array([[0.1, np.nan], [np.nan] * 2, [0.2, 0.3]], np.float32))
    found, scores_RL = compare(source, np.ones((3, 2), np.float32), [0, 1])
    assert (found.empty, found.missing, found.first_missing) == (2, 2, 0)
    assert np.isnan(scores_RL[:2]).all()
    found, _ = compare(source, np.ones((3, 2), np.float32), [0])  # the second label has no column at all
    assert (found.empty, found.missing) == (1, 1)


def test_a_row_whose_best_class_is_none_of_the_labels_is_a_prediction():
    source = Predicted("v", np.arange(3), np.array([[-np.inf] * 2, [0.2, -np.inf], [0.2, np.inf]], np.float32))
    found, scores_RL = compare(source, np.ones((3, 2), np.float32), [0, 1])
    assert (found.empty, found.missing, found.first_missing) == (2, 2, 1)
    np.testing.assert_array_equal(scores_RL, [[-np.inf] * 2, [np.nan] * 2, [np.nan] * 2])


def test_names_are_ids_keys_or_numbers():
    held = [video("video49_left"), video("08072"), video("video49")]
    others = [video("video49", side="train")]
    sources = [rows([0], name=name) for name in ("valid/video49_left", "8072", "train/video49", "video4")]
    by_key, elsewhere, nobody = named(sources, held, others)
    assert list(by_key) == ["valid/video49_left", "valid/08072"]
    assert (elsewhere, nobody) == (("train/video49",), ("video4",))


def test_a_name_that_means_two_videos_is_refused():
    held, others = [video("v")], [video("v", side="train")]
    with pytest.raises(UserError, match="video v is on two sides; say valid/v or train/v"):
        named([rows([0])], held, others, one_side=False)
    assert list(named([rows([0])], held, others)[0]) == ["valid/v"]
    both = [rows([0], name="train/v"), rows([0], name="valid/v")]
    assert named(both, held, others, one_side=False)[1] == ("train/v",)


def test_two_sources_of_one_video_are_refused():
    with pytest.raises(UserError, match=r"Video valid/v is predicted twice: in v\.csv and in valid/v\.csv"):
        named([rows([0]), rows([0], name="valid/v")], [video("v")], [])


def test_no_name_that_fits_offers_near_ones():
    with pytest.raises(UserError, match=r"No held-out video is called 'video49_rigt'. Did you mean 'video49_right'"):
        named([rows([0], name="video49_rigt")], [video("video49_right"), video("108")], [])


def test_videos_without_rows_are_told():
    held = [video("a"), video("b"), video("c")]
    sources = Predictions((rows([0, 1, 2, 3], name="a"), rows(None, 0, name="c")))  # the file of c is empty
    matched = match(sources, held, [], {v.key: targets([True] * 4) for v in held}, ["x"])
    assert matched.absent == ("valid/b", "valid/c")
    assert (matched.frames[1].missing, matched.frames[1].first_missing) == (4, 0)
