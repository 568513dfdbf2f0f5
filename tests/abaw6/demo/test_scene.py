from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from abaw6.demo.face import Pose, face_box
from abaw6.demo.person import random_person
from abaw6.demo.scene import SCENES, Placed, compose, crop, random_setting
from harness.errors import UserError
from harness.types import Box

W, H = 256, 192


def placed(seed: int = 3, centre: tuple[float, float] = (0.5, 0.48), scale: float = 0.5) -> Placed:
    return random_person(np.random.default_rng(seed)), np.zeros(12), Pose(), centre, scale


def frame_of(name: str, seed: int, t: float = 0.0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return compose(random_setting(rng, name), [placed()], t, rng, W, H)[0]


def test_there_are_at_least_four_scenes() -> None:
    assert len(SCENES) >= 4
    assert {"office", "street", "night", "stage"} <= set(SCENES)


@pytest.mark.parametrize("name", SCENES)
def test_a_frame_depends_on_the_generator_alone(name: str) -> None:
    first = frame_of(name, 5)
    assert first.shape == (H, W, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, frame_of(name, 5))
    assert not np.array_equal(first, frame_of(name, 6))


def test_scenes_change_the_same_face_and_what_is_behind_it() -> None:
    faces, behind = [], []
    for name in SCENES:
        frames = [frame_of(name, seed).astype(float) for seed in range(3)]
        faces.append(np.mean([f[60:120, 105:150].mean(axis=(0, 1)) for f in frames], axis=0))
        behind.append(np.mean([f[:40].mean(axis=(0, 1)) for f in frames], axis=0))
    for i in range(len(SCENES)):
        for j in range(i):
            assert np.abs(faces[i] - faces[j]).max() > 8, (SCENES[i], SCENES[j])
            assert np.abs(behind[i] - behind[j]).max() > 12, (SCENES[i], SCENES[j])


def test_recordings_of_one_scene_differ() -> None:
    for name in SCENES:
        one, other = (frame_of(name, seed).astype(float) for seed in (1, 2))
        assert np.abs(one - other).mean() > 4, name


def test_only_grain_and_light_change_between_frames_of_a_recording() -> None:
    setting = random_setting(np.random.default_rng(0), "stage")
    frames = [compose(setting, [placed()], t, np.random.default_rng(9), W, H)[0].astype(float) for t in (0.0, 0.4)]
    assert 0 < np.abs(frames[0] - frames[1]).mean() < 20


def test_boxes_contain_the_faces_in_the_given_order() -> None:
    setting = random_setting(np.random.default_rng(0), "office")
    where = [placed(1, (0.28, 0.45), 0.4), placed(2, (0.72, 0.5), 0.45)]
    _, boxes = compose(setting, where, 0.0, np.random.default_rng(1), W, H)
    assert len(boxes) == 2
    for box, (person, au_12, pose, (cx, cy), scale) in zip(boxes, where, strict=True):
        share, size = face_box(person, au_12, pose), round(scale * H * 1.7)
        left, top = round(cx * W - size / 2), round(cy * H - size / 2)
        assert box.x0 <= left + share.x0 * size
        assert box.y0 <= top + share.y0 * size
        assert box.x1 >= left + share.x1 * size
        assert box.y1 >= top + share.y1 * size
        assert box.x1 - box.x0 < 0.6 * size
        assert box.x0 < cx * W < box.x1
        assert box.y0 < cy * H < box.y1


def test_without_faces_there_are_no_boxes() -> None:
    frame, boxes = compose(random_setting(np.random.default_rng(0), "street"), [], 0.0, np.random.default_rng(0), W, H)
    assert boxes == []
    assert frame.shape == (H, W, 3)


def test_an_unknown_scene_is_named_with_near_ones() -> None:
    with pytest.raises(UserError, match=r"No scene is called 'offise'\. Did you mean 'office'"):
        random_setting(np.random.default_rng(0), "offise")


def test_a_crop_is_a_square_around_the_box() -> None:
    frame = np.zeros((100, 160, 3), np.uint8)
    frame[40:60, 70:90] = 255
    cut = crop(frame, Box(70, 40, 90, 60), size=40, margin=2.0)
    assert cut.shape == (40, 40, 3)
    assert cut.dtype == np.uint8
    assert (cut[11:29, 11:29] == 255).all()
    assert cut[:8].max() == 0
    assert cut[:, -8:].max() == 0


def test_a_crop_repeats_the_edge_beyond_the_frame() -> None:
    frame = np.repeat(np.arange(100, dtype=np.uint8)[None, :, None], 80, axis=0).repeat(3, axis=2)
    cut = crop(frame, Box(-20, -20, 20, 20), size=80, margin=1.0)
    assert (cut[:, :38] == 0).all()
    assert cut[40, -1, 0] in (18, 19, 20)
    assert (crop(frame, Box(90, 60, 130, 100), size=40, margin=1.0)[:, -20:] == 99).all()
