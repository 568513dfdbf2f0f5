from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from netease_abaw6.pretrain_folders import Folders
from netease_abaw6.pretrain_ranks import Ranks
from netease_abaw6.pretrain_recipe import PretrainRecipe
from netease_abaw6.pretrain_shards import Shard, Shards
from netease_abaw6.pretrain_stream import Order, Part, parts, preview

RECIPE = PretrainRecipe(patch=4, image=8, batch=48, epochs=2)
IMAGES = 1000


def coloured(number: int) -> bytes:
    """An image of one colour, which a crop does not change: it says which image it is."""
    content = io.BytesIO()
    Pillow.new("RGB", (6, 6), (number % 256, number // 256, 9)).save(content, format="PNG")
    return content.getvalue()


def numbers(part: Part) -> list[int]:
    corner_BC = part.images_BCSS[:, :, 0, 0].int()
    assert bool((part.images_BCSS == corner_BC[:, :, None, None]).all())
    return (corner_BC[:, 0] + 256 * corner_BC[:, 1]).tolist()


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    folder, made = tmp_path_factory.mktemp("shards"), []
    for shard, images in enumerate(np.array_split(np.arange(IMAGES), 11)):
        path = folder / f"{shard}.tar"
        with tarfile.open(path, "w") as tar:
            for number in images.tolist():
                content = coloured(number)
                entry = tarfile.TarInfo(f"{number}.png")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        made.append(Shard(str(path), path.stat().st_size, len(images)))
    return Shards(made, lanes=8, buffer=80)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("folder")
    for number in range(100):
        (root / f"{number:04d}.png").write_bytes(coloured(number))
    (root / "0042.png").write_bytes(b"no picture")
    return Folders([root])


def together(order: Order, start: int, world: int, workers: int) -> list[list[int]]:
    """The images of each batch, ranks one after the other, in the order of their places."""
    ranks = [parts(order, RECIPE, 0, start, Ranks("cpu", rank, world), workers) for rank in range(world)]
    batches = []
    for several in zip(*ranks, strict=True):
        places = torch.cat([part.places_B for part in several])
        images = [image for part in several for image in numbers(part)]
        assert all(len(part.noise_BN) <= part.largest for part in several)
        batches.append([images[at] for at in places.argsort()])
    return batches


def test_1000_images_over_2_ranks_of_2_workers_once_an_epoch_also_after_going_on(shards: Shards) -> None:
    batches = together(shards, 0, 2, 2)
    epoch = -(-IMAGES // 48)
    for number in range(2):
        images = [image for batch in batches[number * epoch : (number + 1) * epoch] for image in batch]
        assert sorted(images) == list(range(IMAGES))
    assert batches[:epoch] != batches[epoch:]
    assert together(shards, 9, 2, 2) == batches[9:]  # within the first epoch
    assert together(shards, 9, 1, 0) == batches[9:]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_batch_is_the_same_to_the_bit_whoever_decodes_it(workers: int, folder: Folders) -> None:
    alone = list(parts(folder, RECIPE, 0, 0, Ranks(), 0))
    others = list(parts(folder, RECIPE, 0, 0, Ranks(), workers))
    assert len(alone) == len(others) == 6
    for one, other in zip(alone, others, strict=True):
        assert torch.equal(one.images_BCSS, other.images_BCSS)
        assert torch.equal(one.noise_BN, other.noise_BN)


def test_what_cannot_be_read_is_left_out_and_named(folder: Folders) -> None:
    made = list(parts(folder, RECIPE, 0, 0, Ranks(), 2))
    epoch = [image for part in made[:3] for image in numbers(part)]
    assert sorted(epoch) == [number for number in range(100) if number != 42]
    named = [(Path(name).name, reason) for part in made for name, reason in part.skipped]
    assert named == [("0042.png", "no image format that Pillow knows")] * 2


def test_an_image_is_another_in_each_epoch(folder: Folders) -> None:
    made = list(parts(folder, RECIPE, 0, 0, Ranks(), 0))
    noise = {
        image: [tuple(part.noise_BN[numbers(part).index(image)].tolist()) for part in made if image in numbers(part)]
        for image in (0, 7)
    }
    assert len({draw for draws in noise.values() for draw in draws}) == 4


def test_the_preview_is_of_the_first_readable_images(folder: Folders) -> None:
    images_BCSS = preview(folder, 8, count=60)
    assert images_BCSS.shape == (60, 3, 8, 8)
    assert images_BCSS[:, 0, 0, 0].tolist() == [number for number in range(61) if number != 42]
