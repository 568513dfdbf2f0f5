"""`harness run`: one method on one task or all, on one split or all."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import HarnessError, SomeTasksFailed, UserError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.plugins import Plugins
    from harness.session import Prepared, Request

SHORTHANDS = {"fusion": "fusion", "partition": "partition", "vote": "vote", "postprocess": "postprocess"}


@click.command()
@click.option(
    "--plugin", required=True, metavar="NAME[:PIPELINE]", help="Whose pipeline to run; see 'harness plugins list'."
)
@click.option("--task", required=True, metavar="TASK", help="va, expr, au, ce, emi, or all.")
@click.option(
    "--split",
    "splits",
    default="official",
    show_default=True,
    metavar="SPLIT",
    help="official, fold-1 .. fold-5, folds, all, or test (predictions without scores).",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="Of weights and batches; splits never depend on it.",
)
@click.option(
    "--data", multiple=True, metavar="NAME=PATH|demo", help="Where a data set lies; 'demo' for the made-up world."
)
@click.option("--profile", metavar="NAME", help="Sizes of the pipeline: 'paper', 'demo'. Default: by the data.")
@click.option(
    "--encoder", "encoders", multiple=True, metavar="MODALITY=NAME", help="Swap an encoder, e.g. image=timm:resnet18."
)
@click.option("--fusion", metavar="NAME", help="Swap the fusion.")
@click.option("--partition", metavar="NAME", help="Swap the partition, e.g. whole (a single classifier).")
@click.option("--vote", metavar="NAME", help="Swap the vote: majority, mean, routed.")
@click.option("--postprocess", metavar="NAME", help="Swap the postprocessor: gaussian, none.")
@click.option(
    "--set", "sets", multiple=True, metavar="FIELD=VALUE", help="Set a field of the pipeline, e.g. fit.lr=3e-4."
)
@click.option("--dedupe", is_flag=True, help="Drop recordings from training that the official split also holds out.")
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu, cuda, cuda:1 ...")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option(
    "--threads",
    type=click.IntRange(0, 4096),
    default=0,
    metavar="N",
    help="Processor threads, fixed and recorded. Default: every core.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="At most N videos a part: a trial, stamped partial, kept off boards.",
)
@click.option(
    "--runs",
    default="runs",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where runs are kept.",
)
@click.option("--keep-models", type=click.Choice(["official", "all", "none"]), default="official", show_default=True)
@click.option("--fresh", is_flag=True, help="Forget this run's rows (not the store) and judge again.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print rows (or the plan) as JSON on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Also tell what was chosen and what each stage cost.")
def run(plugin: str, task: str, as_json: bool, dry_run: bool, quiet: bool, verbose: bool, **words: Any) -> None:
    """Run a method on a task: train, predict, judge, and leave a row below runs/.

    The same command resumes a killed run, and a finished split is not run twice.

    \b
    harness run --plugin netease_abaw6 --task expr
    harness run --plugin netease_abaw6 --task all --split all
    harness run --plugin netease_abaw6 --task au --encoder image=timm:resnet18 --set encoders.image.weights=random
    """
    from rich.console import Console

    from harness.context import check_device
    from harness.plugins import load
    from harness.session import BadData

    console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
    request = request_of(plugin, words)
    fix_threads(request.threads)
    check_device(request.device)
    plugins = load()
    tasks = sorted(plugins.provided("tasks")) if task == "all" else [task]
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    for name in tasks:
        try:
            rows += _one_task(plugins, name, request, console, dry_run=dry_run, verbose=verbose)
        except HarnessError as error:
            if task != "all" or (isinstance(error, UserError) and not isinstance(error, BadData)):
                raise
            failed.append(name)
            click.echo(f"harness: task {name}: {error}", err=True)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    if failed:
        raise SomeTasksFailed(f"{len(failed)} of {len(tasks)} tasks did not finish: {', '.join(failed)}")


def request_of(plugin: str, words: Mapping[str, Any]) -> Request:
    """The request a command line means; component flags are shorthands of `--set`."""
    from harness.datasets import parse_options
    from harness.fields import parse
    from harness.session import Request

    sets: dict[str, Any] = {}
    for pair in words["encoders"]:
        modality, equals, name = pair.partition("=")
        if not equals:
            raise UserError(f"--encoder: expected MODALITY=NAME, say image=timm:resnet18, came {pair!r}")
        sets[f"encoders.{modality}"] = parse(name)
    sets |= {field: words[flag] for flag, field in SHORTHANDS.items() if words[flag] is not None}
    for pair in words["sets"]:
        path, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set: expected FIELD=VALUE, say fit.epochs=10, came {pair!r}")
        sets[path] = parse(value)
    command = " ".join(["harness", *map(shlex.quote, sys.argv[1:])])
    same = ("splits", "profile", "seed", "device", "precision", "limit", "runs", "keep_models", "fresh", "dedupe")
    return Request(
        plugin,
        sets=sets,
        data=parse_options(words["data"]),
        command=command,
        threads=words["threads"] or os.cpu_count() or 1,
        **{name: words[name] for name in same},
    )


def _one_task(
    plugins: Plugins, task: str, request: Request, console: Console, *, dry_run: bool, verbose: bool
) -> list[dict[str, Any]]:
    from harness.outlook import outlook, refuse_if_too_big
    from harness.progress import shown, silent
    from harness.session import carry_out, prepare

    prepared = prepare(
        plugins, task, request, silent if console.quiet else shown, lambda line: console.print(line, markup=False)
    )
    found = outlook(prepared)
    _print_plan(prepared, found, console)
    if dry_run:
        return [{"plan": prepared.context.plan.describe(), **found}]
    refuse_if_too_big(found)

    def on_row(row: Mapping[str, Any], new: bool) -> None:
        _print_row(row, new, console, verbose=verbose)

    rows = carry_out(prepared, plugins, on_row)
    console.print(f"rows in {prepared.folder.path}", markup=False)
    return rows


def _print_plan(prepared: Prepared, found: Mapping[str, Any], console: Console) -> None:
    plan, context = prepared.context.plan, prepared.context
    console.print(
        f"{plan.task.name}: {plan.system} ({plan.profile}) on {context.data} data, seed {plan.seed}, "
        f"{context.place.device}, {prepared.request.threads} thread{'s' * (prepared.request.threads != 1)}",
        markup=False,
    )
    for leak in prepared.splits[0].leaks:
        console.print(f"  leak: {leak} (kept; --dedupe drops it from training)", markup=False)
    if not found["to_run"]:
        console.print(f"  nothing to do: {', '.join(found['splits'])} finished")
        return
    stages = ", ".join(
        f"{name} {'up to ' if name in found['up_to'] else ''}x{n}" for name, n in found["stages"].items()
    )
    console.print(f"  to run: {', '.join(found['to_run'])}; to compute: {stages or 'votes and scores alone'}")
    assumed = " assumed" if found["token_width_assumed"] else ""
    console.print(
        f"  {found['frames_to_encode']:,} frames to encode; about {found['disk_needed_bytes'] / 1e6:,.0f} MB for "
        f"tokens of {found['token_width']:,} numbers{assumed}, {found['disk_free_bytes'] / 1e9:,.0f} GB free",
        markup=False,
    )


def _print_row(row: Mapping[str, Any], new: bool, console: Console, *, verbose: bool) -> None:
    title = f"{row['task']} {row['split']} on {row['data']['name']}"
    if row["score"] is None:
        console.print(f"{title}: predicted {row['coverage']['held_videos']} videos, no scores")
        return
    p = row["score"]["P"]
    note = f" [{row['partial']}]" if row["partial"] else ""
    again = "" if new else " (finished before)"
    interval = f"95 % [{p['low']:.4f}, {p['high']:.4f}] for these trained models"
    console.print(f"{title}: P {p['value']:.4f}, {interval}{note}{again}", markup=False)
    few = row["score"]["interval"].get("few_clusters")
    if few:
        console.print(f"  few recordings decide on {', '.join(few)}: the interval is likely too narrow", markup=False)
    told = row.get("contamination")  # rows from before this was asked have none
    if told and told["verdict"] != "held-out":
        why = f"nobody says what {', '.join(told['not_told'])} saw" if told["not_told"] else ", ".join(told["saw"])
        console.print(f"  contamination: {told['verdict']} ({why})", markup=False)
    labels = ", ".join(f"{label} {one['value']:.3f}" for label, one in row["score"]["labels"].items())
    console.print(f"  {labels}", markup=False)
    if verbose:
        for part, one in ((row["parts"] or {}).get("scores") or {}).items():
            few = ", too few to say much" if one["few"] else ""
            where = f"{one['videos']} videos of {one['recordings']} recordings{few}"
            console.print(f"  {part}: P {one['P']:.4f} on {where}", markup=False)
        for choice in row["choices"]:
            console.print(f"  chosen: {choice}", markup=False)
        console.print(f"  cost: {row['cost']}", markup=False)


def fix_threads(threads: int) -> None:
    """How many processor threads arithmetic takes, from now on: PyTorch's, BLAS's and OpenMP's of other libraries."""
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    torch.set_num_threads(threads)
    threadpool_limits(threads)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # for libraries not loaded yet
        os.environ[name] = str(threads)
