from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from harness.errors import MissingData
from netease_abaw6.pretrain_folders import Folders
from netease_abaw6.pretrain_stream import Order, Share

TREES = {
    "AffectNet": ["Manually_Annotated_Images/1/a.jpg", "Manually_Annotated_Images/1/b.JPG", "training.csv"],
    "AffectNet-HQ": ["train_set/images/0.jpg", "train_set/annotations/0_exp.npy"],
    "CelebA": ["img_align_celeba/000001.jpg", "list_attr_celeba.txt"],
    "IMDB-WIKI": ["imdb_crop/00/nm0000100_rm12818688_1955-1-6_2003.jpg", "imdb_crop/imdb.mat", "wiki_crop/00/1.jpg"],
    "CASIA-WebFace": ["0000045/001.jpg", "0000045/._001.jpg", "0000099/001.png", "0000099/Thumbs.db"],
}


def filled(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


@pytest.fixture
def faces(tmp_path: Path) -> list[Path]:
    return [filled(tmp_path / name, names) for name, names in TREES.items()]


def seen(
    order: Order, *, epoch: int = 0, step: int = 0, batch: int = 3, world: int = 1, each: int = 1
) -> list[list[str]]:
    """Names by batch, all shares together, in the order of their places."""
    shares = [order.claims(5, epoch, step, batch, Share(index, world, each)) for index in range(world * each)]
    batches = []
    for claims in zip(*shares, strict=True):
        places = np.concatenate([claim.places_B for claim in claims])
        names = [sample.name for claim in claims for sample in claim.samples]
        by_rank = [sum(len(c.samples) for c in claims[rank * each : (rank + 1) * each]) for rank in range(world)]
        assert {claim.largest for claim in claims} == {max(by_rank)}
        assert sorted(places) == list(range(len(names)))
        batches.append([names[at] for at in places.argsort()])
    return batches


def test_every_image_of_the_usual_trees_is_found_and_nothing_else(faces: list[Path]) -> None:
    order = Folders(faces)
    found = [Path(sample.name).relative_to(faces[0].parent).as_posix() for sample in order.first()]
    assert found == [
        f"{tree}/{name}"
        for tree, names in TREES.items()
        for name in names
        if name.lower().endswith((".jpg", ".png")) and "._" not in name
    ]
    assert order.images == len(found) == 8
    assert next(order.first()).content() == b"Manually_Annotated_Images/1/a.jpg"


def test_an_epoch_has_every_image_once_and_another_order_than_the_next(faces: list[Path]) -> None:
    order = Folders(faces)
    epochs = [list(chain.from_iterable(seen(order, epoch=epoch))) for epoch in range(3)]
    assert all(sorted(names) == sorted(sample.name for sample in order.first()) for names in epochs)
    assert len({tuple(names) for names in epochs}) == 3
    assert [len(batch) for batch in seen(order)] == [3, 3, 2]


@pytest.mark.parametrize(("world", "each"), [(2, 1), (1, 3), (2, 2), (3, 2)])
def test_batches_are_the_same_however_many_share_them(world: int, each: int, faces: list[Path]) -> None:
    order = Folders(faces)
    assert seen(order, world=world, each=each) == seen(order)
    assert seen(order, world=world, each=each, step=1) == seen(order)[1:]


def test_facts_follow_names_and_sizes_not_the_place(faces: list[Path], tmp_path: Path) -> None:
    other = [filled(tmp_path / "elsewhere" / name, names) for name, names in TREES.items()]
    facts = Folders(faces).facts()
    assert Folders(other).facts() == facts
    (other[0] / "Manually_Annotated_Images/1/a.jpg").write_bytes(b"longer than it was before, surely, I think")
    assert Folders(other).facts() != facts


def test_a_link_that_leads_nowhere_is_unreadable_when_its_turn_comes(tmp_path: Path) -> None:
    filled(tmp_path, ["a.jpg", "b.jpg"])
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    order = Folders([tmp_path])
    assert order.images == 3
    [gone] = [sample for sample in order.first() if sample.name.endswith("gone.jpg")]
    with pytest.raises(OSError, match="No such file"):
        gone.content()


def test_names_need_not_be_utf8(tmp_path: Path) -> None:
    filled(tmp_path, ["é/ü.jpg"])
    (tmp_path / "caf\udce9.png").write_bytes(b"x")
    assert [sample.content() for sample in Folders([tmp_path]).first()] == [b"x", "é/ü.jpg".encode()]


def test_no_images_are_missing_data(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"No images for pre-training below .*, or \.tar shards"):
        Folders([filled(tmp_path, ["a.txt"])])
