from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import MissingData, UserError
from harness.types import Audio, Box, Face, Image, SceneFrame, Video
from netease_abaw6.scene_embedding import timm_embedding
from netease_abaw6.scenes import ScenePartition, scenes

FACE = Box(60, 40, 100, 90)
TINTS = {"office": (190, 190, 180), "night": (20, 25, 60), "meadow": (60, 140, 50), "stage": (150, 30, 40)}


def video(name: str, side: str = "train") -> Video:
    return Video(id=name, group=name, side=side, frames=10, fps=25.0, face_F=np.ones(10, bool))  # type: ignore[arg-type]


class Recordings:
    """A view whose uncropped frames are noise around a scene's tint, with a face of any look inside the box."""

    def __init__(self, scene_of: dict[str, str | None], boxes: bool = True, face_seed: int = 0) -> None:
        self.scene_of, self.boxes, self.face_seed, self.looks = scene_of, boxes, face_seed, 0

    def images(self, video: Video, indices: Sequence[int]) -> list[Image]:
        raise AssertionError("scenes look at uncropped frames only")

    def audio(self, video: Video) -> Audio | None:
        raise AssertionError("scenes do not listen")

    def text(self, video: Video) -> str | None:
        raise AssertionError("scenes do not read")

    def scene(self, video: Video, n: int) -> list[SceneFrame]:
        self.looks += 1
        scene = self.scene_of[video.id]
        return [] if scene is None else [self._frame(video.id, scene, i) for i in range(n)]

    def _frame(self, name: str, scene: str, index: int) -> SceneFrame:
        noise = np.random.default_rng([*name.encode(), index])
        image = np.clip(np.array(TINTS[scene]) + noise.normal(0, 12, (120, 160, 3)), 0, 255).astype(np.uint8)
        face = np.random.default_rng([self.face_seed, *name.encode()])
        image[40:90, 60:100] = face.integers(0, 255, 3, dtype=np.uint8)
        return SceneFrame(image, (FACE,) if self.boxes else None)


@pytest.fixture
def truth() -> dict[str, str | None]:
    return {f"{scene}{index}": scene for scene in TINTS for index in range(6)}


def parts(fitted: Any, names: Sequence[str], view: Recordings, side: str = "train") -> list[int]:
    return [fitted.assign(video(name, side), view) for name in names]


def same_division(found: Sequence[int], true: Sequence[object]) -> bool:
    pairs = set(zip(found, true, strict=True))
    return len(pairs) == len(set(found)) == len(set(true))


@pytest.mark.parametrize("boxes", [True, False])
def test_parts_are_the_true_scenes(boxes: bool, truth: dict[str, str | None]) -> None:
    view = Recordings(truth, boxes=boxes)
    fitted = scenes(k=4).fit([video(name) for name in truth], view, seed=0)
    assert fitted.k == 4
    assert fitted.source == ("layout" if boxes else "outer border")
    assert same_division(parts(fitted, list(truth), view), list(truth.values()))


def test_held_out_videos_join_the_part_of_their_scene(truth: dict[str, str | None]) -> None:
    training = {name: scene for name, scene in truth.items() if not name.endswith("0")}
    view = Recordings(truth)
    fitted = scenes(k=4).fit([video(name) for name in training], view, seed=0)
    found = [*parts(fitted, list(training), view), *parts(fitted, [f"{s}0" for s in TINTS], view, side="valid")]
    assert same_division(found, [*training.values(), *TINTS])


def test_faces_do_not_change_a_part(truth: dict[str, str | None]) -> None:
    def fitted_with(face_seed: int) -> tuple[Any, list[int]]:
        view = Recordings(truth, face_seed=face_seed)
        fitted = scenes(k=4).fit([video(name) for name in truth], view, seed=0)
        return fitted, parts(fitted, [f"{s}1" for s in TINTS], view, side="valid")

    (first, first_parts), (other, other_parts) = fitted_with(1), fitted_with(2)
    np.testing.assert_array_equal(first.centres, other.centres)
    assert first_parts == other_parts


def test_the_same_seed_gives_the_same_parts_and_no_frame_is_decoded_twice(truth: dict[str, str | None]) -> None:
    view = Recordings(truth)
    first, again = (scenes(k=3).fit([video(name) for name in truth], view, seed=7) for _ in range(2))
    assert view.looks == 2 * len(truth)
    assert parts(first, list(truth), view) == parts(again, list(truth), view)
    assert view.looks == 2 * len(truth)


def test_a_detector_finds_the_faces_the_layout_does_not_tell(
    truth: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Known:
        name = "known"
        weights_sha256 = ""

        def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
            return [[Face(FACE, 0.9)] for _ in images]

    asked: list[str | None] = []

    def known(weights: str | None) -> Known:
        asked.append(weights)
        return Known()

    monkeypatch.setattr("netease_abaw6.detectors.DETECTORS", {"known": known})
    partition = scenes(k=4, detector="known", detector_weights="faces.pth")
    fitted = partition.fit([video(name) for name in truth], Recordings(truth, boxes=False), seed=0)
    by_layout = scenes(k=4).fit([video(name) for name in truth], Recordings(truth), seed=0)
    assert fitted.source == "detector known"
    assert asked == ["faces.pth"]
    np.testing.assert_array_equal(fitted.centres, by_layout.centres)
    with pytest.raises(UserError, match=r"No detector is called 'knwon'\. Did you mean 'known'"):
        scenes(detector="knwon")


def test_small_parts_join_the_nearest(truth: dict[str, str | None]) -> None:
    few = {name: scene for name, scene in truth.items() if scene != "night" or name.endswith(("0", "1"))}
    view = Recordings(few)
    fitted = scenes(k=4, minimum=3).fit([video(name) for name in few], view, seed=0)
    assert fitted.k == 3
    assert min(np.bincount(parts(fitted, list(few), view))) >= 3


def test_without_raw_videos_the_message_names_the_way_out(truth: dict[str, str | None]) -> None:
    view = Recordings(dict.fromkeys(truth))
    with pytest.raises(MissingData, match="--partition whole"):
        scenes().fit([video(name) for name in truth], view, seed=0)


def test_a_video_without_frames_goes_to_the_largest_part_and_is_told_of(truth: dict[str, str | None]) -> None:
    scene_of = {**truth, "meadow6": "meadow", "lost0": None, "lost1": None}
    view = Recordings(scene_of)
    fitted = scenes(k=4).fit([video(name) for name in scene_of], view, seed=0)
    assert fitted.source == "layout; 2 training videos without frames in the largest part"
    lost, largest = parts(fitted, ["lost0", "meadow0"], view)
    assert lost == largest


def test_fewer_videos_than_parts_are_no_error() -> None:
    scene_of: dict[str, str | None] = {"office0": "office", "night0": "night"}
    fitted = scenes(k=4, minimum=1).fit([video(name) for name in scene_of], Recordings(scene_of), seed=0)
    assert fitted.k == 2
    same = {"office0": "office"}
    assert scenes(k=4).fit([video("office0")], Recordings({**same}), seed=0).k == 1


WRONG: list[dict[str, Any]] = [
    *({"k": -1}, {"k": 0, "most": 1}, {"frames": 0}, {"minimum": 0}, {"components": 0}, {"descriptor": "clip"})
]


@pytest.mark.parametrize("wrong", WRONG)
def test_options_out_of_range_are_a_users_mistake(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        scenes(**wrong)


def test_the_factory_needs_nothing_but_options() -> None:
    assert isinstance(scenes(k=2), ScenePartition)
    assert Path(scenes.__code__.co_filename).name == "scenes.py"


def test_saved_scenes_place_new_videos_as_these_do(truth: dict[str, str | None]) -> None:
    training = {name: scene for name, scene in truth.items() if not name.endswith("0")}
    view, partition = Recordings(truth), scenes(k=4)
    fitted = partition.fit([video(name) for name in training], view, seed=0)
    again = scenes(k=4).restore(fitted.state())
    assert again.k == fitted.k
    assert parts(again, list(truth), view, side="valid") == parts(fitted, list(truth), view, side="valid")
    assert not again.known.keys() & {f"train/{name}" for name in truth}


def test_the_number_of_parts_may_be_left_to_the_data(truth: dict[str, str | None]) -> None:
    view = Recordings(truth)
    fitted = scenes(k=0, most=7).fit([video(name) for name in truth], view, seed=0)
    assert fitted.k == len(TINTS)
    assert same_division(parts(fitted, list(truth), view), list(truth.values()))


def test_a_timm_model_describes_scenes(truth: dict[str, str | None]) -> None:
    view = Recordings(truth)
    partition = scenes("timm:test_vit", k=4, weights="random", frames=2)
    fitted = partition.fit([video(name) for name in truth], view, seed=0)
    assert same_division(parts(fitted, list(truth), view), list(truth.values()))


def test_a_face_leaves_no_trace_in_an_embedding() -> None:
    describe = timm_embedding("test_vit", "random", "cpu")
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    background_HW = np.ones((90, 120), np.float32)
    background_HW[20:60, 30:80] = 0
    other = image.copy()
    other[20:60, 30:80] = 255
    np.testing.assert_array_equal(describe(image, background_HW), describe(other, background_HW))
    assert not np.array_equal(describe(image, background_HW), describe(255 - image, background_HW))
