from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from abaw6 import manifest as room
from abaw6.affwild2 import AffWild2
from abaw6.manifest import Manifest
from abaw6.specs import EXPR

HEADER = ",".join(EXPR.labels)


def settled(root: Path, hours: int = 1) -> None:
    """Make everything look old, as data sets are: what changed a moment ago is not remembered."""
    then = time.time() - 3600 * hours
    for path in [root, *root.rglob("*")]:
        os.utime(path, (then, then))


@pytest.fixture
def data(disk: Any) -> Any:
    disk.text("EXPR_Set/Train_Set/a.txt", HEADER, "1", "2", "3")
    for number in (1, 2, 3):
        disk.image(f"cropped_aligned/a/{number:05d}.jpg")
    disk.video("batch1/a.mp4")
    settled(disk.root)
    return disk


def test_fingerprint_follows_labels_and_media(data: Any) -> None:
    reader = AffWild2(data.root, EXPR)
    prints = [reader.fingerprint(), reader.fingerprint()]
    data.text("EXPR_Set/Train_Set/a.txt", HEADER, "1", "2", "4")
    prints.append(reader.fingerprint())
    (data.root / "cropped_aligned/a/00002.jpg").unlink()
    prints.append(reader.fingerprint())
    data.image("cropped_aligned/a/00003.jpg", grey=9)
    prints.append(reader.fingerprint())
    os.utime(data.root / "batch1/a.mp4", (1, 1))
    prints.append(reader.fingerprint())
    assert prints[0] == prints[1]
    assert len(set(prints)) == 5
    assert all(len(one) == 64 for one in prints)


def test_the_second_look_opens_nothing(data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = AffWild2(data.root, EXPR)
    first = reader.videos(), reader.fingerprint()

    def refuse(path: str) -> None:
        raise AssertionError(f"{path} is gone through again")

    monkeypatch.setattr(room, "_numbers", refuse)
    monkeypatch.setattr(room, "probe", refuse)
    (video,) = reader.videos()
    assert (video.fps, video.face_F.tolist()) == (first[0][0].fps, [True, True, True])
    assert reader.fingerprint() == first[1]


def test_a_changed_listing_is_noticed(data: Any) -> None:
    with Manifest(data.root) as manifest:
        assert manifest.numbers(str(data.root / "cropped_aligned/a")).tolist() == [False, True, True, True]
    (data.root / "cropped_aligned/a/00003.jpg").unlink()
    with Manifest(data.root) as manifest:
        assert manifest.numbers(str(data.root / "cropped_aligned/a")).tolist() == [False, True, True]


def test_a_damaged_manifest_is_made_again(data: Any, own_cache: Path) -> None:
    reader = AffWild2(data.root, EXPR)
    before = reader.fingerprint()
    (path,) = (own_cache / "manifests").iterdir()
    path.write_text('{"cut of')
    assert reader.fingerprint() == before


def test_images_are_numbers_whatever_their_padding(disk: Any) -> None:
    for name in ("1.jpg", "00003.JPG", "10.png", "x5.jpg", "7.jpg.part", "20240101123456.jpg"):
        disk.text(f"a/{name}", "")
    with Manifest(disk.root) as manifest:
        has_N = manifest.numbers(str(disk.root / "a"))
    assert has_N.nonzero()[0].tolist() == [1, 3, 10]
