"""`harness ablate`: what each part of a method is worth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from harness.cli.run import fix_threads, request_of, run
from harness.errors import HarnessError, SomeTasksFailed, UserError

if TYPE_CHECKING:
    from harness.ablate import Ablation, Variant

NOT_SHARED = ("splits", "fresh", "keep_models", "dry_run", "as_json", "verbose")


@click.command()
@click.option(
    "--split", "splits", type=click.Choice(["official", "folds"]), default="official", show_default=True,
    help="Where variants are judged; folds: all five, pooled.",
)
@click.option(
    "--only", multiple=True, metavar="NAME",
    help="Only this variant, in the tasks that have it; may be given again. --dry-run names them.",
)
@click.option(
    "--variant", "own", multiple=True, metavar="NAME:FIELD=VALUE[,FIELD=VALUE]",
    help="A variant of your own, e.g. 'random start:encoders.image.weights=random'.",
)
@click.option("--dry-run", is_flag=True, help="Name the variants and what each sets, and stop; nothing is run.")
@click.option("--list", "list_only", is_flag=True, help="Run the full pipeline, name the variants there are, and stop.")
@click.option("--format", "form", type=click.Choice(["table", "md", "json"]), default="table", show_default=True)
def ablate(
    plugin: str, task: str, only: Sequence[str], own: Sequence[str], dry_run: bool, list_only: bool, form: str,
    quiet: bool, **words: Any,
) -> None:  # fmt: skip
    """Take a method apart: every part left out or replaced by its control, one at a time.

    Each variant is a run of its own, so finished ones are not run twice and what they share with the full method is
    computed once. The table gives each variant's score and the variant less the full method, with its 95 % interval
    (paired bootstrap over recordings): a negative difference that excludes 0 (marked *) says that the part pays.

    The variants, where the method has what they take away:

    \b
    no audio, no text           without that encoder
    no image encoder            16 x 16 grey pixels for what it gives
    no pre-training             the image encoder from random weights
    image not fine-tuned        that encoder as it came; audio, text alike
    no extra data               trained on the task's own videos alone
    plain fusion                logistic regression (ridge for values)
    no label weights in fusion  every label weighs the same in its loss
    faceless frames hidden      no neighbour's token in their place
    whole                       one classifier for all videos
    random parts                as many parts, drawn at random
    routed                      each video judged by its own part's
    mean vote                   the mean score for the vote
    no smoothing                scores as they are voted
    vote after smoothing        smoothed first, then voted

    \b
    harness ablate --plugin netease_abaw6 --task expr
    harness ablate --plugin netease_abaw6 --task all --dry-run
    harness ablate --plugin netease_abaw6 --task all --format md
    harness ablate --plugin netease_abaw6 --task au --split folds --only whole --only "random parts"
    """
    from rich.console import Console

    from harness.ablate import ablate as ablated
    from harness.ablate import planned, shared_out
    from harness.context import check_device
    from harness.plugins import load
    from harness.progress import shown, silent

    console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
    request = request_of(plugin, {**words, "fresh": False, "keep_models": "official"})
    fix_threads(request.threads)
    check_device(request.device)
    variants = [own_variant(text) for text in own]
    plugins = load()
    found: dict[str, Ablation] = {}
    failed: list[str] = []
    said: dict[str, Any] = {
        "progress": silent if quiet else shown,
        "report": lambda line: console.print(line, markup=False),
    }
    shares = {task: tuple(only)}
    if task == "all":
        shares = shared_out(plugins, sorted(plugins.provided("tasks")), request, only)
    for name, share in shares.items():
        try:
            if dry_run:
                _name(name, planned(plugins, name, request, share, variants))
            elif list_only:
                _list(plugins, name, request, said)
            else:
                found[name] = ablated(plugins, name, request, only=share, own=variants, **said)
        except HarnessError as error:
            if task != "all" or isinstance(error, UserError):
                raise
            failed.append(name)
            click.echo(f"harness: task {name}: {error}", err=True)
    if found:
        _print(found, form)
    if failed:
        raise SomeTasksFailed(f"{len(failed)} tasks did not finish: {', '.join(failed)}")


# what runs are made of is said as for `harness run`
ablate.params += [parameter for parameter in run.params if parameter.name not in NOT_SHARED]


def own_variant(text: str) -> Variant:
    """A variant as typed."""
    from harness.ablate import Variant
    from harness.fields import parse

    name, colon, changes = text.partition(":")
    pairs = [pair.partition("=") for pair in changes.split(",")]
    if not (name and colon and all(field and equals for field, equals, _ in pairs)):
        raise UserError(f"--variant: expected NAME:FIELD=VALUE[,FIELD=VALUE], came {text!r}")
    return Variant(name, {field: parse(value) for field, _, value in pairs})


def _list(plugins: Any, task: str, request: Any, said: Mapping[str, Any]) -> None:
    from harness.ablate import parts_of, variants
    from harness.session import carry_out, prepare

    prepared = prepare(plugins, task, request, **said)
    carry_out(prepared, plugins)
    _name(task, variants(prepared.context.plan, parts_of(prepared)))


def _name(task: str, variants: Sequence[Variant]) -> None:
    for one in variants:
        sets = " ".join(f"--set {field}={value}" for field, value in one.sets.items())
        click.echo("\t".join([task, one.name, sets, *([one.says] if one.says else [])]))


def _print(found: Mapping[str, Ablation], form: str) -> None:
    if form == "json":
        click.echo(json.dumps({task: as_json(one) for task, one in found.items()}, indent=1))
    elif form == "md":
        click.echo(markdown(found))
    else:
        for task, one in found.items():
            _table(task, one)


def as_json(ablation: Ablation) -> dict[str, Any]:
    """One task's table; scores and differences are fractions."""
    full = ablation.full.row
    return {
        "task": full["task"], "data": full["data"]["name"], "split": full["split"], "metric": full["metric"],
        "system": full["system"], "profile": full["profile"], "seed": full["seed"], "run": full["run"],
        "P": full["score"]["P"],
        "variants": [
            {
                "name": one.variant.name, "sets": dict(one.variant.sets), "run": one.judged.row["run"],
                "P": one.judged.row["score"]["P"], "difference": asdict(one.difference.p),
                "labels": {
                    label: asdict(of) for label, of in zip(full["labels"], one.difference.labels, strict=True)
                },
            }
            for one in ablation.rows
        ],
    }  # fmt: skip


def markdown(found: Mapping[str, Ablation]) -> str:
    """A row per variant, a column per task: the difference, a star where its interval excludes 0, the interval."""
    from tabulate import tabulate

    from harness.boards.tables import printed

    names = list(dict.fromkeys(one.variant.name for ablation in found.values() for one in ablation.rows))
    full = ["full", *(printed(a.full.row["score"]["P"]["value"], a.full.row["metric"]) for a in found.values())]
    rows = [full]
    for name in names:
        of_tasks = [{one.variant.name: one for one in ablation.rows}.get(name) for ablation in found.values()]
        cells = ["" if one is None else told(one.difference.p, one.judged.row["metric"]) for one in of_tasks]
        rows.append([name, *cells])
    align = ("left", *("right" for _ in found))
    table = tabulate(rows, ["system", *map(str.upper, found)], "pipe", disable_numparse=True, colalign=align)
    return str(table)


def told(contrast: Any, metric: str) -> str:
    """A difference as tables print it.

    >>> from harness.statistics.bootstrap import Contrast
    >>> told(Contrast(-0.0642, -0.11, -0.02, 0.01), "pearson")
    '-0.0642* [-0.1100, -0.0200]'
    """
    from harness.cli.compare import signed

    star = "*" if contrast.low > 0 or contrast.high < 0 else ""
    low, high = signed(contrast.low, metric), signed(contrast.high, metric)
    return f"{signed(contrast.value, metric)}{star} [{low}, {high}]"


def _table(task: str, ablation: Ablation) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.boards.tables import METRICS, printed

    row, metric = ablation.full.row, ablation.full.row["metric"]
    title = Text(f"{task}, {row['split']}, {row['data']['name']} data: {METRICS[metric]}")
    table = Table(title=title, title_justify="left")
    for heading in ("", "P", "variant - full", "p"):
        table.add_column(Text(heading), justify="right" if heading else "left", no_wrap=True)
    table.add_row(Text(row["system"]), printed(row["score"]["P"]["value"], metric), "", "")
    for one in ablation.rows:
        p = printed(one.judged.row["score"]["P"]["value"], metric)
        contrast = one.difference.p
        table.add_row(*map(Text, (one.variant.name, p, told(contrast, metric), f"{contrast.p_value:.4f}")))
    console = Console(highlight=False)
    console.print(table)
    console.print("* the interval excludes 0; p-values are not corrected for the number of variants", markup=False)
