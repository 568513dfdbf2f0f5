from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from harness.audit import framehash
from harness.audit.framehash import NOTHING, hash_frames, perceptual_hash
from harness.progress import silent
from harness.store import Store
from harness.types import Image, Video


def picture(seed: int, size: int = 112) -> Image:
    """Soft blots of colour."""
    blots = np.random.default_rng(seed).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    return np.asarray(Pillow.fromarray(blots).resize((size, size), Pillow.Resampling.BICUBIC))


def bits_apart(one: Image, other: Image) -> int:
    a, b = perceptual_hash([one, other])
    return int(np.bitwise_count(a ^ b))


def test_it_is_the_phash_of_imagehash() -> None:
    """What ImageHash 4.3.2 (`imagehash.phash`) prints for the same pictures."""
    found = [f"{int(value):016x}" for value in perceptual_hash([picture(0), picture(1), picture(2, 40)])]
    assert found == ["c888ac9655cee5f8", "ebbcec91aa1cd822", "8c9c62ca37cdad49"]


def test_the_same_picture_at_another_size_and_quality_is_near_another_picture_is_far() -> None:
    one = picture(3)
    file = BytesIO()
    Pillow.fromarray(one).resize((80, 80)).save(file, "JPEG", quality=30)
    assert bits_apart(one, np.asarray(Pillow.open(file))) <= 4
    assert bits_apart(one, np.clip(one.astype(int) + 12, 0, 255).astype(np.uint8)) <= 4
    assert bits_apart(one, picture(4)) > 16


def test_a_picture_of_one_tone_has_no_hash() -> None:
    flat = np.full((8, 8, 3), 7, np.uint8)
    assert perceptual_hash([flat, picture(0)])[0] == NOTHING
    assert perceptual_hash([picture(0)])[0] != NOTHING


class Made:
    """Two videos of few frames, one without any face; counts what is decoded."""

    def __init__(self, lengths: dict[str, int], digests: dict[str, str] | None = None) -> None:
        self.decoded: list[str] = []
        self.listed = [
            Video(name, name, "train", n, 30.0, np.array([i != 1 for i in range(n)], bool))
            for name, n in lengths.items()
        ]
        if digests is not None:
            self.image_digests = lambda: digests

    def view(self) -> Made:
        return self

    def fingerprint(self) -> str:
        return "whole"

    def images(self, video: Video, indices: Sequence[int]) -> list[Image]:
        self.decoded += [f"{video.id}/{i}" for i in indices]
        if video.id == "broken":
            raise OSError("cut off")
        return [picture(int(i)) if video.id != "flat" else np.zeros((9, 9, 3), np.uint8) for i in indices]


@pytest.fixture
def hashed(tmp_path: Path) -> Callable[..., Any]:
    def run(reader: Any, **words: Any) -> framehash.Frames:
        return hash_frames(reader, reader.listed, Store(tmp_path), silent, **words)

    return run


@pytest.mark.parametrize("threads", [1, 3])
def test_frames_with_a_face_are_hashed_in_order(
    hashed: Callable[..., Any], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framehash, "PIECE", 2)
    found = hashed(Made({"a": 4, "none": 0, "flat": 3, "b": 2}), threads=threads)
    assert found.video_N.tolist() == [0, 0, 0, 3]
    assert found.frame_N.tolist() == [0, 2, 3, 0]
    assert found.hash_N.tolist() == perceptual_hash([picture(i) for i in (0, 2, 3, 0)]).tolist()
    assert found.flat == 2


def test_what_was_hashed_before_a_stop_is_not_hashed_again(hashed: Callable[..., Any]) -> None:
    with pytest.raises(OSError, match="cut off"):
        hashed(Made({"a": 3, "b": 3, "broken": 3}))
    again = Made({"a": 3, "b": 3, "c": 1})
    assert len(hashed(again).hash_N) == 5
    assert again.decoded == ["c/0"]


def test_images_that_changed_are_hashed_again_and_tasks_share_those_that_did_not(hashed: Callable[..., Any]) -> None:
    hashed(Made({"a": 3, "b": 1}, {"a": "1", "b": "1"}))
    again = Made({"a": 3, "b": 1}, {"a": "2", "b": "1"})
    hashed(again)
    assert again.decoded == ["a/0", "a/2"]
    other = Made({"a": 4}, {"a": "2"})  # more label rows, so more frames
    hashed(other)
    assert other.decoded == ["a/0", "a/2", "a/3"]


def test_no_videos_have_no_frames(hashed: Callable[..., Any]) -> None:
    assert hashed(Made({})).hash_N.shape == (0,)
