from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from harness import model, plugins
from harness.errors import HarnessError, MissingData


@pytest.fixture
def run(tiny, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`run(task)`: a finished run's world, its folder, and its plugins the only ones installed."""

    def go(task: str = "colour", **words: Any) -> tuple[Any, Path]:
        world = tiny(task)
        world.row(**words)
        monkeypatch.setattr(plugins, "load", lambda: world.plugins)
        return world, world.prepare(**words).folder.path

    return go


@pytest.mark.parametrize("task", ["colour", "units", "mood", "clip"])
def test_a_kept_model_predicts_what_the_run_predicted(run, task: str):
    world, folder = run(task)
    shutil.rmtree(world.folder / "cache")
    opened = model.load(folder / "model")
    reader = world.prepare().context.reader
    table = pd.read_parquet(folder / "official.parquet")
    for video in world.prepare().splits[0].held:
        expected_RL = table[table["video"] == video.key][[f"score {label}" for label in opened.labels]].to_numpy()
        np.testing.assert_allclose(opened.predict(video, reader.view()), expected_RL, atol=1e-5)
    assert not (world.folder / "cache").exists()


@pytest.mark.parametrize("sets", [{"vote": "routed"}, {"overlap": 3}, {"vote": "routed", "partition": "random_k"}])
def test_a_kept_model_predicts_what_a_routed_or_overlapping_run_predicted(run, sets: dict[str, Any]):
    world, folder = run("colour", sets=sets)
    opened = model.load(folder / "model")
    reader = world.prepare().context.reader
    table = pd.read_parquet(folder / "official.parquet")
    for video in world.prepare(sets=sets).splits[0].held:
        expected_RL = table[table["video"] == video.key][[f"score {label}" for label in opened.labels]].to_numpy()
        np.testing.assert_allclose(opened.predict(video, reader.view()), expected_RL, atol=1e-5)


def test_it_says_what_it_is(run):
    _, folder = run("units")
    opened = model.load(folder / "model")
    assert (opened.task, opened.level, opened.labels, opened.kind.name, opened.demo) == (
        "units",
        "frame",
        ("a", "b"),
        "any_of",
        False,
    )
    assert opened.setting in (0.0, 0.5, 1.0)
    assert opened.about["split"] == "official"


def test_no_label_is_in_it(run):
    _, folder = run("colour")
    text = (folder / "model" / "pipeline.json").read_text()
    assert set(json.loads(text)) == {"plan", "widths", "classifiers", "setting", "data", "split", "k"}


def test_no_model(tmp_path: Path):
    with pytest.raises(MissingData, match=r"No model in .*: expected pipeline\.json there"):
        model.load(tmp_path)


def test_a_half_written_model_is_none(run, monkeypatch: pytest.MonkeyPatch):
    world, folder = run()
    shutil.rmtree(folder)
    calls: list[Path] = []
    real = model.write_whole

    def crash(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError("no space left on device")
        real(path, content)

    monkeypatch.setattr(model, "write_whole", crash)
    with pytest.raises(OSError, match="no space"):
        world.row()
    assert not (folder / "model").exists()
    assert not (folder / "official.json").exists()
    monkeypatch.setattr(model, "write_whole", real)
    world.row()
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["model"]
    assert model.load(folder / "model").task == "colour"


def test_the_newest_finished_run_is_found(run):
    world, folder = run(sets={"fit.epochs": 1, "adapt.image": None})
    runs = world.folder / "runs"
    assert model.find(runs, "colour") == folder / "model"
    assert model.find(runs, "units") is None
    assert model.find(world.folder / "nowhere", "colour") is None
    other = {"sets": {"fit.epochs": 1, "adapt.image": None, "vote": "majority"}}
    world.row(**other)
    newer = world.prepare(**other).folder.path
    os.utime(newer / "official.json", (2e9, 2e9))
    assert model.find(runs, "colour") == newer / "model"
    assert model.find(runs, "colour", "tiny[fit.epochs=1,adapt.image=None]") == folder / "model"
    shutil.rmtree(newer / "model")
    assert model.find(runs, "colour") == folder / "model"


def test_a_trial_is_passed_over(run):
    sets = {"sets": {"fit.epochs": 1, "adapt.image": None}}
    world, folder = run(**sets)
    runs = world.folder / "runs"
    trial = world.prepare(limit=2, **sets).folder.path
    world.row(limit=2, **sets)
    os.utime(trial / "official.json", (2e9, 2e9))
    assert model.find(runs, "colour") == folder / "model"
    shutil.rmtree(folder / "model")
    assert model.find(runs, "colour") is None
    assert model.without(runs, "colour")["run"] == folder.name
    shutil.rmtree(folder)
    assert model.without(runs, "colour")["partial"] == "limited to 2 videos a part"
    assert model.without(runs, "units") is None
    opened = model.load(trial / "model").about
    assert (opened["run"], opened["partial"]) == (trial.name, "limited to 2 videos a part")


def test_a_model_says_which_run_it_is_of(run):
    _, folder = run("units")
    about = model.load(folder / "model").about
    assert (about["run"], about["partial"]) == (folder.name, None)
    moved = folder.parent / "elsewhere"
    (folder / "model").rename(moved)
    about = model.load(moved).about
    assert (about["run"], about["partial"]) == (None, None)


@pytest.mark.parametrize("name", ["classifier-0.safetensors", "encoder-image.safetensors"])
def test_weights_that_cannot_be_read_are_named(run, name: str):
    _, folder = run("units")
    path = folder / "model" / name
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(HarnessError, match=f"^{path} is damaged"):
        model.load(folder / "model")
    from safetensors.torch import save_file

    save_file({"other": torch.zeros(1)}, path)
    with pytest.raises(HarnessError, match=f"^{path} does not fit"):
        model.load(folder / "model")
    path.unlink()
    with pytest.raises(MissingData, match=f"^{path} is not there"):
        model.load(folder / "model")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b"{}", b'{"plan": 3}'])
def test_a_broken_pipeline_is_named(tmp_path: Path, content: bytes):
    (tmp_path / "pipeline.json").write_bytes(content)
    with pytest.raises(HarnessError, match=f"^{tmp_path / 'pipeline.json'}: "):
        model.load(tmp_path)


def test_a_plan_of_another_version_is_named(run):
    _, folder = run("units")
    path = folder / "model" / "pipeline.json"
    facts = json.loads(path.read_text())
    facts["plan"]["pipeline"]["fit"]["unheard_of"] = 1
    path.write_text(json.dumps(facts))
    with pytest.raises(HarnessError, match=f"^{path}: .*unheard_of"):
        model.load(folder / "model")
    del facts["plan"]["pipeline"]
    path.write_text(json.dumps(facts))
    with pytest.raises(HarnessError, match=f"^{path}: .*pipeline"):
        model.load(folder / "model")


def test_every_network_of_an_encoder_is_saved():
    from torch import nn

    class Two:
        modality, dim, input = "image", 1, None

        def __init__(self) -> None:
            self.frozen, self.module = nn.Linear(1, 1), nn.Linear(2, 2)

    one, other = Two(), Two()
    state = model.network(one)  # type: ignore[arg-type]
    assert sorted(state) == ["frozen.bias", "frozen.weight", "module.bias", "module.weight"]
    model.load_network(other, state, "cpu")  # type: ignore[arg-type]
    assert all((model.network(other)[name] == state[name]).all() for name in state)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_network(other, {k: v for k, v in state.items() if k != "frozen.bias"}, "cpu")  # type: ignore[arg-type]
