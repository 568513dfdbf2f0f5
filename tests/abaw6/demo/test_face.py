from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from abaw6.demo.face import AUS, FACE_SHARE, Pose, draw_face, face_box
from abaw6.demo.person import Person, random_person

SIZE = 240
UPPER, LOWER = slice(0, 116), slice(132, SIZE)  # above the lower lids; below the cheeks


def people(count: int) -> list[Person]:
    rng = np.random.default_rng(4)
    return [random_person(rng) for _ in range(count)]


def one(name: str, intensity: float) -> NDArray[np.float64]:
    return np.where(np.array(AUS) == name, intensity, 0.0)


def change(person: Person, name: str, intensity: float) -> NDArray[np.float64]:
    """Summed absolute change of each row of the picture, against the same face at rest."""
    rest = draw_face(person, np.zeros(12), Pose(), SIZE).astype(float)
    moved = draw_face(person, one(name, intensity), Pose(), SIZE).astype(float)
    return np.abs(moved - rest).mean(axis=2).sum(axis=1)


def test_the_picture_is_rgba_and_depends_on_its_arguments_alone() -> None:
    person = people(1)[0]
    au_12 = np.linspace(0, 1, 12)
    first = draw_face(person, au_12, Pose(5, -3, 2), 100)
    assert first.shape == (100, 100, 4)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, draw_face(person, au_12, Pose(5, -3, 2), 100))
    assert first[0, 0, 3] == 0
    assert first[50, 50, 3] == 255


@pytest.mark.parametrize("name", AUS)
@pytest.mark.parametrize("person", people(3), ids=["a", "b", "c"])
def test_each_action_unit_shows_and_grows(name: str, person: Person) -> None:
    half, full = change(person, name, 0.5).sum(), change(person, name, 1.0).sum()
    assert half > 600  # grey levels x pixels, of a face of 141 pixels
    assert full > 1.1 * half


@pytest.mark.parametrize("name", ["AU1", "AU2", "AU4", "AU7"])
def test_brows_and_lids_leave_the_mouth_alone(name: str) -> None:
    for person in people(3):
        rows = change(person, name, 1.0)
        assert rows[LOWER].sum() == 0
        assert rows[UPPER].sum() > 1000


@pytest.mark.parametrize("name", ["AU12", "AU15", "AU23", "AU24", "AU25", "AU26"])
def test_lips_and_jaw_leave_eyes_and_brows_alone(name: str) -> None:
    for person in people(3):
        rows = change(person, name, 1.0)
        assert rows[UPPER].sum() == 0
        assert rows[LOWER].sum() > 1000


def test_cheeks_and_upper_lip_move_the_middle_of_the_face() -> None:
    for person in people(3):
        assert change(person, "AU6", 1.0)[140 + 25 :].sum() == 0
        assert change(person, "AU10", 1.0)[:104].sum() == 0


def test_the_jaw_lowers_the_chin() -> None:
    for person in people(3):
        rest, dropped = (face_box(person, one("AU26", v), Pose()) for v in (0.0, 1.0))
        assert dropped.y1 > rest.y1 + 0.03
        assert dropped.y0 == rest.y0


def test_the_box_spans_the_face() -> None:
    for person in people(5):
        box = face_box(person, np.zeros(12), Pose())
        assert box.y1 == pytest.approx(0.5 + FACE_SHARE / 2)
        assert box.x1 - 0.5 == pytest.approx(0.5 - box.x0)
        alpha = draw_face(person, np.zeros(12), Pose(), SIZE)[:, :, 3]
        inside = alpha[int(box.y0 * SIZE) + 30 : int(box.y1 * SIZE) - 40, int(SIZE * 0.4) : int(SIZE * 0.6)]
        assert (inside == 255).all()


def test_yaw_moves_the_features_and_roll_turns_the_head() -> None:
    person = people(1)[0]
    rest = draw_face(person, np.zeros(12), Pose(), SIZE).astype(int)
    for pose in (Pose(yaw=20), Pose(pitch=12), Pose(roll=10), Pose(blink=1.0), Pose(gaze_x=1.0)):
        assert np.abs(draw_face(person, np.zeros(12), pose, SIZE) - rest).sum() > 3000


def test_intensities_beyond_the_range_are_taken_as_its_ends() -> None:
    person = people(1)[0]
    np.testing.assert_array_equal(
        draw_face(person, one("AU12", 1.7), Pose(), 64), draw_face(person, one("AU12", 1.0), Pose(), 64)
    )


def test_all_at_once_can_be_drawn() -> None:
    for person in people(10):
        assert draw_face(person, np.ones(12), Pose(-20, 12, 10, blink=1.0), 80).shape == (80, 80, 4)


def test_another_number_of_action_units_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected 12 action units, got 3"):
        draw_face(people(1)[0], [0.0, 0.0, 1.0], Pose(), 64)
