from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file

from harness.errors import UserError
from harness.progress import silent
from netease_abaw6 import pretrain_run
from netease_abaw6.pretrain import Engine, PretrainRecipe
from netease_abaw6.pretrain_folders import Folders
from netease_abaw6.pretrain_ranks import Ranks
from netease_abaw6.pretrain_run import Outputs, asked_to_stop, pretrain, source, summary, unemployed
from netease_abaw6.pretrain_shards import Shard, Shards

TINY = PretrainRecipe(
    width=32, depth=1, heads=2, patch=8, image=32, decoder_width=16, decoder_depth=1, decoder_heads=2,
    epochs=3, batch=8, base_lr=0.05, warmup_epochs=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 images and one that is none: five steps of eight an epoch, the last of one."""
    folder, random = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    for index in range(32):
        pixels = random.integers(0, 255, (4, 4, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
        Pillow.fromarray(pixels).save(folder / f"{index:03d}.png")
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


def outputs(folder: Path, **changed: object) -> Outputs:
    return replace(Outputs(folder / "mae.safetensors", folder / "t.pt", save_every=4, log_every=3), **changed)


def run(faces: Path, places: Outputs, recipe: PretrainRecipe = TINY) -> None:
    pretrain(
        Folders([faces]), recipe, 0,
        ranks=Ranks(), engine=Engine(micro=4), workers=0, outputs=places, progress=silent,
    )  # fmt: skip


def test_stopped_within_an_epoch_it_goes_on_to_the_same_weights_and_lines(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(faces, outputs(tmp_path / "whole"))
    whole = capsys.readouterr().err
    stopping = outputs(tmp_path / "stopped")
    save = pretrain_run.pretrain_state.save

    def saved_and_signalled(path: Path, training: object, *rest: object) -> None:
        save(path, training, *rest)
        if training.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(pretrain_run.pretrain_state, "save", saved_and_signalled)
    with pytest.raises(KeyboardInterrupt):
        run(faces, stopping)
    assert torch.load(stopping.checkpoint, weights_only=True)["step"] == 5  # the step in hand is finished and kept
    assert not stopping.weights.exists()
    run(faces, stopping)
    stopped = capsys.readouterr().err

    def lines(text: str) -> list[str]:
        return sorted(set(re.findall(r"(?:step|epoch) \d+/\d+  loss \d\.\d{6}", text)))

    assert lines(stopped) == lines(whole)
    assert stopping.weights.read_bytes() == outputs(tmp_path / "whole").weights.read_bytes()
    before = stopping.weights.read_bytes()
    run(faces, stopping)  # finished: it writes the same again
    assert stopping.weights.read_bytes() == before


def test_the_sidecar_says_what_was_trained_on_and_what_was_not(faces: Path, tmp_path: Path) -> None:
    places = outputs(tmp_path, sheet=tmp_path / "sheets" / "s.png", sheet_every=2)
    run(faces, places, replace(TINY, epochs=1))
    said = json.loads(places.weights.with_suffix(".json").read_text())
    assert said == {
        **replace(TINY, epochs=1).facts(), **Folders([faces]).facts(), "seed": 0, "steps": 5, "processes": 1,
        "format": "facebookresearch/mae names",
        "skipped": {str(faces / "bad.jpg"): "no image format that Pillow knows"},
    }  # fmt: skip
    with Pillow.open(tmp_path / "sheets" / "s.png") as sheet:
        assert sheet.size == (8 * 32, 3 * 32)


def test_a_batch_of_nothing_readable_is_passed_over_an_epoch_of_it_is_told(faces: Path, tmp_path: Path) -> None:
    run(faces, outputs(tmp_path, log_every=1), replace(TINY, batch=1, epochs=1))
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"not one of 1 images could be read: 1 images, 1 skipped: .*bad\.jpg"):
        run(tmp_path / "all", outputs(tmp_path / "other"))


def test_curves_are_written_and_go_on(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    places = outputs(tmp_path, tensorboard=tmp_path / "curves", log_every=2)
    run(faces, places, replace(TINY, epochs=1))
    events = event_accumulator.EventAccumulator(str(tmp_path / "curves"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["images per second", "learning rate", "loss"]
    drawn = {event.step: f"{event.value:.6f}" for event in events.Scalars("loss")}
    printed = re.findall(r"step (\d+)/\d+  loss (\d\.\d+)", capsys.readouterr().err)
    assert drawn == {int(step): loss for step, loss in printed}
    rates = [event.value for event in events.Scalars("learning rate")]
    np.testing.assert_allclose(rates, [TINY.learning_rate(step / 5) for step in (2, 4, 5)], rtol=1e-6)


def test_a_sources_kind_is_told_by_what_it_is(faces: Path, tmp_path: Path) -> None:
    assert isinstance(source([str(faces)], outputs(tmp_path), Ranks(), silent, lanes=1, buffer=1), Folders)
    with pytest.raises(UserError, match="folders and shards cannot be mixed"):
        source([str(faces), "x.tar"], outputs(tmp_path), Ranks(), silent, lanes=1, buffer=1)


def test_the_summary_names_a_few() -> None:
    assert summary(7, {}) == "7 images, none skipped"
    many = {f"{i}.jpg": "x" for i in range(7)}
    assert summary(9, many) == (
        "9 images, 7 skipped: 0.jpg (x), 1.jpg (x), 2.jpg (x), 3.jpg (x), 4.jpg (x), ... (the sidecar names 7)"
    )
    assert summary(10**6, {str(i): "cut" for i in range(1000)}).startswith("1000000 images, 1000 or more skipped")


def test_the_first_ctrl_c_waits_and_the_second_does_not() -> None:
    before = signal.getsignal(signal.SIGINT)
    with asked_to_stop() as asked:
        assert not asked()
        os.kill(os.getpid(), signal.SIGINT)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_told_to_stop_with_its_whole_group_it_saves_first(faces: Path, tmp_path: Path) -> None:
    """As torchrun and job schedulers do it: the processes that decode get the signal too."""
    sizes = "--width 32 --depth 1 --heads 2 --patch 8 --image 32 --decoder-width 16 --decoder-depth 1 --decoder-heads 2"
    asked = f"--epochs 100000 --batch 8 --workers 2 --log-every 1 {sizes}".split()
    out = tmp_path / "mae.safetensors"
    command = [sys.executable, "-m", "harness", "pretrain-mae", str(faces), "--out", str(out), *asked]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr)
        assert any("step 5/" in line for line in lines)
        os.killpg(process.pid, signal.SIGTERM)
        rest = "".join(lines)
    assert "Traceback" not in rest
    assert process.returncode == 130
    assert torch.load(tmp_path / "mae.training.pt", weights_only=True)["step"] >= 5


def test_who_has_nothing_to_decode_is_told(faces: Path) -> None:
    few = Shards([Shard(f"{i}.tar", 0, 9) for i in range(6)], lanes=64, buffer=64)
    assert unemployed(few, world=2, workers=3) == ""
    assert unemployed(few, world=4, workers=2).startswith("2 of 8 decoding processes have no images")
    assert "and 2 of 8 training processes, have no images" in unemployed(few, world=8, workers=0)
    assert unemployed(Folders([faces]), world=4, workers=8) == ""


@pytest.mark.slow
def test_killed_within_an_epoch_the_same_command_ends_in_the_same_weights(faces: Path, tmp_path: Path) -> None:
    sizes = "--width 32 --depth 1 --heads 2 --patch 8 --image 32 --decoder-width 16 --decoder-depth 1 --decoder-heads 2"
    asked = f"--epochs 100 --warmup-epochs 1 --batch 8 --lr 0.02 --workers 2 --log-every 1 --save-every 3 {sizes}"

    def command(name: str) -> list[str]:
        out = str(tmp_path / f"{name}.safetensors")
        return [sys.executable, "-m", "harness", "pretrain-mae", str(faces), "--out", out, *asked.split()]

    whole = subprocess.run(command("whole"), capture_output=True, text=True, check=True).stderr
    lines: list[str] = []
    kills = 0
    while not (tmp_path / "killed.safetensors").exists():
        process = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        began = None
        for line in process.stderr:
            lines.append(line)
            began = began or (time.monotonic() if line.startswith("step") else None)
            if kills < 2 and began and time.monotonic() - began > 0.6 and line.startswith("step"):
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
        process.stderr.close()
        process.wait()
    assert kills == 2

    def losses(text: str) -> set[str]:
        return set(re.findall(r"step \d+/\d+  loss [\d.]+", text))

    assert losses("".join(lines)) == losses(whole)
    assert len(losses(whole)) > 450  # but for batches of the broken image alone
    first, second = (load_file(tmp_path / f"{name}.safetensors") for name in ("whole", "killed"))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
