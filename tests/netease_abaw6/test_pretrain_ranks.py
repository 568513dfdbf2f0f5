from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file

from harness.errors import UserError
from netease_abaw6.pretrain_ranks import Ranks, joined


def test_a_process_alone_is_the_first_and_its_sums_are_its_own() -> None:
    with joined("cpu") as ranks:
        assert ranks == Ranks("cpu", 0, 1)
        assert ranks.first
        assert ranks.total(torch.tensor([2.0, 3.0])).tolist() == [2.0, 3.0]
        assert ranks.gathered({"a": 1}) == [{"a": 1}]


def test_a_device_that_is_not_there_is_told() -> None:
    with pytest.raises(UserError, match="--device: expected one of cpu"), joined("gpu"):
        pass


ASKED = (
    "--width 32 --depth 2 --heads 2 --patch 8 --image 32 --decoder-width 16 --decoder-depth 1 --decoder-heads 2 "
    "--epochs 5 --warmup-epochs 1 --batch 16 --lr 0.02 --log-every 1 --save-every 5 --workers 2"
)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """57 images: four steps of 16 an epoch, the last uneven; one is broken."""
    folder, random = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    for index in range(56):
        pixels = random.integers(0, 255, (4, 4, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
        Pillow.fromarray(pixels).save(folder / f"{index:03d}.png")
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


def train(start: list[str], faces: Path, out: Path, *more: str) -> list[float]:
    """The losses by step."""
    command = [*start, "-m", "harness", "pretrain-mae", str(faces), "--out", str(out), *ASKED.split(), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "57 images, 1 skipped" in done.stderr
    return [float(loss) for loss in re.findall(r"^step \d+/20  loss ([\d.]+)", done.stderr, re.MULTILINE)]


@pytest.fixture(scope="module")
def alone(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[float], dict[str, torch.Tensor]]:
    out = tmp_path_factory.mktemp("alone") / "mae.safetensors"
    losses = train([sys.executable], faces, out)
    return losses, load_file(out)


TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [(), ("--micro-batch", "3"), ("--engine", "fsdp", "--micro-batch", "3", "--recompute")]
)
def test_two_processes_are_one_with_the_doubled_batch(
    more: tuple[str, ...], faces: Path, tmp_path: Path, alone: tuple[list[float], dict[str, torch.Tensor]]
) -> None:
    losses = train(TWO, faces, tmp_path / "two.safetensors", *more)
    assert len(losses) == 20
    difference = np.abs(np.array(losses) - alone[0]).max()
    print(more, difference)
    assert difference <= 1e-5
    weights = load_file(tmp_path / "two.safetensors")
    assert {name: tensor.shape for name, tensor in weights.items()} == {n: t.shape for n, t in alone[1].items()}


@pytest.mark.slow
def test_a_training_of_two_goes_on_with_one_and_the_other_way_round(
    faces: Path, tmp_path: Path, alone: tuple[list[float], dict[str, torch.Tensor]]
) -> None:
    script = "import sys; from netease_abaw6 import pretrain_state as s; save = s.save\n"
    script += (
        "def once(path, training, *rest):\n    save(path, training, *rest)\n    training.step == 10 and sys.exit(3)\n"
    )
    script += "s.save = once\nfrom harness.cli import main; main()\n"
    (tmp_path / "stops.py").write_text(script)
    for name, first, then in (("fsdp", [*TWO], [sys.executable]), ("ddp", [sys.executable], [*TWO])):
        out = tmp_path / f"{name}.safetensors"
        sharded = ["--engine", "fsdp"] if name == "fsdp" else []
        command = [*first, str(tmp_path / "stops.py"), "pretrain-mae", str(faces), "--out", str(out), *ASKED.split()]
        assert subprocess.run([*command, *sharded], capture_output=True).returncode != 0
        assert not out.exists()
        losses = train(then, faces, out)
        assert len(losses) == 10
        assert np.abs(np.array(losses) - alone[0][10:]).max() <= 1e-5
