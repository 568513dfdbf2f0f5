from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.crops import crop_squares
from harness.media import crop_square
from harness.types import Box


def smooth_frame(height: int = 120, width: int = 160) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 120 * np.sin(x / a + y / b) for a, b in ((17, 29), (23, 11), (40, 31))]
    return np.stack(waves, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("box", [Box(40, 30, 80, 75), Box(0, 0, 30, 40), Box(120, 90, 170, 130), Box(10, 5, 150, 115)])
@pytest.mark.parametrize("size", [32, 112])
def test_a_batch_is_cropped_as_one_by_one(box: Box, size: int):
    """Two ways to interpolate a smooth frame: less than 2 of 255 levels apart on average, 8 in 99 of 100 pixels."""
    frames = [smooth_frame(), smooth_frame()[::-1].copy()]
    frames_BCHW = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    found = crop_squares(frames_BCHW, [box, box], size).permute(0, 2, 3, 1).numpy()
    for crop, frame in zip(found, frames, strict=True):
        difference = np.abs(crop.astype(int) - crop_square(frame, box, 1.3, size).astype(int))
        assert difference.mean() < 2
        assert np.quantile(difference, 0.99) < 8


def test_every_frame_has_its_own_box():
    frames_BCHW = torch.zeros(2, 3, 50, 50, dtype=torch.uint8)
    frames_BCHW[0, :, :25], frames_BCHW[1, :, 25:] = 200, 100
    top, bottom = crop_squares(frames_BCHW, [Box(20, 2, 30, 12), Box(20, 35, 30, 45)], 8)
    assert top.unique().tolist() == [200]
    assert bottom.unique().tolist() == [100]
