"""Every hook, on one screen. Nouns are asked once, at the start; a run itself is plain calls.

A factory is any callable with keyword options; the options of a `Component` are checked against its signature.
A name may carry an argument after a colon (`timm:resnet18`): it is the factory's one positional parameter.
A factory that takes `resources` (see `harness.resources.Resources`) is handed device, store, seed, progress and data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from harness.scoring.predicted import Format
    from harness.types import Detector, Encoder, Partition, PartVote, Pipeline, Reader, Smoother, TaskSpec, Vote

hookspec = pluggy.HookspecMarker("harness")
hookimpl = pluggy.HookimplMarker("harness")


@hookspec
def provide_tasks() -> Mapping[str, TaskSpec]:
    """When tasks are listed or resolved: task literals by name."""


@hookspec
def provide_readers() -> Mapping[str, Callable[..., Reader]]:
    """When a task is read: `factory(root: Path, task: TaskSpec, partial_rows: str) -> Reader` by data-set name."""


@hookspec
def provide_detectors() -> Mapping[str, Callable[..., Detector]]:
    """When faces must be found in raw frames: `factory(weights: str | None, **options) -> Detector` by name."""


@hookspec
def provide_encoders() -> Mapping[str, Callable[..., Encoder]]:
    """When a pipeline names an encoder: `factory(**options) -> Encoder` by name."""


@hookspec
def provide_corpora() -> Mapping[str, Callable[..., Sequence[str] | None]]:
    """When a row is written: `saw(**options)` by encoder, the corpora its weights saw; None where nobody says."""


@hookspec
def provide_fusions() -> Mapping[str, Callable[..., Any]]:
    """When a classifier is built: `factory(widths, outputs, **options) -> nn.Module` (or an object with `solve`)."""


@hookspec
def provide_partitions() -> Mapping[str, Callable[..., Partition]]:
    """When training videos are divided into parts: `factory(**options) -> Partition` by name."""


@hookspec
def provide_votes() -> Mapping[str, Vote | PartVote]:
    """When the scores of K classifiers become one: votes by name."""


@hookspec
def provide_postprocessors() -> Mapping[str, Callable[..., Smoother]]:
    """When voted scores are refined along time: `factory(**options) -> Smoother` by name."""


@hookspec
def provide_pipelines() -> Mapping[str, Pipeline]:
    """When `--plugin NAME[:PIPELINE]` is resolved: whole methods by name."""


@hookspec
def provide_formats() -> Mapping[str, Format]:
    """When `harness score` reads predictions of others: formats by name (`harness.scoring.predicted`)."""


@hookspec
def add_commands(cli: click.Group) -> None:
    """When the command line starts: add commands to `harness`. Import nothing heavy at this point."""


@hookspec(firstresult=True)
def locate_dataset(name: str, demo: bool) -> Path | None:
    """When no folder is configured for data set `name`: its root, or None. `demo` asks for a made-up stand-in."""


@hookspec
def row_scored(row: Mapping[str, Any]) -> None:
    """When a row has been judged and written: loggers and trackers see it. Labels are not in it."""
