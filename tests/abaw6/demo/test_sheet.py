from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from abaw6.demo import sheet, write
from abaw6.demo.world import Sizes
from harness.errors import UserError


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("c-expr", Sizes(1, 1, 0, (0.8, 0.9))),
        ("hume-vidmimic2", Sizes(6, 1, 0, (0.8, 0.9))),
        ("demo-pretrain", Sizes(1, 0, 0, (0.0, 0.0), stills=2)),
    ],
)
def test_a_sheet_shows_faces(tmp_path: Path, name: str, sizes: Sizes) -> None:
    root = write.write(name, tmp_path / name, workers=1, sizes=sizes)
    with Image.open(sheet.sheet(root, tmp_path / "out" / "sheet.png")) as picture:
        pixels_HWC = np.asarray(picture.convert("RGB"))
    assert pixels_HWC.shape[1] > 200
    assert (pixels_HWC < 250).any(2).mean() > 0.05


def test_the_middle_of_the_longest_run() -> None:
    assert sheet._middle(np.array([True, False, True, True, True, False])) == 3
    assert sheet._middle(np.array([False, False])) == -1


def test_a_folder_without_a_demo_world_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"demo\.json"):
        sheet.sheet(tmp_path, tmp_path / "sheet.png")
