from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Pillow

from harness.errors import MissingData, UserError
from netease_abaw6.mae_checkpoints import read
from netease_abaw6.pretrain_command import pretrain_mae

SIZES = [
    *("--width", "32", "--depth", "1", "--heads", "2", "--patch", "8", "--image", "32", "--workers", "0"),
    *("--decoder-width", "16", "--decoder-depth", "1", "--decoder-heads", "2", "--epochs", "1", "--batch", "16"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    for index in range(20):
        Pillow.fromarray(random.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(folder / f"{index:03d}.png")
    return folder


def test_the_command_writes_weights_facts_and_a_sheet(folder: Path, tmp_path: Path) -> None:
    out, sheet = tmp_path / "mae.safetensors", tmp_path / "sheet.png"
    corpora = ("--corpus", "celeba", "--corpus", "afectnet")
    asked = [str(folder), "--out", str(out), *SIZES, "--sheet", str(sheet), *corpora]
    result = CliRunner().invoke(pretrain_mae, asked, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout == f"{out}\n"
    assert "step 2/2  loss" in result.stderr
    assert "epoch 1/1  loss" in result.stderr
    assert "20 images, none skipped" in result.stderr
    assert read(out)["patch_embed.proj.weight"].shape == (32, 3, 8, 8)
    facts = json.loads(out.with_suffix(".json").read_text())
    assert (facts["images"], facts["width"], facts["batch"]) == (20, 32, 16)
    assert facts["corpora"] == ["celeba", "afectnet"]
    assert "No corpus is called 'afectnet'. Did you mean 'affectnet'" in result.stderr
    with Pillow.open(sheet) as picture:
        assert picture.size == (8 * 32, 3 * 32)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "mae.json", "mae.safetensors", "mae.training.pt", "sheet.png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        (["--out", "mae.pth"], UserError, r"--out must end in \.safetensors: came mae\.pth"),
        (["--out", "m.safetensors", "--engine", "fsdp"], UserError, "start it with torchrun, or use ddp"),
        (["--out", "m.safetensors", "--device", "gpu"], UserError, "--device: expected one of cpu"),
        (["no-such-folder", "--out", "m.safetensors"], UserError, "folders and shards cannot be mixed"),
    ],
)
def test_mistakes_are_told(asked: list[str], kind: type[Exception], said: str, folder: Path) -> None:
    with pytest.raises(kind, match=said):
        CliRunner().invoke(pretrain_mae, [str(folder), *asked], catch_exceptions=False)


def test_a_source_that_is_not_there_is_missing_data(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="No folder and no shard at nothing"):
        CliRunner().invoke(pretrain_mae, ["nothing", "--out", str(tmp_path / "m.safetensors")], catch_exceptions=False)
