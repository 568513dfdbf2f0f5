"""`harness data audit`: what may be wrong with a data set, before anything is trained on it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.data_options import data_option, end, opened, partial_option, tasks_named, tasks_option
from harness.errors import MissingData

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = 1
PRINTED = 10  # pairs of videos on a terminal
FARTHEST = 6


@click.command()
@tasks_option
@data_option
@partial_option
@click.option(
    "--distance",
    type=click.IntRange(0, FARTHEST),
    default=4,
    show_default=True,
    help="Bits of 64 that hashes of near duplicates may differ in; 0: equal hashes.",
)
@click.option("--threads", type=click.IntRange(min=1), help="That decode images.  [default: every core]")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write all of it as JSON.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write a page (HTML) to read it on.")
def audit(
    task_names: Sequence[str],
    data_values: Sequence[str],
    partial_rows: str,
    distance: int,
    threads: int | None,
    json_file: Path | None,
    out: Path | None,
) -> None:
    """Look for what spoils results: leaks, near-duplicate frames, rare labels, rows and images that do not match.

    Counts what `harness data check` counts, then hashes every face image (a perceptual hash, kept in the cache, so that
    a stopped audit goes on where it was) and names the pairs of videos that share pictures though they are on different
    sides, or of different recordings in different folds. Folders are only read. Neither the page nor the JSON holds a
    frame or the label of one.

    \b
    harness data audit --data aff-wild2=/data/AffWild2 --task expr --out audit.html
    harness data audit --task all --distance 2 --json audit.json
    """
    from harness.audit.findings import audit as audited
    from harness.datasets import cache_home
    from harness.plugins import load
    from harness.progress import shown
    from harness.store import Store

    plugins = load()
    store = Store(cache_home() / "store", lambda line: click.echo(line, err=True))
    found: list[dict[str, Any]] = []
    missing: dict[str, MissingData] = {}
    for task in tasks_named(plugins, task_names):
        try:
            source = opened(plugins, task, data_values, partial_rows)
            found.append(audited(source, store, shown, distance=distance, threads=threads or os.cpu_count() or 1))
        except MissingData as error:
            missing[task.name] = error
            continue
        _print(found[-1])
    if found:
        _write(found, {name: str(error) for name, error in missing.items()}, json_file, out)
    end(missing, bool(found))


def _write(found: list[dict[str, Any]], missing: dict[str, str], json_file: Path | None, out: Path | None) -> None:
    from harness.pages.audit import page
    from harness.store import write_whole

    if json_file is not None:
        told = {"schema": SCHEMA, "tasks": found, "missing": missing}
        write_whole(json_file, json.dumps(told, indent=1, allow_nan=False).encode())
        click.echo(f"JSON: {json_file}", err=True)
    if out is not None:
        write_whole(out, page(found, missing))
        click.echo(f"page: {out}", err=True)


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    alike = found["duplicates"]
    console.print(f"\n[bold]{found['task']}[/bold] on {found['data']} ({found['root']})", soft_wrap=True)
    for line in found["findings"] or ["nothing found"]:
        console.print(f"- {line}", markup=False, soft_wrap=True)
    pairs = f"{alike['video_pairs']:,} pair{'s' * (alike['video_pairs'] != 1)} of videos"
    apart = f"hashes at most {alike['distance']} of 64 bits apart"
    console.print(f"near duplicates ({apart}): {pairs}, of {alike['frames']:,} face images", soft_wrap=True)
    if alike["pairs"]:
        console.print(_pairs_table(alike["pairs"][:PRINTED]))


def _pairs_table(pairs: Sequence[dict[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for title in ("videos", "frames alike", "across", "bits", "likeness"):
        table.add_column(title, justify="right" if title in ("bits", "likeness") else "left", overflow="fold")
    for one in pairs:
        names = "\n".join(one["videos"]) + ("\n(one recording)" if one["same_recording"] else "")
        frames = "\n".join(f"{count:,} of {of:,}" for count, of in zip(one["frames"], one["of"], strict=True))
        across = "\n".join(one["across"])
        table.add_row(*map(Text, (names, frames, across, str(one["bits"]), f"{one['likeness']:.3f}")))
    return table
