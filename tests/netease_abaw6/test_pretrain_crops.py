from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from scipy.stats import ks_2samp
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.functional import hflip, resized_crop

from netease_abaw6.pretrain_crops import Unreadable, chance, crop_box, decoded, training_crop, whole


def encoded(pixels_HWC: np.ndarray, format: str = "PNG") -> bytes:
    content = io.BytesIO()
    Pillow.fromarray(pixels_HWC).save(content, format=format)
    return content.getvalue()


@pytest.fixture(scope="module")
def photo() -> bytes:
    return encoded(np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8))


def test_a_crop_is_the_references_resized_crop_of_its_box_mirrored_half_of_the_time(photo: bytes) -> None:
    picture, mirrored = decoded(photo), 0
    for key in range(40):
        image_CSS, noise_N = training_crop(photo, 32, 16, 0.2, chance(1, 2, key))
        left, top, right, bottom = crop_box(90, 60, 0.2, chance(1, 2, key))
        size = [bottom - top, right - left]
        expected = resized_crop(picture, top, left, *size, [32, 32], InterpolationMode.BICUBIC)
        plain, flipped = (np.asarray(p).transpose(2, 0, 1) for p in (expected, hflip(expected)))
        assert np.array_equal(image_CSS, plain) or np.array_equal(image_CSS, flipped)
        mirrored += np.array_equal(image_CSS, flipped)
        assert (noise_N.shape, noise_N.dtype) == ((16,), np.float32)
    assert 10 < mirrored < 30


def test_boxes_are_distributed_as_the_references() -> None:
    picture = torch.empty(3, 300, 400)
    ours = np.array([crop_box(400, 300, 0.2, chance(0, 0, key)) for key in range(2000)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = [RandomResizedCrop.get_params(picture, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(2000)]
    theirs = np.array([(left, top, left + wide, top + high) for top, left, high, wide in drawn])
    for quantity in (
        lambda box: (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]),
        lambda box: box[:, 0],
        lambda box: box[:, 3],
    ):
        assert ks_2samp(quantity(ours), quantity(theirs)).pvalue > 0.01


def test_an_image_too_long_for_any_crop_gives_its_middle() -> None:
    assert crop_box(1000, 10, 0.9, chance(0, 0, 0)) == (493, 0, 506, 10)
    assert crop_box(1, 1, 0.2, chance(0, 0, 0)) == (0, 0, 1, 1)


def test_chance_is_of_the_seed_the_epoch_and_the_image() -> None:
    draws = {(s, e, k): chance(s, e, k).random() for s in (-1, 0, 1) for e in range(3) for k in range(3)}
    assert len(set(draws.values())) == 27
    assert chance(1, 2, 0).random() == draws[1, 2, 0]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_kind_of_picture_becomes_rgb(mode: str) -> None:
    content = io.BytesIO()
    Pillow.new("RGB", (9, 7), (255, 255, 255)).convert(mode).save(content, format="TIFF")
    assert whole(content.getvalue(), 8).tolist() == np.full((3, 8, 8), 255).tolist()


@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
def test_damage_is_told(damage: str, photo: bytes) -> None:
    content = {"empty": b"", "text": b"not a picture", "cut": photo[: len(photo) // 2]}[damage]
    reason = "truncated" if damage == "cut" else "no image format that Pillow knows"
    with pytest.raises(Unreadable, match=reason):
        decoded(content)


def test_a_constant_image_stays_what_it_is() -> None:
    content = encoded(np.full((20, 30, 3), (3, 200, 77), np.uint8))
    image_CSS, _ = training_crop(content, 16, 4, 0.2, chance(0, 0, 0))
    assert torch.equal(
        torch.from_numpy(image_CSS), torch.tensor([3, 200, 77], dtype=torch.uint8).view(3, 1, 1).expand(3, 16, 16)
    )
