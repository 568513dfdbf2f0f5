"""Names to a Plan: every name error happens here, before any work."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import MissingData, UserError, unknown
from harness.fields import changed, suited
from harness.plugins import Plugins, Provided, check_options, option_types, source_hash, takes
from harness.resources import Resources
from harness.types import Component, Extra, Pipeline, Recipe, TaskSpec
from harness.weights import is_remote, local_file

GIVEN = {"encoders": (), "fusions": ("widths", "outputs"), "partitions": (), "postprocessors": (), "detectors": ()}


@dataclass(frozen=True)
class Part:
    """A component of a plan, resolved: what makes it, with which options, and whose it is."""

    component: Component
    factory: Callable[..., Any]
    plugin: str
    version: str
    argument: str | None = None

    def make(self, *given: Any, resources: Resources | None = None) -> Any:
        """Call the factory with what the core gives, the argument after the colon, and the options."""
        options: dict[str, Any] = dict(self.component.options)
        if resources is not None and takes(self.factory, "resources"):
            options["resources"] = resources
        arguments = (*given, self.argument) if self.argument is not None else given
        return self.factory(*arguments, **options)

    def identity(self) -> dict[str, Any]:
        """What a stored result made by this part depends on: name, options, weights' hash, provider and its source."""
        options = {k: _file_hash(v) for k, v in sorted(self.component.options.items())}
        return {
            "name": self.component.name,
            "argument": _file_hash(self.argument),  # `hf:FOLDER`
            "options": options,
            "plugin": self.plugin,
            "version": self.version,
            "source": source_hash(self.factory),
        }


@dataclass(frozen=True)
class Plan:
    """A run as resolved: what `plan.json` tells, with the objects behind the names."""

    task: TaskSpec
    pipeline: Pipeline
    system: str
    plugin: str
    profile: str
    seed: int
    encoders: Mapping[str, Part]
    fusion: Part
    partition: Part
    vote: Provided
    smoother: Part
    plugins: Plugins = field(compare=False, repr=False)

    def describe(self) -> dict[str, Any]:
        """Every number of the run as JSON: what its id is the hash of, together with the data."""
        pipeline = dataclasses.asdict(dataclasses.replace(self.pipeline, tasks={}, profiles={}))
        del pipeline["tasks"], pipeline["profiles"]
        parts = {f"encoders.{m}": p for m, p in self.encoders.items()}
        parts |= {"fusion": self.fusion, "partition": self.partition, "postprocess": self.smoother}
        return {
            "task": self.task.name,
            "task_version": self.task.version,
            "system": self.system,
            "plugin": self.plugin,
            "profile": self.profile,
            "seed": self.seed,
            "pipeline": pipeline,
            "components": {name: part.identity() for name, part in parts.items()},
            "vote": {
                "name": self.vote.name,
                "plugin": self.vote.plugin,
                "version": self.plugins.versions.get(self.vote.plugin, "0"),
                "source": source_hash(self.vote.thing),
            },
        }


def resolve(
    plugins: Plugins, task: str, plugin: str, profile: str, *, sets: Mapping[str, Any] | None = None, seed: int = 0
) -> Plan:
    """The plan of one task: its pipeline with the profile's, the task's and the user's changes, every name looked up.

    `profile` "paper" is the literal itself where the pipeline has no row of that name; other names must exist.
    Raises UserError for any name, field or option that does not exist, and for a value of another type.
    """
    spec: TaskSpec = lookup(plugins, "tasks", task).thing
    provided = plugins.pipeline(plugin)
    base: Pipeline = provided.thing
    profiles = {"paper", *(name for name in base.profiles if ":" not in name)}  # `demo:va` is what va adds to `demo`
    if profile not in profiles:
        raise unknown(f"profile of {base.name}", profile, profiles)
    # the task's row first, then the profile's: a profile sets sizes, a task sets what is there at all
    pipeline = changed(base, base.tasks.get(task, {}))
    rows = {k: v for k, v in base.profiles.get(profile, {}).items() if _applies(pipeline, k)}
    pipeline = changed(pipeline, rows)
    own_row = {k: v for k, v in base.profiles.get(f"{profile}:{task}", {}).items() if _applies(pipeline, k)}
    pipeline = changed(pipeline, own_row)
    pipeline = changed(pipeline, sets or {})
    for extra in pipeline.extra_train.values():
        lookup(plugins, "readers", extra.data)
    pipeline = _usable(_typed(plugins, pipeline), spec)
    return plan_of(plugins, spec, pipeline, system_name(base.name, sets or {}), provided.plugin, profile, seed)


def plan_of(
    plugins: Plugins, task: TaskSpec, pipeline: Pipeline, system: str, plugin: str, profile: str, seed: int
) -> Plan:
    """The plan of a pipeline whose changes have all been made: names to factories, options checked."""
    return Plan(
        task=task,
        pipeline=pipeline,
        system=system,
        plugin=plugin,
        profile=profile,
        seed=seed,
        encoders={m: _part(plugins, "encoders", c) for m, c in pipeline.encoders.items()},
        fusion=_part(plugins, "fusions", pipeline.fusion),
        partition=_part(plugins, "partitions", pipeline.partition),
        vote=lookup(plugins, "votes", pipeline.vote),
        smoother=_part(plugins, "postprocessors", pipeline.postprocess),
        plugins=plugins,
    )


def replan(plugins: Plugins, described: Mapping[str, Any]) -> Plan:
    """The plan that `Plan.describe` told of."""
    fields = dict(described["pipeline"])
    for name in ("fusion", "partition", "postprocess"):
        fields[name] = Component(**fields[name])
    fields["encoders"] = {m: Component(**c) for m, c in fields["encoders"].items()}
    fields["adapt"] = {m: Recipe(**r) for m, r in fields["adapt"].items()}
    fields["fit"] = Recipe(**fields["fit"])
    fields["extra_train"] = {name: Extra(**extra) for name, extra in fields["extra_train"].items()}
    task: TaskSpec = lookup(plugins, "tasks", described["task"]).thing
    names = (described[name] for name in ("system", "plugin", "profile", "seed"))
    return plan_of(plugins, task, Pipeline(**fields), *names)


def lookup(plugins: Plugins, noun: str, name: str) -> Provided:
    """The provided thing of exactly this name."""
    found, argument = plugins.get(noun, name)
    if argument is not None:
        raise unknown(noun[:-1], name, plugins.provided(noun))
    return found


def system_name(pipeline: str, sets: Mapping[str, Any]) -> str:
    """How a row names the system: the pipeline, and what the user changed of it.

    >>> system_name("netease_abaw6", {"vote": "mean", "fit.lr": 0.001})
    'netease_abaw6[vote=mean,fit.lr=0.001]'
    """
    return pipeline + (f"[{','.join(f'{k}={v}' for k, v in sets.items())}]" if sets else "")


def _applies(pipeline: Pipeline, path: str) -> bool:
    """A profile's row speaks of every modality; a task that lacks one skips its lines."""
    head, _, rest = path.partition(".")
    modality = rest.partition(".")[0]
    return head not in ("encoders", "adapt") or modality in pipeline.encoders


def _typed(plugins: Plugins, pipeline: Pipeline) -> Pipeline:
    """The pipeline with the options of every component as the types of its factory want them."""

    def typed(place: str, noun: str, component: Component) -> Component:
        types = option_types(plugins.get(noun, component.name)[0].thing)
        options = {k: suited(types.get(k, Any), v, f"{place}.{k}") for k, v in component.options.items()}
        return dataclasses.replace(component, options=options)

    return dataclasses.replace(
        pipeline,
        encoders={m: typed(f"encoders.{m}", "encoders", one) for m, one in pipeline.encoders.items()},
        fusion=typed("fusion", "fusions", pipeline.fusion),
        partition=typed("partition", "partitions", pipeline.partition),
        postprocess=typed("postprocess", "postprocessors", pipeline.postprocess),
    )


def _usable(pipeline: Pipeline, task: TaskSpec) -> Pipeline:
    for modality in pipeline.encoders:
        if modality not in task.modalities:
            raise UserError(
                f"Task {task.name!r} has no {modality}; it has {', '.join(task.modalities)}. "
                f"Say --set encoders.{modality}=none"
            )
    if "image" not in pipeline.encoders:
        raise UserError(f"{pipeline.name} has no image encoder; clips are laid out along its frames")
    if not 0 <= pipeline.overlap < task.clip_frames:
        raise UserError(f"overlap: expected 0 to {task.clip_frames - 1} frames, came {pipeline.overlap}")
    if pipeline.fit.sampling != "uniform":
        raise UserError(
            f"fit.sampling: expected uniform (clips hold many labels at once), came {pipeline.fit.sampling}"
        )
    adapt = {m: recipe for m, recipe in pipeline.adapt.items() if m in pipeline.encoders}
    for modality, recipe in adapt.items():
        if recipe.sampling == "balanced" and task.kind.name == "continuous":
            raise UserError(
                f"adapt.{modality}.sampling: expected uniform in task {task.name!r}, whose labels are values"
            )
    return dataclasses.replace(pipeline, adapt=adapt, extra_train=_used(pipeline, adapt, task))


def _used(pipeline: Pipeline, adapt: Mapping[str, Recipe], task: TaskSpec) -> dict[str, Extra]:
    """Extra training data that some stage of this pipeline takes."""
    for name, extra in pipeline.extra_train.items():
        for label in filter(None, extra.labels.split(",")):
            if label not in task.labels:
                raise unknown(f"label of task {task.name!r} (extra_train.{name}.labels)", label, task.labels)
    if pipeline.train == "none" and (adapt or pipeline.postprocess.name != "none"):
        at = f"adapt.{next(iter(adapt))}" if adapt else "postprocess"
        raise UserError(f"train=none: nothing is trained, nor chosen on an inner part; say --set {at}=none first")
    if pipeline.train == "extra":
        if not pipeline.extra_train:
            raise UserError("train=extra: there is no extra_train to train on; say --set extra_train.NAME=DATA")
        return dict(pipeline.extra_train)
    stages = (["adapt"] if adapt else []) + ["fit"]
    used = [] if pipeline.train == "none" else stages
    return {n: extra for n, extra in pipeline.extra_train.items() if any(extra.joins(stage) for stage in used)}


def _part(plugins: Plugins, noun: str, component: Component) -> Part:
    provided, argument = plugins.get(noun, component.name)
    given = GIVEN[noun] + (_first_positional(provided.thing),) if argument is not None else GIVEN[noun]
    check_options(f"{noun[:-1]} {component.name!r}", provided.thing, component.options, given)
    return Part(component, provided.thing, provided.plugin, plugins.versions.get(provided.plugin, "0"), argument)


def _first_positional(factory: Callable[..., Any]) -> str:
    import inspect

    return next(iter(inspect.signature(factory).parameters))


def _file_hash(value: Any) -> Any:
    """A file or folder given as an option counts by its bytes, not by its path; weights elsewhere are fetched first."""
    if not isinstance(value, str) or ("/" not in value and "." not in value):
        return value
    path = local_file(value) if is_remote(value) else Path(value).expanduser()
    if not path.exists():
        if value.startswith(("/", "./", "../", "~")):
            raise MissingData(f"No file {value}")
        return value
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(file.name.encode())
            with file.open("rb") as stream:
                while chunk := stream.read(1 << 22):
                    digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"
