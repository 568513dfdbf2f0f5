from __future__ import annotations

import torch

from abaw_baselines.pixels import pixels16
from harness.types import Encoder, ImageInput


def test_grey_values_row_by_row():
    encoder = pixels16()
    assert isinstance(encoder, Encoder)
    assert encoder.module is None
    assert encoder.input == ImageInput(16, (0, 0, 0), (1, 1, 1))
    images_BCHW = torch.zeros(2, 3, 16, 16)
    images_BCHW[0] = 0.5
    images_BCHW[1, 0, 2, 3] = 1.0
    tokens_BD = encoder(images_BCHW)
    assert tokens_BD.shape == (2, encoder.dim)
    torch.testing.assert_close(tokens_BD[0], torch.full((256,), 0.5))
    expected_D = torch.zeros(256)
    expected_D[2 * 16 + 3] = 0.299
    torch.testing.assert_close(tokens_BD[1], expected_D)
