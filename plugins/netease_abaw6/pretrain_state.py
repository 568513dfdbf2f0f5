"""A training's checkpoint: all it needs to go on at the next step as if nothing had happened.

Kept: the model, the optimiser, the step, the running losses, what could not be read. The random state and the place in
the data follow from seed and step. Whole tensors under the model's own names, whatever the engine and the number of
processes, so that these may change from start to start.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)

from harness.errors import UserError
from netease_abaw6.pretrain import Training


def weights(training: Training) -> dict[str, Tensor]:
    """The model's state, whole, on the CPU; empty but on the first process. All processes must call it."""
    state = get_model_state_dict(training.model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    return state if training.ranks.first else {}


def save(path: Path, training: Training, facts: Mapping[str, Any], skipped: Mapping[str, str]) -> None:
    """Written by the first process, whole or not at all. All processes must call it."""
    model, optimiser = get_state_dict(
        training.model, training.optimiser, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
    )
    tallies = {name: training.ranks.total(getattr(training, name).clone()).cpu() for name in ("lately", "epoch")}
    if not training.ranks.first:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(path.name + ".part")
    state = {"model": model, "optimizer": optimiser, "step": training.step, "skipped": dict(skipped), **tallies}
    torch.save({**state, "training": dict(facts)}, half)
    half.replace(path)


def resume(path: Path, training: Training, facts: Mapping[str, Any]) -> dict[str, str]:
    """Put `training` where the checkpoint is; what could not be read until then. All processes read the file.

    Raises UserError where it is of another training.
    """
    saved = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    before = saved.get("training", {})
    other = ", ".join(
        f"{name}={before.get(name)} (now {facts[name]})" for name in facts if before.get(name) != facts[name]
    )
    if other:
        raise UserError(
            f"{path} is of another training: {other}; give the same options and data or another --checkpoint"
        )
    set_state_dict(
        training.model,
        training.optimiser,
        model_state_dict=saved["model"],
        optim_state_dict=saved["optimizer"],
        options=StateDictOptions(full_state_dict=True),
    )
    training.step = int(saved["step"])
    if training.ranks.first:  # the sums are of all processes
        training.lately.copy_(saved["lately"])
        training.epoch.copy_(saved["epoch"])
    return dict(saved["skipped"])
