from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from harness.errors import MissingData, UserError
from harness.progress import silent
from netease_abaw6 import pretrain_images
from netease_abaw6.pretrain_images import Collection, fingerprint, image_files, normalised, random_crops


def picture(path: Path, colour: tuple[int, int, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.new("RGB", (20, 30), colour).save(path)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    picture(tmp_path / "b" / "00002.png", (0, 0, 250))
    picture(tmp_path / "a" / "deep" / "00001.PNG", (250, 0, 0))
    picture(tmp_path / "a" / "00001.png", (0, 250, 0))
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"stray")
    (tmp_path / "a" / "._00001.png").write_bytes(b"stray")
    (tmp_path / "demo.json").write_text("{}")
    return tmp_path


def test_images_are_found_in_any_folder_and_stray_files_are_not(tree: Path) -> None:
    found = [path.relative_to(tree).as_posix() for path in image_files(tree)]
    assert found == ["a/00001.png", "a/deep/00001.PNG", "b/00002.png"]


def test_a_folder_without_images_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="No images for pre-training"):
        image_files(tmp_path)


def test_a_fingerprint_follows_content_names_not_the_place(
    tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for path in image_files(tree):
        copy = elsewhere / path.relative_to(tree)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    before = fingerprint(image_files(tree))
    assert fingerprint(image_files(elsewhere)) == before
    (elsewhere / "b" / "00002.png").write_bytes(b"longer than it was, by far" * 99)
    assert fingerprint(image_files(elsewhere)) != before


@pytest.mark.parametrize("memory", [4 * 2**30, 0])
def test_batches_are_the_same_from_memory_and_from_disk(
    memory: int, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain_images, "IN_MEMORY", memory)
    images_BCSS = Collection(image_files(tree), 8, silent).batch(torch.tensor([2, 0]))
    assert images_BCSS.shape == (2, 3, 8, 8)
    assert images_BCSS.dtype == torch.uint8
    assert images_BCSS[0, :, 4, 4].tolist() == [0, 0, 250]
    assert images_BCSS[1, :, 4, 4].tolist() == [0, 250, 0]


def test_a_broken_image_is_named(tree: Path) -> None:
    (tree / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"broken\.jpg is no readable image"):
        Collection(image_files(tree), 8, silent)


def ramps(count: int, side: int = 32) -> torch.Tensor:
    """Channel 0 grows to the right, channel 1 downwards, channel 2 is constant."""
    line = torch.linspace(0, 248, side)
    planes = torch.stack([line.expand(side, side), line[:, None].expand(side, side), torch.full((side, side), 77.0)])
    return planes.round().to(torch.uint8).expand(count, 3, side, side)


def test_crops_follow_their_generator_and_stay_inside_the_image() -> None:
    first, again = (random_crops(ramps(200), 16, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == (200, 3, 16, 16)
    torch.testing.assert_close(first[:, 2], torch.full((200, 16, 16), 77.0))
    assert first.min() >= 0
    assert first.max() <= 248.001


def test_half_of_the_crops_are_mirrored_and_their_area_is_as_asked() -> None:
    crops_BCHW = random_crops(ramps(2000), 16, torch.Generator().manual_seed(4), area=(0.2, 1.0))
    across_B = (crops_BCHW[:, 0, 8, -1] - crops_BCHW[:, 0, 8, 0]) / 248
    down_B = (crops_BCHW[:, 1, -1, 8] - crops_BCHW[:, 1, 0, 8]) / 248
    assert 0.45 < (across_B < 0).float().mean() < 0.55
    assert (down_B > 0).all()
    shares_B = across_B.abs() * down_B * (16 / 15) ** 2 * (31 / 32) ** 2
    assert 0.17 < shares_B.min() < 0.25
    assert 0.5 < shares_B.mean() < 0.65


def test_a_whole_crop_is_the_image_or_its_mirror() -> None:
    images_BCSS = torch.randint(0, 255, (8, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    crops = random_crops(images_BCSS, 16, torch.Generator().manual_seed(0), area=(2.0, 2.0))  # clamped to the whole
    for crop, image in zip(crops, images_BCSS.float(), strict=True):
        assert torch.allclose(crop, image, atol=0.01) or torch.allclose(crop, image.flip(-1), atol=0.01)


def test_normalised_is_imagenet() -> None:
    grey = torch.full((1, 3, 1, 1), 255 * 0.5)
    expected = (0.5 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(normalised(grey).flatten().numpy(), expected, rtol=1e-5)
