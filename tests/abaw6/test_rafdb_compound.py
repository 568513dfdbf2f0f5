from __future__ import annotations

from typing import Any

import pytest

from abaw6 import rafdb_compound
from abaw6.specs import CE
from harness.errors import UserError

LABELS = "compound/EmoLabel/list_patition_label.txt"


def test_eleven_classes_map_to_the_seven_by_name(disk: Any) -> None:
    disk.text(LABELS, *(f"train_{value:04d}.jpg {value}" for value in range(1, 12)), end="\r\n")
    compound = rafdb_compound.find(disk.root)
    assert compound is not None
    found = {
        int(video.id[-4:]): int(rafdb_compound.target(compound, video, CE.labels).argmax())
        for video in rafdb_compound.videos(compound, CE.labels, all_train=True)
    }
    assert found == {8: 0, 1: 1, 5: 2, 11: 3, 9: 4, 3: 5, 4: 6}


def test_the_basic_part_is_not_taken(disk: Any) -> None:
    disk.text("RAF-DB/basic/EmoLabel/list_patition_label.txt", "train_00001.jpg 5", "train_00002.jpg 7")
    assert rafdb_compound.find(disk.root) is None


@pytest.mark.parametrize("line", ["train_0001.jpg 12", "train_0001.jpg", "train_0001.jpg happy"])
def test_a_malformed_line_is_named(disk: Any, line: str) -> None:
    path = disk.text(LABELS, "train_0002.jpg 1", line)
    compound = rafdb_compound.find(disk.root)
    assert compound is not None
    with pytest.raises(UserError) as error:
        rafdb_compound.videos(compound, CE.labels, all_train=True)
    assert str(error.value) == f"{path}, line 2: expected an image's name and a class from 1 to 11, got {line!r}"


def test_a_line_that_is_gone_is_named(disk: Any) -> None:
    path = disk.text(LABELS, "train_0001.jpg 8")
    compound = rafdb_compound.find(disk.root)
    assert compound is not None
    (video,) = rafdb_compound.videos(compound, CE.labels, all_train=True)
    path.write_text("train_00011.jpg 8\n")
    with pytest.raises(UserError, match=r"expected a line 'train_0001\.jpg CLASS', found none"):
        rafdb_compound.target(compound, video, CE.labels)
