from __future__ import annotations

from typing import Any

import pytest

from abaw6.rafdb import RafDb, RafDbCompound
from abaw6.specs import AU, CE, EXPR
from harness.errors import MissingData, UserError

BASIC = "RAF-DB/basic/EmoLabel/list_patition_label.txt"


def basic(disk: Any) -> None:
    names = [f"train_{value:05d}" for value in range(1, 8)] + ["test_0001", "train_00099"]
    classes = [*range(1, 8), 6, 6]
    disk.text(BASIC, *(f"{name}.jpg {value}" for name, value in zip(names, classes, strict=True)), end="\r\n")
    for grey, name in enumerate(names[:-1]):  # the last one has no image
        disk.image(f"RAF-DB/basic/Image/aligned/{name}_aligned.jpg", grey=10 * grey)


def test_seven_classes_match_by_name_and_only_training_images_are_taken(disk: Any) -> None:
    basic(disk)
    reader = RafDb(disk.root, EXPR)
    found = {v.key: EXPR.labels[int(reader.targets(v).argmax())] for v in reader.videos()}
    names = ("Surprise", "Fear", "Disgust", "Happiness", "Sadness", "Anger", "Neutral")
    assert found == {f"train/rafdb_train_{value:05d}": name for value, name in enumerate(names, start=1)}
    fear = reader.videos()[1]
    assert (fear.frames, fear.face_F.tolist(), reader.targets(fear).shape) == (1, [True], (1, 8))
    assert int(reader.view().images(fear, [0])[0].mean()) == 10
    assert (reader.view().audio(fear), reader.view().text(fear), reader.view().scene(fear, 3)) == (None, None, [])
    assert not reader.demo()


def test_the_basic_part_is_found_at_the_root_too(disk: Any) -> None:
    disk.text("EmoLabel/list_patition_label.txt", "train_00001.jpg 6")
    disk.image("Image/original/train_00001.jpg")
    assert [video.id for video in RafDb(disk.root, EXPR).videos()] == ["rafdb_train_00001"]


def test_the_compound_part_for_ce(disk: Any) -> None:
    disk.text("compound/EmoLabel/list_patition_label.txt", "train_0001.jpg 8", "train_0002.jpg 2", "test_0001.jpg 8")
    for name in ("train_0001", "train_0002", "test_0001"):
        disk.image(f"compound/Image/aligned/{name}_aligned.jpg")
    reader = RafDbCompound(disk.root, CE)
    assert [video.id for video in reader.videos()] == ["rafdb_train_0001"]
    assert reader.targets(reader.videos()[0]).tolist() == [[1, 0, 0, 0, 0, 0, 0]]
    with pytest.raises(MissingData, match="holds no basic part of RAF-DB"):
        RafDb(disk.root, EXPR).videos()


def test_the_fingerprint_follows_labels_and_media(disk: Any) -> None:
    basic(disk)
    first = RafDb(disk.root, EXPR).fingerprint()
    assert RafDb(disk.root, EXPR).fingerprint() == first
    disk.text(BASIC, "train_00001.jpg 2")
    assert RafDb(disk.root, EXPR).fingerprint() != first


def test_what_is_not_there_and_what_does_not_fit(disk: Any) -> None:
    with pytest.raises(MissingData, match="holds no compound part of RAF-DB: expected 'compound/EmoLabel"):
        RafDbCompound(disk.root, CE).videos()
    with pytest.raises(UserError, match="RafDb holds classes; task 'au' has labels that are any_of"):
        RafDb(disk.root, AU)
