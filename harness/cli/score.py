"""`harness score`: predictions of others, from their files, judged like a run."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.scoring.score import Request, Scored

MOST = 5  # how many videos, columns and differences are named


@click.command()
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option("--task", required=True, metavar="TASK", help="va, expr, au, ce or emi.")
@click.option("--data", multiple=True, metavar="NAME=PATH|demo", help="Where the data set with the labels lies.")
@click.option(
    "--split", "splits", default="official", show_default=True, metavar="SPLIT",
    help="official, fold-1 .. fold-5, folds, all.",
)  # fmt: skip
@click.option(
    "--format", "form", default="auto", show_default=True, metavar="FORMAT",
    help="abaw, csv, parquet, openface, py-feat, libreface, emotiefflib, or a plugin's.",
)  # fmt: skip
@click.option(
    "--policy", default="official", show_default=True, metavar="POLICY",
    help="official: every labelled row must be predicted; strict: what is missing is wrong; intersection: what is "
    "missing is not judged.",
)  # fmt: skip
@click.option("--system", default="", metavar="NAME", help="How tables name it.  [default: the file's name]")
@click.option("--map", "pairs", multiple=True, metavar="THEIR=OURS", help="A column of theirs is this label of ours.")
@click.option(
    "--first-frame", type=int, metavar="N", help="The number of a video's first frame.  [default: as the format counts]"
)
@click.option(
    "--partial-rows", type=click.Choice(["any", "all", "mask"]), default="any", show_default=True,
    help="Label rows that are partly invalid: dropped, dropped if wholly so, or masked.",
)  # fmt: skip
@click.option(
    "--runs", default="runs", show_default=True, type=click.Path(path_type=Path, file_okay=False),
    help="Where rows are kept.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print rows as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
def score(predictions: Path, as_json: bool, quiet: bool, **words: Any) -> None:
    """Score PREDICTIONS, a file or a folder of files, on the held-out videos of a task.

    Columns are matched by the name of the label. A table has the columns video, frame (from 1) and one per label (or
    'decision'); without a column video, each file is the video it is named after. Frame sets are compared first:
    what differs is explained, and the policy says what becomes of it. The row is one like any other: it can be
    compared and put on a board.

    \b
    harness score predictions.csv --task expr
    harness score openface_csvs/ --task au --policy strict --system OpenFace
    harness score CVPR_6th_ABAW_VA_valid.txt --task va --format abaw
    harness score scores.parquet --task expr --map happy=Happiness --first-frame 0
    """
    from rich.console import Console

    from harness.plugins import load
    from harness.progress import shown, silent
    from harness.scoring.score import score as scored

    console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
    done = scored(load(), request_of(predictions, words), silent if quiet else shown)
    for row in done.rows:
        _print_row(row, console)
    _print_reading(done, console)
    if as_json:
        click.echo(json.dumps(done.rows, indent=1))


def request_of(source: Path, words: Mapping[str, Any]) -> Request:
    """The request a command line means."""
    from harness.datasets import parse_options
    from harness.scoring.predicted import Reading
    from harness.scoring.score import Request

    renamed = {}
    for pair in words["pairs"]:
        theirs, equals, ours = pair.rpartition("=")
        if not equals or not theirs or not ours:
            raise UserError(f"--map: expected THEIR=OURS, say happy=Happiness, came {pair!r}")
        renamed[theirs] = ours
    command = " ".join(["harness", *map(shlex.quote, sys.argv[1:])])
    same = ("task", "splits", "policy", "system", "partial_rows", "runs")
    return Request(
        source, format=words["form"], reading=Reading(renamed, words["first_frame"]),
        data=parse_options(words["data"]), command=command, **{name: words[name] for name in same},
    )  # fmt: skip


def _print_row(row: Mapping[str, Any], console: Console) -> None:
    p, coverage = row["score"]["P"], row["coverage"]
    title = f"{row['task']} {row['split']} on {row['data']['name']}"
    interval = f"95 % [{p['low']:.4f}, {p['high']:.4f}] for these predictions"
    console.print(f"{title}: P {p['value']:.4f}, {interval}", markup=False)
    console.print(
        "  " + ", ".join(f"{label} {one['value']:.3f}" for label, one in row["score"]["labels"].items()), markup=False
    )
    few = row["score"]["interval"]["few_clusters"]
    if few:
        console.print(f"  few recordings decide on {', '.join(few)}: the interval is likely too narrow", markup=False)
    if "held_videos" not in coverage:  # of folds together
        missing, judged = coverage["missing_rows"], coverage["judged_rows"]
        told = f"{coverage['videos']:,} videos, {judged:,} labelled rows judged, {missing:,} without a prediction"
        console.print(f"  coverage, policy {row['scored']['policy']}: {told}", markup=False)
        return
    videos, held = coverage["predicted_videos"], coverage["held_videos"]
    matched, labelled = coverage["matched_rows"], coverage["labelled_rows"]
    share = f"{100 * matched / labelled:.2f} %" if labelled else "none"
    policy, rows = row["scored"]["policy"], coverage["predicted_rows"]
    missing, beyond, absent = (coverage[key] for key in ("missing_rows", "rows_beyond", "unlabelled_rows_absent"))
    console.print(
        f"  coverage, policy {policy}: {videos:,} of {held:,} videos, {rows:,} rows; {matched:,} of {labelled:,} "
        f"labelled rows matched ({share}), {missing:,} missing; {beyond:,} rows beyond the end of a video, "
        f"{absent:,} unlabelled rows absent",
        markup=False,
    )
    for text in coverage["differences"][:MOST]:
        console.print(f"  {text}", markup=False)
    if coverage["differing_videos"] > MOST:
        console.print(f"  and {coverage['differing_videos'] - MOST} more videos that differ", markup=False)
    for what, names in (
        ("without any row", coverage["videos_without_rows"]), ("not in this data, not used", coverage["unknown_videos"])
    ):  # fmt: skip
        if names:
            console.print(f"  videos {what}: {_some(names)}", markup=False)
    if coverage["videos_of_other_splits"]:
        console.print(f"  {coverage['videos_of_other_splits']} videos of other splits, not used", markup=False)


def _print_reading(done: Scored, console: Console) -> None:
    said = done.rows[0]["scored"]
    if said["labels_without_column"]:
        console.print(f"no column for {', '.join(said['labels_without_column'])}: never predicted", markup=False)
    if said["columns_not_used"]:
        console.print(f"columns not used: {_some(said['columns_not_used'])}", markup=False)
    for note in said["notes"]:
        console.print(note, markup=False)
    console.print(f"format {said['format']}; rows in {done.folder}", markup=False)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more
