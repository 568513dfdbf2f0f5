"""`harness data`: what the configured data sets hold, and the folds. Plugins add to it (`harness data demo`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.audit import audit
from harness.cli.data_options import (
    data_option,
    end,
    json_option,
    opened,
    partial_option,
    tasks_named,
    tasks_option,
)
from harness.errors import MissingData, UserError

if TYPE_CHECKING:
    from rich.table import Table

    from harness.types import TaskSpec

WORST = 10  # videos named on a terminal


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
    """Look at data sets, audit them, list folds, write the demo world."""


data.add_command(audit)


@data.command()
@tasks_option
@data_option
@partial_option
@json_option
def check(task_names: Sequence[str], data_values: Sequence[str], partial_rows: str, as_json: bool) -> None:
    """Count videos, rows, labels and images per task, side and fold; name leaks and what does not match.

    A malformed label line ends it with the file and the line. Tasks whose data is missing are named; exit code 4 if
    others were there. No image is opened: `harness data audit` does that.

    \b
    harness data check --data aff-wild2=/data/AffWild2 --task au
    harness data check --data demo --json
    """
    from harness.audit.inventory import count_labels, inventory
    from harness.plugins import load
    from harness.progress import shown, silent

    plugins = load()
    found: list[dict[str, Any]] = []
    missing: dict[str, MissingData] = {}
    for task in tasks_named(plugins, task_names):
        try:
            source = opened(plugins, task, data_values, partial_rows)
            found.append(inventory(source, count_labels(source, silent if as_json else shown)))
        except MissingData as error:
            missing[task.name] = error
            continue
        if not as_json:
            _print_inventory(task, found[-1])
    if as_json:
        texts = {name: str(error) for name, error in missing.items()}
        click.echo(json.dumps({"tasks": found, "missing": texts}, indent=1))
    end(missing, bool(found))


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
    if task_name == "all":
        raise UserError(f"--task: expected one of {', '.join(sorted(plugins.provided('tasks')))}, came 'all'")
    (task,) = tasks_named(plugins, [task_name])
    source = opened(plugins, task, data_values, partial_rows)
    reader, root = source.reader, source.root
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


def _print_inventory(task: TaskSpec, found: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"\n[bold]{task.name}[/bold] on {found['data']} ({found['root']})", soft_wrap=True)
    console.print(_parts_table(found["sides"] | found["folds"]))
    for parts in filter(None, (found["sides"], found["folds"])):
        console.print(_labels_table(task, parts))
    for title, lines in (("leak", found["leaks"]), ("note", found["notes"]), *_images(found["images_against_rows"])):
        for line in lines:
            console.print(f"{title}: {line}", markup=False, soft_wrap=True)


def _images(videos: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """The videos whose images and label rows differ most, either way."""
    for name, title in (
        ("beyond_the_last_row", "images beyond the last row"),
        ("without_image", "frames without an image"),
    ):
        worst = sorted((one for one in videos if one[name]), key=lambda one: -one[name])
        if worst:
            named = ", ".join(f"{one['video']} ({one[name]:,} of {one['frames']:,})" for one in worst[:WORST])
            more = f" and {len(worst) - WORST:,} more videos" if len(worst) > WORST else ""
            yield title, [named + more]


def _parts_table(parts: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table("", *parts)
    for column in table.columns[1:]:
        column.justify = "right"
    for name in next(iter(parts.values()), {}):
        if name != "labels":
            values = [counts[name] for counts in parts.values()]
            table.add_row(name.replace("_", " "), *("-" if value is None else f"{value:,}" for value in values))
    return table


def _labels_table(task: TaskSpec, parts: dict[str, Any]) -> Table:
    from rich.table import Table

    labelled = {part: counts["labels"] for part, counts in parts.items() if counts["labels"]}
    table = Table()
    table.add_column("label", no_wrap=True)
    for part, labels in labelled.items():
        for name in next(iter(labels.values())):
            table.add_column(f"{part} {name}", justify="right")
    for label in task.labels:
        cells = [value for labels in labelled.values() for value in labels[label].values()]
        table.add_row(label, *(f"{value:,}" if isinstance(value, int) else f"{value:.3f}" for value in cells))
    return table
