from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.pixels import normalised, square, stacked
from harness.types import ImageInput


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_any_size_becomes_a_square_of_the_same_colour(interpolation):
    spec = ImageInput(8, interpolation=interpolation)
    images = [np.full(shape, (10, 20, 30), np.uint8) for shape in ((8, 8, 3), (16, 16, 3), (5, 31, 3))]
    out = stacked([square(image, spec) for image in images], 8, "cpu")
    assert out.dtype == torch.uint8
    assert (out.numpy() == np.full((3, 8, 8, 3), (10, 20, 30))).all()


def test_making_smaller_averages():
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    image = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    assert abs(square(image, ImageInput(8)).astype(int) - 127).max() <= 2


def test_no_images():
    assert stacked([], 8, "cpu").shape == (0, 8, 8, 3)


def test_normalised_is_by_channel():
    spec = ImageInput(2, mean=(0.0, 0.5, 1.0), std=(1.0, 0.5, 2.0))
    images_BHWC = np.full((1, 2, 2, 3), (255, 0, 51), np.uint8)
    images_BCHW = normalised(torch.from_numpy(images_BHWC), spec, "cpu")
    assert images_BCHW.shape == (1, 3, 2, 2)
    assert images_BCHW[0, :, 0, 0].tolist() == pytest.approx([1.0, -1.0, -0.4])
    assert (images_BHWC == np.full((1, 2, 2, 3), (255, 0, 51))).all()
