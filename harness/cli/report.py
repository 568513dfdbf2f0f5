"""`harness report`: one page on one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.data_options import data_option

if TYPE_CHECKING:
    from harness.pages.evidence import Evidence


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--split",
    default="official",
    show_default=True,
    metavar="SPLIT",
    help="official, test, fold-1 .. fold-5, folds-mean, folds-pooled.",
)
@click.option("--share", is_flag=True, help="Leave out what shows single labels and frames.")
@data_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the page goes.  [default: in RUN, report.html; report.SPLIT.html; report.share.html]",
)
@click.option("-q", "quiet", is_flag=True, help="Print the page's path alone.")
def report(run: Path, split: str, share: bool, data_values: Sequence[str], out: Path | None, quiet: bool) -> None:
    """Write a page about a finished RUN: score, labels, confusion or scatter, videos, scenes, choices, cost.

    One HTML file that needs nothing else and opens from disk. Truth is read from the data the run was judged on, and
    such a page says that it must not be shared; where that data is not here, the page is made without and says so.
    --share keeps the score, its labels and their confusion, and leaves out timelines, scatter, frames and single clips.

    \b
    harness report runs/expr/netease_abaw6@demo/0123456789ab
    harness report runs/expr/netease_abaw6@demo/0123456789ab --share --out expr.html
    harness report RUN --split folds-pooled --data aff-wild2=/data/Aff-Wild2
    """
    from harness.datasets import parse_options
    from harness.pages.evidence import read_evidence
    from harness.pages.report import file_of
    from harness.pages.report import report as page_of
    from harness.plugins import load
    from harness.progress import shown, silent
    from harness.store import write_whole

    options = parse_options(data_values)
    progress = silent if quiet else shown
    evidence = read_evidence(run, split, plugins=load(), data=options, progress=progress)
    target = out or evidence.folder / file_of(split, share=share)
    write_whole(target, page_of(evidence, share=share))
    if not quiet:
        _remarks(evidence, share)
    click.echo(target)


def _remarks(evidence: Evidence, share: bool) -> None:
    from harness.boards.records import local_paths

    if evidence.missing:
        click.echo(f"without truth: {evidence.missing}", err=True)
    elif not share:
        click.echo(f"this page shows labels and frames of {evidence.data}: do not share it (--share leaves them out)",
                   err=True)  # fmt: skip
    for where, text in local_paths(evidence.row) if share else []:
        click.echo(f"look before you share: {where} names a folder of this machine: {text}", err=True)
