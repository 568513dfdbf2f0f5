"""`harness compare`: how much runs differ on the same recordings, with an interval."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.board_compare import Judged
    from harness.bootstrap import Difference


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN ...", type=click.Path(path_type=Path))
@click.option(
    "--split",
    default="official",
    show_default=True,
    metavar="SPLIT",
    help="official, fold-1 .. fold-5, folds-mean, folds-pooled.",
)
@click.option(
    "--method",
    type=click.Choice(["studentised", "percentile", "bca"]),
    default="studentised",
    show_default=True,
    help="Of the interval.",
)
@click.option("--level", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True)
@click.option("--draws", type=click.IntRange(min=100), default=10_000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draws.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; scores as fractions.")
def compare(runs: Sequence[Path], split: str, as_json: bool, **how: Any) -> None:  # fmt: skip
    """Compare each run with the first: the difference per label and for P, its 95 % interval and p-value.

    Recordings are drawn with replacement, the same ones for both runs (paired cluster bootstrap). With more than two
    runs, p-values are also corrected for their number (Holm), for P and for each label. Runs that were judged on
    different data, rows, fold lists or task versions are refused.

    \b
    harness compare runs/expr/linear@demo/0123456789ab runs/expr/netease_abaw6@demo/ba9876543210
    harness compare A B C --split folds-pooled --json
    """
    from harness.board_compare import compare as compared
    from harness.board_compare import read_judged

    if len(runs) < 2:
        raise UserError("Expected two runs or more to compare, came one: harness compare RUN RUN")
    first, *others = (read_judged(run, split) for run in runs)
    found = [(other, compared(first, other, **how)) for other in others]
    corrected = corrected_p([difference for _, difference in found])
    if as_json:
        told = [_as_json(first, *one, p_M) for one, p_M in zip(found, corrected, strict=True)]
        click.echo(json.dumps(told, indent=1))
        return
    for (other, difference), p_M in zip(found, corrected, strict=True):
        _show(first, other, difference, p_M if len(found) > 1 else None)


def corrected_p(differences: Sequence[Difference]) -> list[list[float]]:
    """Of each comparison, Holm's p-values of every label and of P: corrected over comparisons, label by label."""
    from harness.intervals import holm

    by_score = zip(*([one.p_value for one in (*d.labels, d.p)] for d in differences), strict=True)
    return [list(of_one) for of_one in zip(*(holm(p) for p in by_score), strict=True)]


def _as_json(first: Judged, other: Judged, difference: Difference, corrected: Sequence[float]) -> dict[str, Any]:
    row = first.row
    return {
        "task": row["task"], "data": row["data"]["name"], "split": row["split"], "metric": row["metric"],
        "first": _who(first), "other": _who(other),
        "P": {**asdict(difference.p), "p_holm": corrected[-1]},
        "labels": {
            label: {**asdict(one), "p_holm": p}
            for label, one, p in zip(row["labels"], difference.labels, corrected[:-1], strict=True)
        },
        "interval": {"method": f"paired cluster bootstrap, {difference.method}", "level": difference.level,
                     "draws": difference.draws, "clusters": difference.clusters},
    }  # fmt: skip


def _who(judged: Judged) -> dict[str, Any]:
    row = judged.row
    return {name: row[name] for name in ("system", "profile", "seed", "run", "partial")} | {
        "P": row["score"]["P"]["value"]
    }


def _show(first: Judged, other: Judged, difference: Difference, corrected: Sequence[float] | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.board_tables import METRICS, printed

    row, metric = first.row, first.row["metric"]
    console = Console(highlight=False)
    table = Table(
        title=Text(f"{row['task']}, {row['split']}, {row['data']['name']} data: {METRICS[metric]}"),
        title_justify="left",
    )
    p_titles = ("p", "Holm") if corrected else ("p",)
    for title in ("", "first", "other", "other - first", f"{100 * difference.level:g} % interval", *p_titles):
        table.add_column(Text(title), justify="right" if title else "left", no_wrap=True)
    for i, (label, one) in enumerate([*zip(row["labels"], difference.labels, strict=True), ("P", difference.p)]):
        scores = [
            judged.row["score"]["P"] if one is difference.p else judged.row["score"]["labels"][label]
            for judged in (first, other)
        ]
        cells = [*(printed(score["value"], metric) for score in scores), signed(one.value, metric)]
        interval = f"[{signed(one.low, metric)}, {signed(one.high, metric)}]"
        p = [f"{one.p_value:.4f}", *([f"{corrected[i]:.4f}"] if corrected else [])]
        table.add_row(*map(Text, (label, *cells, interval, *p)))
    console.print(table)
    for title, judged in (("first", first), ("other", other)):
        partial = f" [{judged.row['partial']}]" if judged.row["partial"] else ""
        console.print(f"{title}: {judged.name}, run {judged.row['run']}{partial}", markup=False, soft_wrap=True)
    how = f"{difference.draws:,} draws of {difference.clusters} recordings, {difference.method}"
    console.print(how, markup=False)


def signed(value: float, metric: str) -> str:
    """A difference as tables print it, with its sign."""
    from harness.board_tables import printed

    text = printed(value, metric)
    return text if text.startswith("-") or float(text) == 0 else f"+{text}"
