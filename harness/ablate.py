"""Ablation: each part of a pipeline taken away or replaced by its control, one at a time, on the same recordings.

Every variant is an ordinary run, so what it shares with the full pipeline comes from the store, and the same command
goes on where a stopped one was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.boards.compare import Judged, compare, read_judged
from harness.errors import unknown
from harness.plugins import Plugins
from harness.progress import Progress, silent
from harness.resolve import resolve
from harness.session import Prepared, Request, carry_out, prepare
from harness.statistics.bootstrap import Difference
from harness.types import Pipeline

JUDGED_ON = {"official": "official", "folds": "folds-pooled"}


@dataclass(frozen=True)
class Variant:
    """What is changed in the full pipeline, as `--set` fields."""

    name: str
    sets: Mapping[str, Any]


@dataclass(frozen=True)
class Ablated:
    """A variant's run and how much it scores above the full pipeline."""

    variant: Variant
    judged: Judged
    difference: Difference


@dataclass(frozen=True)
class Ablation:
    """One task's table: the full pipeline, and what each part is worth."""

    full: Judged
    rows: tuple[Ablated, ...]


def variants(pipeline: Pipeline, parts: int, votes: Collection[str] = ()) -> list[Variant]:
    """What there is to take away from a pipeline whose training videos fell into `parts` parts.

    An encoder beside the image's is left out, or kept but not fine-tuned; extra data stay away; scenes become one
    classifier, random parts of the same number, or (where the vote `routed` is provided) a judge of their own scene
    alone; voting, smoothing, filling of faceless frames and label weights are replaced by what does nothing.
    """
    found = [Variant(f"no {m}", {f"encoders.{m}": None}) for m in pipeline.encoders if m != "image"]
    found += [Variant(f"{m} not fine-tuned", {f"adapt.{m}": None}) for m in pipeline.adapt]
    if pipeline.extra_train:
        found.append(Variant("no extra data", {"extra_train": None}))
    if pipeline.partition.name not in ("whole", "random_k"):
        found.append(Variant("whole", {"partition": "whole"}))
        if parts > 1:
            found.append(Variant("random parts", {"partition": "random_k", "partition.k": parts}))
            found += [Variant("routed", {"vote": "routed"})] if "routed" in votes else []
    if parts > 1 and pipeline.vote == "majority":
        found.append(Variant("mean vote", {"vote": "mean"}))
    if pipeline.postprocess.name != "none":
        found.append(Variant("no smoothing", {"postprocess": "none"}))
        if pipeline.order == "vote-smooth" and parts > 1:
            found.append(Variant("vote after smoothing", {"order": "smooth-vote"}))
    if pipeline.fill_faces == "nearest":
        found.append(Variant("faceless frames hidden", {"fill_faces": "mask"}))
    if pipeline.fit.label_weights != "none":
        found.append(Variant("no label weights in fusion", {"fit.label_weights": "none"}))
    return found


def chosen(found: Sequence[Variant], only: Sequence[str], own: Sequence[Variant]) -> list[Variant]:
    """The variants called for by name (all of them where none is), then the user's own."""
    by_name = {variant.name: variant for variant in found}
    for name in only:
        if name not in by_name:
            raise unknown("variant of this pipeline", name, by_name)
    return [variant for variant in found if not only or variant.name in only] + list(own)


def shared_out(
    plugins: Plugins, tasks: Sequence[str], request: Request, only: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Of the variants called for, those that each task has: a text encoder, say, is not everywhere to be left out.

    Tasks that have none of them are not in it. UserError for a variant that no task has, before any work.
    """
    base, votes = plugins.pipeline(request.plugin).thing, plugins.provided("votes")
    profiles = [request.profile] if request.profile else ["paper", *(p for p in base.profiles if ":" not in p)]
    has: dict[str, set[str]] = {}
    for task in tasks:
        plans = [resolve(plugins, task, request.plugin, profile, sets=request.sets) for profile in profiles]
        has[task] = {variant.name for plan in plans for variant in variants(plan.pipeline, 2, votes)}
    anywhere = set().union(*has.values())
    for name in only:
        if name not in anywhere:
            raise unknown("variant of this pipeline", name, anywhere)
    shares = {task: tuple(name for name in only if name in names) for task, names in has.items()}
    return {task: share for task, share in shares.items() if share or not only}


def ablate(
    plugins: Plugins,
    task: str,
    request: Request,
    *,
    only: Sequence[str] = (),
    own: Sequence[Variant] = (),
    progress: Progress = silent,
    report: Callable[[str], None] = print,
) -> Ablation:
    """Run the full pipeline and every variant that is not finished yet; compare each with the full one.

    Differences are paired over recordings: on the official split, or over the five folds pooled. UserError for a
    variant that does not exist.
    """
    votes, split = plugins.provided("votes"), JUDGED_ON[request.splits]
    base = prepare(plugins, task, request, progress, report)
    plan = base.context.plan
    for variant in chosen(variants(plan.pipeline, 2, votes), only, own):  # a wrong name is told before any work
        resolve(plugins, task, request.plugin, plan.profile, sets={**request.sets, **variant.sets}, seed=plan.seed)
    carry_out(base, plugins)
    full = read_judged(base.folder.path, split)
    todo = chosen(variants(plan.pipeline, parts_of(base), votes), only, own)
    rows = []
    for number, variant in enumerate(todo, start=1):
        report(f"{task}: {variant.name} ({number} of {len(todo)})")
        changed = dataclasses.replace(request, sets={**request.sets, **variant.sets}, keep_models="none")
        prepared = prepare(plugins, task, changed, progress, report)
        carry_out(prepared, plugins)
        judged = read_judged(prepared.folder.path, split)
        rows.append(Ablated(variant, judged, compare(full, judged)))
    return Ablation(full, tuple(rows))


def parts_of(prepared: Prepared) -> int:
    """Into how many parts the training videos of the first split fell."""
    row = prepared.folder.finished(prepared.splits[0].name)
    assert row is not None
    return int(row["parts"]["k"])
