"""What a row says: the score, what it speaks of, what was chosen, what it cost, and how to get it again."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harness.context import Context
from harness.judge import Judged, judge_folds
from harness.partition import Parts
from harness.records import SCHEMA
from harness.seen import verdict
from harness.splits import Split
from harness.store import Visit
from harness.types import TaskSpec

PACKAGES = (
    "abaw-harness",
    "torch",
    "torchvision",
    "torchaudio",
    "timm",
    "transformers",
    "peft",
    "numpy",
    "scipy",
    "scikit-learn",
)


def row_of(
    context: Context,
    split: Split,
    parts: Parts,
    judged: Judged | None,
    facts: Mapping[str, Any],
    cost: Mapping[str, Any],
) -> dict[str, Any]:
    """The row of one split; a `test` row has no score. `facts` are the run's: id, command, threads, folds, limit."""
    plan = context.plan
    sizes = {f"part {k}": sum(parts.of[v.key] == k for v in split.train) for k in range(parts.k)}
    return {
        "schema": SCHEMA,
        **heading(context, facts),
        "split": split.name,
        "score": judged.score if judged else None,
        "coverage": {
            **(judged.coverage if judged else {}),
            "train_videos": len(split.train),
            "inner_videos": len(split.inner),
            "held_videos": len(split.held),
            "leaks": list(split.leaks),
        },
        "parts": {
            "partition": plan.partition.component.name,
            "k": parts.k,
            "source": parts.source,
            "train_videos": sizes,
            "scores": judged.scenes if judged else {},
        },
        "choices": list(context.choices),
        **({"extra_train": {one.name: one.report() for one in context.extra}} if context.extra else {}),
        "command": facts["command"],
        "cost": dict(cost),
        "env": environment(context, facts),
    }


def heading(context: Context, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields every row of a run shares."""
    plan = context.plan
    components = {
        "fusion": plan.fusion,
        "partition": plan.partition,
        "postprocess": plan.smoother,
        **plan.encoders,
    }
    return {
        **judged_on(
            plan.task,
            name=context.data,
            fingerprint=context.fingerprint,
            folds=facts["folds"],
            partial_rows=plan.pipeline.partial_rows,
            dedupe=facts["dedupe"],
        ),
        "system": plan.system,
        "plugin": plan.plugin,
        "profile": plan.profile,
        "run": facts["run"],
        "seed": plan.seed,
        "partial": facts["partial"],
        "contamination": verdict(plan, context.data, (one.extra.data for one in context.extra)),
        "components": {
            name: {
                "name": part.component.name,
                "plugin": part.plugin,
                "version": part.version,
                "options": dict(part.component.options),
            }
            for name, part in sorted(components.items())
        }
        | {"vote": {"name": plan.vote.name, "plugin": plan.vote.plugin}},
    }


def judged_on(
    task: TaskSpec, *, name: str, fingerprint: str, folds: Any, partial_rows: str, dedupe: bool
) -> dict[str, Any]:
    """What every row says of its task and of the data that it was judged on."""
    return {
        "task": task.name,
        "task_version": task.version,
        "title": task.title,
        "metric": task.kind.metric,
        "level": task.level,
        "labels": list(task.labels),
        "data": {
            "name": name,
            "reader": task.reader,
            "fingerprint": fingerprint,
            "folds": folds,
            "partial_rows": partial_rows,
            "dedupe": dedupe,
        },
    }


def fold_rows(
    context: Context, rows: Sequence[Mapping[str, Any]], folds: Sequence[Any], facts: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The two rows over five folds: the mean of their scores, and the score of their statistics merged."""
    blocks = judge_folds(context.plan.task.kind.metric, folds, context.plan.task.labels)
    cost = {"wall_s": round(sum(row["cost"]["wall_s"] for row in rows), 3)}
    return [
        {
            "schema": SCHEMA,
            **heading(context, facts),
            "split": name,
            "score": score,
            "coverage": {key: sum(row["coverage"][key] for row in rows) for key in ("videos", "rows", "judged_rows")},
            "parts": None,
            "choices": [],
            "command": facts["command"],
            "cost": cost,
            "env": environment(context, facts),
        }
        for name, score in blocks.items()
    ]


def environment(context: Context, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Where the run happened."""
    return machine(facts["threads"], device_name(context.place.device), context.place.precision)


def machine(threads: int, device: str, precision: str) -> dict[str, Any]:
    """Versions, processor, device, threads."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": threads,
        "device": device,
        "precision": precision,
        "packages": versions,
    }


def device_name(device: str) -> str:
    """The device as a person names it."""
    if device.startswith("cuda"):
        import torch

        return f"{device} ({torch.cuda.get_device_name(device)})"
    return device


def cost_of(visits: Sequence[Visit], wall: float, device: str = "cpu") -> dict[str, Any]:
    """Seconds by stage (computed ones; a stage's time holds that of the stages it asked for), and peak memory.

    Both peaks are the process's so far: of all its memory, and of what it took of a GPU.
    """
    seconds: dict[str, float] = {}
    computed: dict[str, int] = {}
    for visit in visits:
        if visit.computed:
            seconds[visit.stage] = round(seconds.get(visit.stage, 0.0) + visit.seconds, 3)
            computed[visit.stage] = computed.get(visit.stage, 0) + 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    megabytes = peak / 1024 if sys.platform != "darwin" else peak / 1024**2
    return {
        "wall_s": round(wall, 3),
        "stage_s": seconds,
        "computed": computed,
        "reused": sum(not v.computed for v in visits),
        "peak_memory_mb": round(megabytes),
        **_peak_of_gpu(device),
    }


def _peak_of_gpu(device: str) -> dict[str, int]:
    if not device.startswith("cuda"):
        return {}
    import torch

    return {"peak_gpu_memory_mb": round(torch.cuda.max_memory_allocated(device) / 2**20)}
