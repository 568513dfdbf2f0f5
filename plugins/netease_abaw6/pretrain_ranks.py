"""The processes of one pre-training: alone, or as many as `torchrun` started, on one machine or many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from harness.context import check_device

PATIENCE = timedelta(hours=2)  # for a rank that still lists its files


@dataclass(frozen=True)
class Ranks:
    """Which process of how many this is, and the device it drives."""

    device: str = "cpu"
    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, on the device; nothing waits for it on the host."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def gathered(self, thing: Any) -> list[Any]:
        """`thing` of every process, by rank."""
        if self.world == 1:
            return [thing]
        everyones: list[Any] = [None] * self.world
        dist.all_gather_object(everyones, thing)
        return everyones


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """This process among those `torchrun` started (nccl between GPUs, gloo between CPUs), else alone on `device`.

    Raises UserError for a device that is not there.
    """
    together = dist.is_torchelastic_launched()
    if together and device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    check_device(device)
    if not together:
        yield Ranks(device)
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(device, dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
