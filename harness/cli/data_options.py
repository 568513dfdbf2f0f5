"""What the commands about data share: their options, and from these to tasks and readers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from harness.errors import MissingData, SomeTasksFailed, unknown

if TYPE_CHECKING:
    from harness.audit.inventory import Source
    from harness.plugins import Plugins
    from harness.types import TaskSpec

PARTIAL_ROWS = ("any", "all", "mask")

tasks_option = click.option(
    "--task", "task_names", multiple=True, help="A task's name, or 'all' (the default); may be repeated."
)
data_option = click.option(
    "--data",
    "data_values",
    multiple=True,
    metavar="NAME=PATH|demo",
    help="Where a data set lies; 'demo': the demo world.",
)
partial_option = click.option(
    "--partial-rows", type=click.Choice(PARTIAL_ROWS), default="any", show_default=True, help="Partly invalid AU rows."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def tasks_named(plugins: Plugins, names: Sequence[str]) -> list[TaskSpec]:
    """The tasks of these names, every one for none or 'all'; UserError with near names for one that is not there."""
    known: dict[str, TaskSpec] = {name: provided.thing for name, provided in plugins.provided("tasks").items()}
    if not names or "all" in names:
        return list(known.values())
    for name in names:
        if name not in known:
            raise unknown("task", name, [*known, "all"])
    return [known[name] for name in names]


def opened(plugins: Plugins, task: TaskSpec, data_values: Sequence[str], partial_rows: str) -> Source:
    """The task's data set where `--data` and the configuration say; MissingData where it is not there."""
    from harness.audit.inventory import Source
    from harness.datasets import locate, parse_options

    readers = plugins.provided("readers")
    options = parse_options(data_values, readers)
    provided, _ = plugins.get("readers", task.reader)
    root = locate(task.reader, options, plugins.manager)
    reader, masked = (provided.thing(root.path, task, rows) for rows in (partial_rows, "mask"))
    return Source(task, root, reader, masked)


def end(missing: dict[str, MissingData], any_found: bool) -> None:
    """Raise what is to be said about tasks whose data is missing; nothing where there is none."""
    if len(missing) == 1 and not any_found:
        raise next(iter(missing.values()))
    if missing:
        lines = "\n".join(f"{name}: {error}" for name, error in missing.items())
        raise (SomeTasksFailed if any_found else MissingData)(f"Data is missing for {', '.join(missing)}.\n{lines}")
