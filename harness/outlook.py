"""What a run will do, told before it does it: what its factories refuse, what is still to compute, the disk needed."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.datasets import cache_home
from harness.encode import encode_parts
from harness.errors import HarnessError, MissingData, UserError
from harness.model import without_weights
from harness.plugins import takes
from harness.resolve import Part, Plan
from harness.resources import Resources
from harness.rng import stream
from harness.run import Stages
from harness.store import Entry, Store, key_of, room

if TYPE_CHECKING:
    from harness.context import Context
    from harness.session import Prepared
    from harness.splits import Split

STAGES = ("pretrain", "adapt", "encode", "partition", "fit", "predict")
ASSUMED_WIDTH = 1024  # numbers of an image token, where the encoder does not tell before it is built


class NotStored(Exception):
    """The store lacks an entry that was asked for with nothing to be computed."""


class Peek(Store):
    """A store that computes nothing: NotStored instead."""

    def entry(self, stage: str, parts: Mapping[str, Any], compute: Callable[[], Entry]) -> Entry:
        found = self._read(self.path(stage, parts))
        if found is None:
            raise NotStored(stage)
        return found


def peeking(context: Context) -> Context:
    """The context with a store that computes nothing."""
    return dataclasses.replace(context, store=Peek(context.store.root, context.store.report), choices=[])


# -- what factories refuse ------------------------------------------------------------------------


def try_components(context: Context, splits: Sequence[Split]) -> tuple[dict[str, int], int]:
    """Build what is cheap to build, for UserError before any work; token widths that are known, and parts at most.

    Encoders are built without weights and memory, where their factory takes `weights`; the partition, which may load
    weights, only where some split has no parts yet (0 parts otherwise).
    """
    plan = context.plan
    with _refused("postprocess", plan.smoother):
        plan.smoother.make()
    _try_vote(plan)
    widths = {m: width for m in plan.encoders if (width := _width(context, m)) is not None}
    if len(widths) == len(plan.encoders):
        with _refused("fusion", plan.fusion), stream(0):
            plan.fusion.make(widths, len(plan.task.labels))
    if all(_has_parts(context, split) for split in splits):
        return widths, 0
    with _refused("partition", plan.partition):
        made = plan.partition.make(resources=context.resources)
    return widths, int(getattr(made, "k", 0) or getattr(made, "most", 0) or 1)


@contextmanager
def _refused(place: str, part: Part) -> Iterator[None]:
    """UserError for what Python itself says against the options of a part."""
    try:
        yield
    except (ValueError, TypeError, ZeroDivisionError) as error:
        options = ", ".join(f"{name}={value!r}" for name, value in part.component.options.items()) or "no options"
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{place}: {part.component.name!r} cannot be built with {options}: {reason}") from error


def _try_vote(plan: Plan) -> None:
    """One undecided row of one classifier: a vote that cannot count this task's labels says so."""
    kind, labels = plan.task.kind, len(plan.task.labels)
    scores_KRL = np.full((1, 1, labels), kind.low + (kind.high - kind.low) / labels, np.float32)
    words = {"part": 0} if takes(plan.vote.thing, "part") else {}
    try:
        plan.vote.thing(scores_KRL, kind, **words)
    except HarnessError:
        raise
    except Exception:  # it may want more classifiers than one; the run itself will tell
        return


def _width(context: Context, modality: str) -> int | None:
    """Width of an encoder's tokens; None where only the encoder with its weights tells."""
    import torch

    part = context.plan.encoders[modality]
    if not takes(part.factory, "weights"):
        return None

    def made(device: str) -> int:
        resources: Resources = dataclasses.replace(context.resources, device=device)
        with stream(0), torch.device(device):
            return int(without_weights(part).make(resources=resources).dim)

    try:
        return made("meta")
    except MissingData:  # the run may not need it
        return None
    except UserError as error:
        if "random" in str(error):  # it knows no such weights
            return None
        raise
    except (ValueError, TypeError, ZeroDivisionError):
        with _refused(f"encoders.{modality}", part):
            return made("cpu")
    except Exception:  # not every network can be built without memory; the run itself will tell
        return None


def _has_parts(context: Context, split: Split) -> bool:
    try:
        return Stages(peeking(context), split).parts.k > 0
    except NotStored:
        return False


# -- what is still to compute ---------------------------------------------------------------------


def outlook(prepared: Prepared) -> dict[str, Any]:
    """What is still to compute: stages, frames to encode, disk needed and free.

    `up_to` names the stages whose number is known only once an earlier one is done.
    """
    context = prepared.context
    todo: dict[str, set[str]] = {}
    up_to: set[str] = set()
    frames: dict[str, int] = {}
    for split in prepared.unfinished():
        stages = Stages(peeking(context), split)
        for modality in stages.adapted:
            _look_at_encoder(stages, modality, todo, up_to, frames)
        _look_at_parts(stages, prepared.most_parts, todo, up_to)
    home = context.store.root
    while not home.exists():
        home = home.parent
    width = prepared.widths.get("image")
    return {
        "splits": [split.name for split in prepared.splits],
        "to_run": [split.name for split in prepared.unfinished()],
        "stages": {name: len(todo[name]) for name in sorted(todo, key=lambda n: STAGES.index(n.partition(" ")[0]))},
        "up_to": sorted(up_to),
        "frames_to_encode": sum(frames.values()),
        "token_width": width or ASSUMED_WIDTH,
        "token_width_assumed": width is None,
        "disk_needed_bytes": sum(frames.values()) * (width or ASSUMED_WIDTH) * 4,
        "disk_free_bytes": shutil.disk_usage(home).free,
        "evictable_bytes": context.store.evictable_bytes(),
    }


def _look_at_encoder(
    stages: Stages, modality: str, todo: dict[str, set[str]], up_to: set[str], frames: dict[str, int]
) -> None:
    """Note the fine-tuning and the videos to encode; and the pre-training, of which only its factory knows if it is."""
    one, context = stages.adapted[modality], stages.context
    if not one.stored:
        todo.setdefault(f"adapt {modality}", set()).add(key_of("adapt", one.identity))
    parts_of = [(encode_parts(context, one, video), video) for video in stages.videos]
    missing = {key_of("encode", parts): video for parts, video in parts_of if not context.store.has("encode", parts)}
    if missing:
        todo.setdefault(f"encode {modality}", set()).update(missing)
    if modality == "image":
        frames.update({key: int(video.face_F.sum()) for key, video in missing.items()})
    weights = context.plan.encoders[modality].component.options.get("weights")
    if (missing or not one.stored) and isinstance(weights, str) and weights.startswith("data:"):
        todo.setdefault(f"pretrain {modality}", set()).add(weights)
        up_to.add(f"pretrain {modality}")


def _look_at_parts(stages: Stages, most: int, todo: dict[str, set[str]], up_to: set[str]) -> None:
    """Note the partition, the classifiers and their predictions: `most` of them where there are no parts yet."""
    store, name = stages.context.store, stages.split.name
    try:
        parts = range(stages.parts.k)
    except NotStored:
        todo.setdefault("partition", set()).add(name)
        for stage in ("fit", "predict"):
            todo.setdefault(stage, set()).update(f"{name} {part}" for part in range(most))
            up_to.add(stage)
        return
    for stage, parts_of in (("fit", stages.fit_parts), ("predict", stages.predict_parts)):
        missing = {key_of(stage, parts_of(part)) for part in parts if not store.has(stage, parts_of(part))}
        if missing:
            todo.setdefault(stage, set()).update(missing)


def refuse_if_too_big(found: Mapping[str, Any]) -> None:
    """UserError where the tokens to come do not fit on the disk."""
    needed, free = found["disk_needed_bytes"], found["disk_free_bytes"]
    if needed > free:
        raise UserError(
            f"This run may need {needed / 1e9:.1f} GB for tokens and {free / 1e9:.1f} GB are free below "
            f"{cache_home()}. {room(found['evictable_bytes'])}; or set HARNESS_CACHE"
        )
