"""Which part of the training videos each video belongs to (paper 3.3), kept in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.context import Context
from harness.plugins import files_hash
from harness.splits import Split
from harness.store import Entry, Tensors
from harness.types import Partition

SOURCE = ("harness.partition",)


@dataclass(frozen=True)
class Parts:
    """K parts; `of[key]` is the part of a video; `source` says where frames and boxes came from.

    `state` is what a saved model needs to place a video nobody has seen yet.
    """

    k: int
    of: dict[str, int]
    source: str
    identity: dict[str, Any]
    state: Tensors


def partition(context: Context, split: Split) -> Parts:
    """Fit the partition on training videos, then place every video of the split, held-out ones for the report."""
    import torch

    parts = {
        "partition": context.plan.partition.identity(),
        "seed": context.plan.seed,
        "source": files_hash(SOURCE),
        "split": dict(context.split_parts(split)),
        "held": [v.key for v in split.held],
    }
    videos = (*split.train, *split.inner, *split.held)

    def compute() -> Entry:
        made: Partition = context.plan.partition.make(resources=context.resources)
        view = context.view()
        scenes = made.fit(split.train, view, context.seed("partition", split))
        title = f"partition {context.plan.partition.component.name} ({split.name})"
        part_V = torch.tensor([scenes.assign(v, view) for v in context.progress(videos, title)], dtype=torch.int64)
        state = {f"state.{name}": tensor for name, tensor in scenes.state().items()}
        return Entry({"part": part_V, **state}, {"k": scenes.k, "source": scenes.source})

    entry = context.store.entry("partition", parts, compute)
    of = dict(zip((v.key for v in videos), entry.tensors["part"].tolist(), strict=True))
    # classifiers depend on how training videos are divided, not on which others are placed for the report
    identity = {name: part for name, part in parts.items() if name != "held"}
    state = {name.removeprefix("state."): t for name, t in entry.tensors.items() if name.startswith("state.")}
    return Parts(entry.info["k"], of, entry.info["source"], identity, state)
