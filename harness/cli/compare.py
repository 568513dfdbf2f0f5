"""`harness compare`: how much runs differ on the same recordings, with an interval."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.judging_options import interval_options, split_option
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.boards.compare import Judged
    from harness.boards.compare_seeds import Procedure
    from harness.statistics.bootstrap import Difference

    Compared = Judged | Procedure


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN ...", type=click.Path(path_type=Path))
@split_option
@interval_options
@click.option(
    "--seeds", is_flag=True, help="Compare training procedures: runs of one system that differ in the seed are one."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; scores as fractions.")
def compare(runs: Sequence[Path], split: str, seeds: bool, as_json: bool, **how: Any) -> None:
    """Compare each run with the first: the difference per label and for P, its 95 % interval and p-value.

    Recordings are drawn with replacement, the same ones for both runs (paired cluster bootstrap). With more than two
    runs, p-values are also corrected for their number (Holm), for P and for each label. Runs that were judged on
    different data, rows, fold lists or task versions are refused.

    That speaks of these trained models. With --seeds, of what training gives: of each system the mean over its seeds,
    drawing recordings and seeds. A RUN may then be a folder of several runs.

    \b
    harness compare runs/expr/linear@demo/0123456789ab runs/expr/netease_abaw6@demo/ba9876543210
    harness compare A B C --split folds-pooled --json
    harness compare --seeds runs/expr/linear@demo runs/expr/netease_abaw6@demo
    """
    found = _over_seeds(runs, split, how) if seeds else _one_by_one(runs, split, how)
    first = found[0][0]
    corrected = corrected_p([difference for _, _, difference in found])
    if as_json:
        told = [_as_json(*one, p_M) for one, p_M in zip(found, corrected, strict=True)]
        click.echo(json.dumps(told, indent=1))
        return
    for (_, other, difference), p_M in zip(found, corrected, strict=True):
        _show(first, other, difference, p_M if len(found) > 1 else None)


def _one_by_one(
    runs: Sequence[Path], split: str, how: Mapping[str, Any]
) -> list[tuple[Compared, Compared, Difference]]:
    from harness.boards.compare import compare as compared
    from harness.boards.compare import read_judged

    if len(runs) < 2:
        raise UserError("Expected two runs or more to compare, came one: harness compare RUN RUN")
    first, *others = (read_judged(run, split) for run in runs)
    return [(first, other, compared(first, other, **how)) for other in others]


def _over_seeds(
    runs: Sequence[Path], split: str, how: Mapping[str, Any]
) -> list[tuple[Compared, Compared, Difference]]:
    from harness.boards.compare_seeds import compare_procedures, read_procedures

    first, *others = read_procedures(runs, split)
    if not others:
        raise UserError(f"Expected two systems or more to compare, came {first.name} alone")
    return [(first, other, compare_procedures(first, other, **how)) for other in others]


def corrected_p(differences: Sequence[Difference]) -> list[list[float]]:
    """Of each comparison, Holm's p-values of every label and of P: corrected over comparisons, label by label."""
    from harness.statistics.intervals import holm

    by_score = zip(*([one.p_value for one in (*d.labels, d.p)] for d in differences), strict=True)
    return [list(of_one) for of_one in zip(*(holm(p) for p in by_score), strict=True)]


def _as_json(first: Compared, other: Compared, difference: Difference, corrected: Sequence[float]) -> dict[str, Any]:
    row = first.row
    return {
        "task": row["task"], "data": row["data"]["name"], "split": row["split"], "metric": row["metric"],
        "first": first.told(), "other": other.told(), "for": _speaks_of(first), "few_clusters": few_of(first),
        "P": {**asdict(difference.p), "p_holm": corrected[-1]},
        "labels": {
            label: {**asdict(one), "p_holm": p}
            for label, one, p in zip(row["labels"], difference.labels, corrected[:-1], strict=True)
        },
        "interval": {"method": f"paired cluster bootstrap, {difference.method}", "level": difference.level,
                     "draws": difference.draws, "clusters": difference.clusters},
    }  # fmt: skip


def few_of(one: Compared) -> list[str]:
    """Labels of which few recordings decide: they are the same for both."""
    from harness.judge import few_clusters
    from harness.metrics import get

    run: Any = getattr(one, "runs", (one,))[0]
    return few_clusters(get(one.row["metric"]), [fold.fold for fold in run.folds], one.row["labels"])


def _speaks_of(one: Compared) -> str:
    """What the interval is for."""
    return "the training procedures" if "seeds" in one.told() else "these trained models"


def _show(first: Compared, other: Compared, difference: Difference, corrected: Sequence[float] | None) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.boards.rows import FEW_CLUSTERS
    from harness.boards.tables import DAGGER, METRICS, printed

    row, metric, few = first.row, first.row["metric"], few_of(first)
    console = Console(highlight=False)
    table = Table(
        title=Text(f"{row['task']}, {row['split']}, {row['data']['name']} data: {METRICS[metric]}"),
        title_justify="left",
        box=SIMPLE_HEAD,  # without edges, seven columns fit 80 characters
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    p_titles = ("p", "Holm") if corrected else ("p",)
    for title in ("", "first", "other", "other-first", f"{100 * difference.level:g} % interval", *p_titles):
        table.add_column(Text(title), justify="right" if title else "left", no_wrap=True)
    for i, (label, one) in enumerate([*zip(row["labels"], difference.labels, strict=True), ("P", difference.p)]):
        scores = [compared.scores["P" if one is difference.p else label] for compared in (first, other)]
        cells = [*(printed(score, metric) for score in scores), signed(one.value, metric)]
        doubt = DAGGER if label in few or (one is difference.p and few) else ""
        interval = f"[{signed(one.low, metric)}, {signed(one.high, metric)}]{doubt}"
        p = [f"{one.p_value:.4f}", *([f"{corrected[i]:.4f}"] if corrected else [])]
        table.add_row(*map(Text, (label, *cells, interval, *p)))
    console.print(table)
    for title, compared in (("first", first), ("other", other)):
        told = compared.told()
        partial = f" [{told['partial']}]" if told["partial"] else ""
        runs = f"run {told['run']}" if "run" in told else f"runs {', '.join(told['runs'])}"
        console.print(f"{title}: {compared.name}, {runs}{partial}", markup=False, soft_wrap=True)
    drawn = f"{difference.clusters} recordings{' and of seeds' if 'seeds' in first.told() else ''}"
    how = f"{difference.draws:,} draws of {drawn}, {difference.method}, for {_speaks_of(first)}"
    console.print(how, markup=False)
    if few:
        console.print(FEW_CLUSTERS, markup=False)


def signed(value: float, metric: str) -> str:
    """A difference as tables print it, with its sign."""
    from harness.boards.tables import printed

    text = printed(value, metric)
    return text if text.startswith("-") or float(text) == 0 else f"+{text}"
