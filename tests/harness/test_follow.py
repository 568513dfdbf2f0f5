from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import MissingData, UserError
from harness.follow import area, follow, follow_largest, overlap, tracks
from harness.types import Box, Face


def face(x: float, size: float = 10, y: float = 0) -> Face:
    return Face(Box(x, y, x + size, y + size), 0.9)


def lefts(followed: list[Face | None]) -> list[float | None]:
    return [None if f is None else f.box.x0 for f in followed]


def test_the_largest_face_is_taken_first_and_kept_when_another_grows():
    frames = [[face(0, 12), face(100, 10)], [face(1, 11), face(100, 15)], [face(2, 10), face(100, 30)]]
    assert lefts(follow_largest(frames)) == [0, 1, 2]


def test_a_short_gap_stays_a_gap_though_another_person_is_in_view():
    frames = [[face(0, 12), face(100)], [face(100)], [face(100)], [face(1, 12), face(100)]]
    assert lefts(follow_largest(frames)) == [0, None, None, 1]


def test_after_a_cut_the_largest_face_is_followed_at_once():
    frames = [[face(0, 12)], [face(100, 10), face(200, 11)], [face(200, 11)]]
    assert lefts(follow_largest(frames)) == [0, 200, 200]


def test_who_stays_away_longer_than_patience_is_let_go():
    frames = [[face(0)], [], [], [], [face(100, 20), face(0)]]
    assert lefts(follow_largest(frames, patience=2)) == [0, None, None, None, 100]
    assert lefts(follow_largest(frames, patience=3)) == [0, None, None, None, 0]


def test_no_faces_at_all():
    assert follow_largest([[], []]) == [None, None]
    assert follow_largest([]) == []


boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), *[st.floats(-50, 50)] * 2, *[st.floats(0, 50)] * 2)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_a_share(a: Box, b: Box):
    assert overlap(a, b) == pytest.approx(overlap(b, a))
    assert 0 <= overlap(a, b) <= 1 + 1e-9
    assert overlap(a, a) == pytest.approx(1 if area(a) > 0 else 0)


@given(st.lists(st.lists(st.builds(face, st.floats(0, 100), st.floats(1, 30)), max_size=3), max_size=12))
def test_only_faces_of_the_frame_itself_are_followed(frames: list[list[Face]]):
    followed = follow_largest(frames)
    assert len(followed) == len(frames)
    assert all(f is None or f in faces for f, faces in zip(followed, frames, strict=True))


# -- several people ------------------------------------------------------------------------------

TWO = [[face(0, 10), face(100, 20)], [face(1, 10), face(101, 20)], [face(102, 20)], [face(2, 10), face(103, 20)]]


def test_the_left_and_the_right_of_two():
    assert lefts(follow(TWO, "left")) == [0, 1, None, 2]
    assert lefts(follow(TWO, "right")) == [100, 101, 102, 103]
    assert lefts(follow(TWO, "largest")) == [100, 101, 102, 103]


def test_one_alone_is_nobodys_left():
    alone = [[face(100)], *TWO]
    assert lefts(follow(alone, "left")) == [None, 0, 1, None, 2]
    with pytest.raises(MissingData, match="no frame shows two faces, so that nobody is the left one"):
        follow([[face(0)], [face(0)]], "left")


def test_people_are_numbered_as_they_appear():
    people = tracks([*TWO, [], [face(3), face(200)]])
    assert [sorted(track) for track in people] == [[0, 1, 3, 5], [0, 1, 2, 3], [5]]
    assert lefts(follow([*TWO, [], [face(3), face(200)]], "track:3")) == [None] * 5 + [200]
    with pytest.raises(UserError, match="expected a track up to track:2, as many as are there, came 'track:3'"):
        follow(TWO, "track:3")


def test_who_crosses_is_not_taken_for_the_other():
    """Two faces pass each other one above the other: boxes say who is who, places do not."""
    steps = range(0, 100, 4)
    frames = [[face(x, 20, 0), face(100 - x, 20, 12)] for x in steps]
    first, second = tracks(frames)
    assert [first[i].box.x0 for i in range(len(frames))] == list(steps)
    assert {second[i].box.y0 for i in range(len(frames))} == {12}


@pytest.mark.parametrize("word", ["biggest", "track:0", "track:", "track:-1", "Left"])
def test_a_person_that_is_not_a_choice(word: str):
    with pytest.raises(UserError, match="--person: expected largest, left, right or track:N"):
        follow(TWO, word)
