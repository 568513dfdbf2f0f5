from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from harness import pixels as pixels_module
from harness.augment import Variation, augmented
from harness.pixels import Squares
from harness.samples import Frames, Texts, Windows, samples_of
from harness.types import Audio, AudioInput, ImageInput, Recipe, SceneFrame, TextInput, Video

NAN = np.nan
IMAGE = ImageInput(4, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
SOUND = AudioInput(100, window=1.0, hop=1.0)
RECIPE = Recipe(1, 0.1, 1)


class View:
    """Frame i of a video is grey i; its sound is one second per value of `sound`."""

    def __init__(self) -> None:
        self.decoded: list[tuple[str, int]] = []
        self.sound: dict[str, Audio | None] = {}
        self.words: dict[str, str | None] = {}

    def images(self, video: Video, indices: Sequence[int]) -> list[np.ndarray]:
        assert all(video.face_F[i] for i in indices)
        self.decoded += [(video.key, int(i)) for i in indices]
        return [np.full((6, 6, 3), 10 * i, np.uint8) for i in indices]

    def audio(self, video: Video) -> Audio | None:
        return self.sound.get(video.key)

    def text(self, video: Video) -> str | None:
        return self.words.get(video.key)

    def scene(self, video: Video, n: int) -> list[SceneFrame]:
        return []


def video(name: str, face: list[bool], fps: float = 2.0) -> Video:
    return Video(name, name, "train", len(face), fps, np.array(face))


def test_frames_with_a_face_and_a_label():
    a, b = video("a", [True, False, True, True]), video("b", [True])
    targets = {a.key: np.array([[1], [2], [NAN], [4]], np.float32), b.key: np.array([[5]], np.float32)}
    found = Frames(IMAGE, [a, b], View(), targets)
    assert found.target_NL.tolist() == [[1.0], [4.0], [5.0]]
    assert len(found) == 3
    assert found.load([1, 2, 0, 1], "cpu")[:, 0, 0, 0].tolist() == pytest.approx([30 / 255, 0, 0, 30 / 255])


def test_a_frame_labelled_in_part_is_kept():
    a = video("a", [True, True])
    found = Frames(IMAGE, [a], View(), {a.key: np.array([[1, NAN], [NAN, NAN]], np.float32)})
    np.testing.assert_array_equal(found.target_NL, [[1, NAN]])


def test_the_target_of_a_video_stands_for_each_of_its_frames():
    a = video("a", [True, False, True])
    found = Frames(IMAGE, [a], View(), {a.key: np.array([[0.5, 0.25]], np.float32)})
    assert found.target_NL.tolist() == [[0.5, 0.25]] * 2


def test_an_image_is_decoded_once(monkeypatch: pytest.MonkeyPatch):
    view, a = View(), video("a", [True] * 5)
    found = Frames(IMAGE, [a], view, {a.key: np.ones((5, 1), np.float32)})
    for _ in range(3):
        found.load([3, 1, 3], "cpu")
    assert sorted(view.decoded) == [("train/a", 1), ("train/a", 3)]


def test_what_is_decoded_is_shared_by_all_who_take_the_same_squares():
    view, a, squares = View(), video("a", [True] * 3), Squares()
    targets = {a.key: np.ones((3, 1), np.float32)}
    one, other = (Frames(IMAGE, [a], view, targets, squares) for _ in range(2))
    assert torch.equal(one.load([0, 2], "cpu"), other.load([0, 2], "cpu"))
    assert sorted(view.decoded) == [("train/a", 0), ("train/a", 2)]


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pixels_module, "KEPT_BYTES", 2 * 3 * 16)
    view, a = View(), video("a", [True] * 5)
    found = Frames(IMAGE, [a], view, {a.key: np.ones((5, 1), np.float32)})
    assert found.load([0, 1, 2, 3, 4], "cpu")[:, 0, 0, 0].tolist() == pytest.approx(
        [0, 10 / 255, 20 / 255, 30 / 255, 40 / 255]
    )
    assert found.load([0, 4], "cpu")[:, 0, 0, 0].tolist() == pytest.approx([0, 40 / 255])
    assert len(view.decoded) == 6


def test_no_samples_at_all():
    a = video("a", [False, True])
    view = View()
    nothing = {a.key: np.full((2, 3), NAN, np.float32)}
    for found in (Frames(IMAGE, [a], view, nothing), Windows(SOUND, [a], view, nothing), Texts([a], view, nothing)):
        assert len(found) == 0


def test_a_window_s_target_is_the_mean_over_the_labelled_frames_it_covers():
    a = video("a", [True] * 6, fps=2.0)
    view = View()
    view.sound[a.key] = Audio(np.repeat(np.float32([0.1, 0.2, 0.3]), 100), 100)
    target_FL = np.array([[0, 1], [1, NAN], [NAN, NAN], [NAN, NAN], [4, NAN], [6, NAN]], np.float32)
    found = Windows(SOUND, [a], view, {a.key: target_FL})
    np.testing.assert_array_equal(found.target_NL, [[0.5, 1], [5, NAN]])
    assert found.load([1], "cpu")[0].unique().tolist() == [pytest.approx(0.3)]
    assert found.load([0, 1], "cpu").shape == (2, 100)


def test_a_louder_or_softer_window_is_still_the_same_sound():
    a = video("a", [True] * 2, fps=2.0)
    view = View()
    view.sound[a.key] = Audio(np.linspace(0.1, 0.2, 100, dtype=np.float32), 100)
    found = Windows(SOUND, [a], view, {a.key: np.ones((2, 1), np.float32)})
    plain = found.load([0], "cpu")
    loud = found.ready(found.fetch([0], found.draw(1, np.random.default_rng(0), RECIPE)), "cpu")
    gain = loud / plain
    assert not torch.equal(plain, loud)
    assert float(gain.max() - gain.min()) == pytest.approx(0, abs=1e-5)
    assert torch.equal(found.load([0], "cpu"), plain)


def test_words_with_the_mean_target_of_their_video():
    a, b, c = (video(name, [True, True]) for name in "abc")
    view = View()
    view.words = {a.key: "one", b.key: None, c.key: ""}
    targets = {
        a.key: np.array([[1], [3]], np.float32),
        b.key: np.ones((2, 1), np.float32),
        c.key: np.ones((1, 1), np.float32),
    }
    found = Texts([a, b, c], view, targets)
    assert found.load([1, 0], "cpu") == ["", "one"]
    assert found.target_NL.tolist() == [[2.0], [1.0]]


@pytest.mark.parametrize(("spec", "kind"), [(IMAGE, Frames), (SOUND, Windows), (TextInput(), Texts)])
def test_the_samples_an_encoder_takes(spec, kind):
    class Encoder:
        input = spec

    a = video("a", [True])
    assert type(samples_of(Encoder(), [a], View(), {a.key: np.ones((1, 1), np.float32)})) is kind  # type: ignore[arg-type]


def test_a_neighbour_is_the_next_frame_with_a_face_of_the_same_video():
    a, b = video("a", [True, False, True, True]), video("b", [True])
    targets = {a.key: np.ones((4, 1), np.float32), b.key: np.ones((1, 1), np.float32)}
    found = Frames(IMAGE, [a, b], View(), targets)
    greys = {
        neighbour: [int(image[0, 0, 0]) for image in found.fetch([0, 1, 2, 3], [Variation(neighbour)] * 4)]
        for neighbour in (-1, 0, 1)
    }
    assert greys == {-1: [0, 0, 20, 0], 0: [0, 20, 30, 0], 1: [20, 30, 30, 0]}


def test_variations_are_drawn_by_the_recipe_and_applied_by_fetch():
    a = video("a", [True] * 3)
    found = Frames(IMAGE, [a], View(), {a.key: np.ones((3, 1), np.float32)})
    assert found.draw(2, np.random.default_rng(0), Recipe(1, 0.1, 1, augment=0)) is None
    drawn = found.draw(2, np.random.default_rng(0), RECIPE)
    assert drawn is not None
    assert len(drawn) == 2
    plain = found.fetch([1, 2])
    np.testing.assert_array_equal(found.fetch([1, 2], drawn), augmented(plain, drawn))
