"""Ablation: each part of a pipeline taken away or replaced by its control, one at a time, on the same recordings.

Every variant is an ordinary run, so what it shares with the full pipeline comes from the store, and the same command
goes on where a stopped one was.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.boards.compare import Judged, compare, read_judged
from harness.datasets import find
from harness.errors import unknown
from harness.plugins import Plugins
from harness.progress import Progress, silent
from harness.resolve import Plan, lookup, resolve
from harness.session import Prepared, Request, carry_out, default_profile, prepare
from harness.statistics.bootstrap import Difference
from harness.types import Pipeline

JUDGED_ON = {"official": "official", "folds": "folds-pooled"}
PLAIN_IMAGE, PLAIN_FUSION = "pixels16", "linear"  # controls, where a plugin provides them (the bundled baselines do)


@dataclass(frozen=True)
class Variant:
    """What is changed in the full pipeline, as `--set` fields, and what that means."""

    name: str
    sets: Mapping[str, Any]
    says: str = ""


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


def variants(plan: Plan, parts: int) -> list[Variant]:
    """What there is to take away from a pipeline whose training videos fell into `parts` parts.

    Each part that can go is left out, every other one replaced by its control: what does nothing, or the plainest that
    does the same. What the pipeline lacks, or no plugin provides a control for, has no variant.
    """
    return [*_of_encoders(plan), *_of_training(plan), *_of_parts(plan, parts), *_of_scores(plan.pipeline, parts)]


def _of_encoders(plan: Plan) -> list[Variant]:
    pipeline = plan.pipeline
    others = [m for m in pipeline.encoders if m != "image"]
    found = [Variant(f"no {m}", {f"encoders.{m}": None}, f"without the {m} encoder") for m in others]
    trained = pipeline.train != "none"
    if trained and pipeline.encoders["image"].name != PLAIN_IMAGE and PLAIN_IMAGE in plan.plugins.provided("encoders"):
        plain = {"encoders.image": PLAIN_IMAGE, **({"adapt.image": None} if "image" in pipeline.adapt else {})}
        found.append(Variant("no image encoder", plain, "16 x 16 grey pixels for what the image encoder gives"))
    if image_weights(plan) not in (None, "random"):
        drawn = {"encoders.image.weights": "random"}
        found.append(Variant("no pre-training", drawn, "the image encoder from random weights"))
    return found + [_as_it_came(pipeline, modality) for modality in pipeline.adapt]


def image_weights(plan: Plan) -> Any:
    """What the image encoder's option `weights` says, its default where it is not set; None without such an option."""
    image = plan.encoders["image"]
    option = inspect.signature(image.factory).parameters.get("weights")
    return None if option is None else image.component.options.get("weights", option.default)


def _as_it_came(pipeline: Pipeline, modality: str) -> Variant:
    """An encoder that is kept but not fine-tuned."""
    sets: dict[str, Any] = {f"adapt.{modality}": None}
    says = f"the {modality} encoder as it came"
    if pipeline.encoders[modality].options.get("pool") == "tokens":  # its layer would stay as drawn
        sets[f"encoders.{modality}.pool"] = "avg"
        says += ", its mean token for that of a layer that only fine-tuning trains"
    return Variant(f"{modality} not fine-tuned", sets, says)


def _of_training(plan: Plan) -> list[Variant]:
    pipeline = plan.pipeline
    found = []
    if pipeline.extra_train and pipeline.train == "task":
        found.append(Variant("no extra data", {"extra_train": None}, "trained on the task's own videos alone"))
    learnt = pipeline.train != "none" and pipeline.fusion.name not in (PLAIN_FUSION, "prior")  # step by step
    if learnt and PLAIN_FUSION in plan.plugins.provided("fusions"):
        says = "balanced logistic regression (ridge for values) on the same tokens"
        found.append(Variant("plain fusion", {"fusion": PLAIN_FUSION}, says))
    weighted = pipeline.fit.label_weights != "none" and plan.task.kind.name != "continuous"  # values never are
    if learnt and weighted:
        says = "every label weighs the same in the fusion's loss"
        found.append(Variant("no label weights in fusion", {"fit.label_weights": "none"}, says))
    if pipeline.fill_faces == "nearest":
        says = "frames without a face hold no token instead of their neighbour's"
        found.append(Variant("faceless frames hidden", {"fill_faces": "mask"}, says))
    return found


def _of_parts(plan: Plan, parts: int) -> list[Variant]:
    found = []
    if plan.pipeline.partition.name not in ("whole", "random_k"):
        found.append(Variant("whole", {"partition": "whole"}, "one classifier for all videos"))
        if parts > 1:
            drawn = {"partition": "random_k", "partition.k": parts}
            found.append(Variant("random parts", drawn, "as many parts, drawn at random"))
            own = Variant("routed", {"vote": "routed"}, "each video judged by its own part's classifier alone")
            found += [own] if "routed" in plan.plugins.provided("votes") else []
    if parts > 1 and plan.pipeline.vote == "majority":
        found.append(Variant("mean vote", {"vote": "mean"}, "the classifiers' mean score for their vote"))
    return found


def _of_scores(pipeline: Pipeline, parts: int) -> list[Variant]:
    found = []
    if pipeline.postprocess.name != "none":
        found.append(Variant("no smoothing", {"postprocess": "none"}, "scores as they are voted"))
        if pipeline.order == "vote-smooth" and parts > 1:
            says = "each classifier's scores smoothed, then voted"
            found.append(Variant("vote after smoothing", {"order": "smooth-vote"}, says))
    return found


def parts_planned(plan: Plan) -> int:
    """Into how many parts training videos are to fall, before they have: what the partition says, else two."""
    if plan.pipeline.partition.name == "whole":
        return 1
    return int(plan.pipeline.partition.options.get("k") or 2)


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
    base = plugins.pipeline(request.plugin).thing
    profiles = [request.profile] if request.profile else ["paper", *(p for p in base.profiles if ":" not in p)]
    has: dict[str, set[str]] = {}
    for task in tasks:
        plans = [resolve(plugins, task, request.plugin, profile, sets=request.sets) for profile in profiles]
        has[task] = {variant.name for plan in plans for variant in variants(plan, parts_planned(plan))}
    anywhere = set().union(*has.values())
    for name in only:
        if name not in anywhere:
            raise unknown("variant of this pipeline", name, anywhere)
    shares = {task: tuple(name for name in only if name in names) for task, names in has.items()}
    return {task: share for task, share in shares.items() if share or not only}


def planned(
    plugins: Plugins, task: str, request: Request, only: Sequence[str] = (), own: Sequence[Variant] = ()
) -> list[Variant]:
    """The variants called for, before any work: no data are read, and parts are as many as the partition says.

    UserError for a wrong name, the user's own variants' included.
    """
    found = find(lookup(plugins, "tasks", task).thing.reader, request.data)
    profile = request.profile or default_profile(plugins, request.plugin, demo=found is None or found.demo)
    plan = resolve(plugins, task, request.plugin, profile, sets=request.sets, seed=request.seed)
    todo = chosen(variants(plan, parts_planned(plan)), only, own)
    for variant in todo:
        resolve(plugins, task, request.plugin, profile, sets=with_sets(request.sets, variant), seed=request.seed)
    return todo


def with_sets(own: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """A variant's fields after the user's, of which those go that it replaces: the same ones and all below them.

    >>> with_sets({"fusion": "transformer_4x", "fusion.width": 64, "fit.lr": 1e-3}, Variant("", {"fusion": "linear"}))
    {'fit.lr': 0.001, 'fusion': 'linear'}
    """
    kept = {at: v for at, v in own.items() if not any(f"{at}.".startswith(f"{field}.") for field in variant.sets)}
    return {**kept, **variant.sets}


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
    split = JUDGED_ON[request.splits]
    planned(plugins, task, request, only, own)
    base = prepare(plugins, task, request, progress, report)
    carry_out(base, plugins)
    full = read_judged(base.folder.path, split)
    todo = chosen(variants(base.context.plan, parts_of(base)), only, own)
    rows = []
    for number, variant in enumerate(todo, start=1):
        report(f"{task}: {variant.name} ({number} of {len(todo)})")
        changed = dataclasses.replace(request, sets=with_sets(request.sets, variant), keep_models="none")
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
