from __future__ import annotations

import json
import platform

import pytest
import torch

from harness.row import cost_of, device_name
from harness.store import Visit


@pytest.fixture
def row(tiny):
    return tiny("units").row(sets={"fit.epochs": 1, "adapt.image": None}, command="harness run ...", threads=3)


def test_what_a_row_says(row):
    assert list(row) == [
        "schema", "task", "task_version", "title", "metric", "level", "labels", "data", "system", "plugin", "profile",
        "run", "seed", "partial", "contamination", "components", "split", "score", "coverage", "parts", "choices",
        "command", "cost", "env",
    ]  # fmt: skip
    told = ("task", "task_version", "metric", "level", "labels", "plugin", "profile", "seed", "split", "command")
    assert [row[name] for name in told] == [
        "units", 1, "f1", "frame", ["a", "b"], "tiny", "paper", 0, "official", "harness run ...",
    ]  # fmt: skip
    assert row["system"] == "tiny[fit.epochs=1,adapt.image=None]"
    json.dumps(row, allow_nan=False)


def test_the_data_it_speaks_of(row):
    assert row["data"]["name"] == "tiny"
    assert row["data"]["reader"] == "tiny"
    assert (row["data"]["partial_rows"], row["data"]["dedupe"]) == ("any", False)
    assert len(row["data"]["fingerprint"]) == len(row["data"]["folds"]) == 64


def test_every_component_with_its_provider(row):
    found = {name: (part["name"], part["plugin"]) for name, part in row["components"].items()}
    assert found == {
        "image": ("eye", "tiny"), "audio": ("ear", "tiny"), "text": ("words", "tiny"), "fusion": ("mlp", "tiny"),
        "partition": ("halves", "tiny"), "postprocess": ("shrink", "tiny"), "vote": ("mean", "builtin"),
    }  # fmt: skip


def test_who_trained_chose_and_judged(row):
    counts = {name: row["coverage"][name] for name in ("train_videos", "inner_videos", "held_videos", "videos")}
    assert counts == {"train_videos": 8, "inner_videos": 2, "held_videos": 4, "videos": 4}
    assert row["coverage"]["leaks"] == []


def test_where_it_happened(row):
    assert row["env"]["threads"] == 3
    assert row["env"]["python"] == platform.python_version()
    assert row["env"]["device"] == "cpu"
    assert row["env"]["packages"]["torch"] == torch.__version__.partition("+")[0] or row["env"]["packages"]["torch"]
    assert {"abaw-harness", "numpy", "timm"} <= set(row["env"]["packages"])


def test_no_label_and_no_folder_is_in_it(row, tiny):
    text = json.dumps({k: v for k, v in row.items() if k != "command"})
    assert str(tiny("units").root) not in text
    assert "labels/" not in text


def test_cost_counts_what_was_computed():
    visits = [Visit("fit", "a", True, 1.25), Visit("fit", "b", True, 0.5), Visit("encode", "c", False, 9.0)]
    cost = cost_of(visits, 3.0004)
    assert {k: v for k, v in cost.items() if k != "peak_memory_mb"} == {
        "wall_s": 3.0, "stage_s": {"fit": 1.75}, "computed": {"fit": 2}, "reused": 1,
    }  # fmt: skip
    assert 10 < cost["peak_memory_mb"] < 1_000_000


def test_cost_tells_the_peak_of_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", {"cuda:1": 3 * 2**20 + 1}.__getitem__)
    assert cost_of([], 1.0, "cuda:1")["peak_gpu_memory_mb"] == 3
    assert "peak_gpu_memory_mb" not in cost_of([], 1.0)


def test_a_processor_is_called_what_it_is():
    assert device_name("cpu") == "cpu"
