"""The core on a GPU against the core on the CPU. Without a GPU every test here skips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose

from harness import adapt, fit, plugins
from harness.kinds import ANY_OF, ONE_OF, continuous
from harness.losses import by_name
from harness.model import load
from harness.training import train

pytestmark = pytest.mark.usefixtures("gpu")

KINDS = {
    "ce": ONE_OF,
    "bce": ANY_OF,
    "ccc": continuous("ccc", -1.0, 1.0),
    "pearson": continuous("pearson", 0.0, 1.0),
    "mse": continuous("ccc", -1.0, 1.0),
}


@pytest.mark.parametrize("task", ["colour", "units", "mood", "clip"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_on_the_gpu_learns_the_task(tiny, task: str, precision: str):
    row = tiny(task).row(device="cuda", precision=precision)
    assert row["score"]["P"]["value"] > 0.5
    assert row["env"]["device"].startswith("cuda (")
    assert row["cost"]["peak_gpu_memory_mb"] > 0


@pytest.mark.parametrize("task", ["colour", "clip"])
def test_a_model_trained_on_the_cpu_predicts_alike_on_the_gpu(tiny, task: str, monkeypatch: pytest.MonkeyPatch):
    world = tiny(task)
    world.row()
    monkeypatch.setattr(plugins, "load", lambda: world.plugins)
    prepared = world.prepare()
    folder, reader = prepared.folder.path / "model", prepared.context.reader
    here, there = load(folder), load(folder, "cuda")
    for video in reader.videos()[:3]:
        scores_RL, other_RL = (model.predict(video, reader.view()) for model in (here, there))
        assert_allclose(other_RL, scores_RL, atol=1e-4)


def test_runs_on_both_devices_end_close_to_each_other(tiny):
    """In float32, over a whole training: the same draws, sums in another order."""
    world = tiny("mood")
    tables = []
    for device in ("cpu", "cuda"):
        world.row(device=device, precision="fp32")
        tables.append(pd.read_parquet(world.prepare(device=device).folder.path / "official.parquet"))
    scores = [table[[c for c in table if c.startswith("score ")]].to_numpy() for table in tables]
    assert_allclose(scores[0], scores[1], atol=0.05)


@pytest.mark.parametrize("name", KINDS)
def test_a_loss_of_targets_on_the_host_is_that_of_the_cpu(name: str):
    kind, labels = KINDS[name], 4
    generator = torch.Generator().manual_seed(0)
    logits_RL = torch.randn(64, labels, generator=generator)
    target_RL = torch.eye(labels)[torch.randint(0, labels, (64,), generator=generator)]
    target_RL[:5] = float("nan")
    weights_L = torch.rand(labels, generator=generator) + 0.5
    got = []
    for device in ("cpu", "cuda"):
        ready_RL = logits_RL.to(device, copy=True).requires_grad_()
        loss = by_name(name)(ready_RL, target_RL, weights_L.to(device), kind)
        loss.backward()
        assert ready_RL.grad is not None
        got.append((loss.detach().cpu(), ready_RL.grad.cpu()))
    torch.testing.assert_close(got[0], got[1])


@pytest.mark.parametrize("task", ["colour", "units", "mood"])
def test_no_step_waits_for_the_device(tiny, task: str, monkeypatch: pytest.MonkeyPatch):
    """PyTorch raises where the host would wait, from the first step of an epoch to its last."""
    steps = 0

    def watched(modules: Any, recipe: Any, per_epoch: int, losses: Any, after: Any, title: str) -> None:
        def counted(epoch: int) -> Iterator[torch.Tensor]:
            nonlocal steps
            try:
                for loss in losses(epoch):
                    steps += 1
                    if epoch:  # what is made once and kept is made in the first
                        torch.cuda.set_sync_debug_mode("error")
                    yield loss
            finally:
                torch.cuda.set_sync_debug_mode("default")

        train(modules, recipe, per_epoch, counted, after, title)

    monkeypatch.setattr(adapt, "train", watched)
    monkeypatch.setattr(fit, "train", watched)
    tiny(task).row(device="cuda")
    assert steps > 10
