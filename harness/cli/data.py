"""`harness data`: what the configured data sets hold, and the folds. Plugins add to it (`harness data demo`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import MissingData, SomeTasksFailed, unknown

if TYPE_CHECKING:
    from rich.table import Table

    from harness.datasets import Root
    from harness.plugins import Plugins
    from harness.types import Reader, TaskSpec

PARTIAL_ROWS = ("any", "all", "mask")


class _Extended(click.Group):
    """A group that asks plugins for their commands before it lists them or misses one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        _ask_plugins()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = super().get_command(ctx, cmd_name)
        if found is None:
            _ask_plugins()
            found = super().get_command(ctx, cmd_name)
        return found


def _ask_plugins() -> None:
    from harness.plugins import load

    load().hook.add_commands(cli=click.Group("harness"))


@click.group(cls=_Extended)
def data() -> None:
    """Look at data sets, list folds, write the demo world."""


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


@data.command()
@click.option("--task", "task_names", multiple=True, help="A task's name, or 'all' (the default); may be repeated.")
@data_option
@partial_option
@json_option
def check(task_names: Sequence[str], data_values: Sequence[str], partial_rows: str, as_json: bool) -> None:
    """Count videos, rows, valid rows and images per task and side; name leaks and what does not match.

    A malformed label line ends it with the file and the line. Tasks whose data is missing are named; exit code 4 if
    others were there.
    """
    from harness.inventory import inventory
    from harness.plugins import load
    from harness.progress import shown, silent

    plugins = load()
    tasks = _tasks(plugins, task_names)
    found: list[dict[str, Any]] = []
    missing: dict[str, MissingData] = {}
    for task in tasks:
        try:
            root, reader = _open(plugins, task, data_values, partial_rows)
            found.append(inventory(task, root, reader, silent if as_json else shown))
        except MissingData as error:
            missing[task.name] = error
            continue
        if not as_json:
            _print_inventory(task, found[-1])
    if as_json:
        texts = {name: str(error) for name, error in missing.items()}
        click.echo(json.dumps({"tasks": found, "missing": texts}, indent=1))
    _end(missing, bool(found))


def _end(missing: dict[str, MissingData], any_found: bool) -> None:
    if len(missing) == 1 and not any_found:
        raise next(iter(missing.values()))
    if missing:
        lines = "\n".join(f"{name}: {error}" for name, error in missing.items())
        raise (SomeTasksFailed if any_found else MissingData)(f"Data is missing for {', '.join(missing)}.\n{lines}")


@data.command()
@click.option("--task", "task_name", required=True, help="Whose labels the folds are balanced by.")
@data_option
@partial_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write `video<TAB>fold` lines here.")
@json_option
def folds(task_name: str, data_values: Sequence[str], partial_rows: str, out: Path | None, as_json: bool) -> None:
    """List the five folds of a task: whole recordings of the train and valid sides, labels balanced, no randomness."""
    from harness import splits
    from harness.plugins import load

    plugins = load()
    (task,) = _tasks(plugins, [task_name])
    root, reader = _open(plugins, task, data_values, partial_rows)
    videos = [video for video in reader.videos() if video.side != "test"]
    histograms = {video.key: splits.histogram(reader.targets(video), task.kind) for video in videos}
    fold_of = {key: fold + 1 for key, fold in splits.folds(videos, histograms).items()}
    digest = splits.folds_hash({key: fold - 1 for key, fold in fold_of.items()})
    lines = "".join(f"{key}\t{fold}\n" for key, fold in fold_of.items())
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(lines, encoding="utf-8")
    if as_json:
        click.echo(json.dumps({"task": task.name, "data": root.name, "sha256": digest, "folds": fold_of}, indent=1))
    elif out is None:
        click.echo(lines, nl=False)
    if not as_json:
        sizes = [sum(fold == k for fold in fold_of.values()) for k in range(1, splits.FOLDS + 1)]
        place = f", written to {out}" if out else ""
        click.echo(f"{task.name} on {root.name}: {sizes} videos per fold, sha256 {digest}{place}", err=True)


def _tasks(plugins: Plugins, names: Sequence[str]) -> list[TaskSpec]:
    known: dict[str, TaskSpec] = {name: provided.thing for name, provided in plugins.provided("tasks").items()}
    if not names or "all" in names:
        return list(known.values())
    for name in names:
        if name not in known:
            raise unknown("task", name, [*known, "all"])
    return [known[name] for name in names]


def _open(plugins: Plugins, task: TaskSpec, data_values: Sequence[str], partial_rows: str) -> tuple[Root, Reader]:
    from harness.datasets import locate, parse_options

    readers = plugins.provided("readers")
    options = parse_options(data_values, readers)
    provided, _ = plugins.get("readers", task.reader)
    root = locate(task.reader, options, plugins.manager)
    reader: Reader = provided.thing(root.path, task, partial_rows)
    return root, reader


def _print_inventory(task: TaskSpec, found: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"\n[bold]{task.name}[/bold] on {found['data']} ({found['root']})", soft_wrap=True)
    console.print(_sides_table(found["sides"]))
    console.print(_labels_table(task, found["sides"]))
    for title, lines in (
        ("leak", found["leaks"]),
        ("note", found["notes"]),
        ("images beyond the last row", [f"{one['video']} ({one['beyond']})" for one in found["images_beyond_rows"]]),
    ):
        for line in lines:
            console.print(f"{title}: {line}", markup=False, soft_wrap=True)


def _sides_table(sides: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table("", *sides)
    for column in table.columns[1:]:
        column.justify = "right"
    for name in next(iter(sides.values()), {}):
        if name != "labels":
            values = [counts[name] for counts in sides.values()]
            table.add_row(name.replace("_", " "), *("-" if value is None else f"{value:,}" for value in values))
    return table


def _labels_table(task: TaskSpec, sides: dict[str, Any]) -> Table:
    from rich.table import Table

    labelled = {side: counts["labels"] for side, counts in sides.items() if counts["labels"]}
    table = Table()
    table.add_column("label", no_wrap=True)
    for side, labels in labelled.items():
        for name in next(iter(labels.values())):
            table.add_column(f"{side} {name}", justify="right")
    for label in task.labels:
        cells = [value for labels in labelled.values() for value in labels[label].values()]
        table.add_row(label, *(f"{value:,}" if isinstance(value, int) else f"{value:.3f}" for value in cells))
    return table
