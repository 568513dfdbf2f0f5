from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.errors import UserError
from netease_abaw6.pretrain_model import build
from netease_abaw6.pretrain_recipe import PretrainRecipe
from netease_abaw6.pretrain_watch import curves, reconstruction_sheet

TINY = PretrainRecipe(
    width=32, depth=1, heads=2, patch=8, image=32, decoder_width=16, decoder_depth=1, decoder_heads=2
)  # fmt: skip


def test_a_sheet_shows_the_image_what_is_seen_of_it_and_what_is_made_of_it() -> None:
    random = torch.Generator().manual_seed(0)
    images_BCSS = torch.randint(0, 255, (4, 3, 32, 32), dtype=torch.uint8, generator=random)
    picture = reconstruction_sheet(build(TINY, 0).eval(), images_BCSS)
    rows = np.asarray(picture).reshape(3, 32, 4, 32, 3).transpose(0, 2, 4, 1, 3)
    assert np.array_equal(rows[0], images_BCSS.numpy())
    patches_of = [plane.reshape(4, 3, 4, 8, 4, 8).transpose(0, 2, 4, 1, 3, 5).reshape(4, 16, -1) for plane in rows]
    shown = (patches_of[0] == patches_of[1]).all(-1)
    assert shown.sum(1).tolist() == [4] * 4  # a quarter of 16
    assert np.array_equal(patches_of[2][shown], patches_of[0][shown])
    assert len(np.unique(patches_of[1][~shown])) == 3  # one grey, a number per channel
    assert not (patches_of[2][~shown] == patches_of[0][~shown]).all(-1).any()


def test_without_tensorboard_it_is_asked_for_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"needs the package tensorboard.*pip install 'abaw-harness\[tensorboard\]'"):
        curves(tmp_path, 0)
