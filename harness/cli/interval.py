"""`harness interval`: a run's scores again, with an interval of another method, level or number of draws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.judging_options import interval_options, split_option

if TYPE_CHECKING:
    from harness.boards.compare import Judged
    from harness.statistics.bootstrap import ScoreInterval


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@split_option
@interval_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; scores as fractions.")
def interval(run: Path, split: str, as_json: bool, **how: Any) -> None:
    """A run's scores with their intervals, per label and for P, from its statistics; no data is read.

    Recordings are drawn with replacement (cluster bootstrap), for these trained models. A dagger marks labels for which
    there are too few recordings to trust any method (docs/statistics.md). Rows and boards hold the default's intervals.

    \b
    harness interval runs/expr/netease_abaw6@demo/0123456789ab --method bca --level 0.9
    harness interval runs/expr/netease_abaw6@demo/0123456789ab --split folds-pooled --json
    """
    from harness.boards.compare import read_judged
    from harness.judge import few_clusters, score_block
    from harness.metrics import get

    judged = read_judged(run, split)
    metric, labels = get(judged.row["metric"]), judged.row["labels"]
    found = again(judged, **how)
    few = few_clusters(metric, [one.fold for one in judged.folds], labels)
    if as_json:
        row = judged.row
        whose = {name: row[name] for name in ("task", "split", "metric", "system", "profile", "seed", "run", "partial")}
        click.echo(json.dumps({**whose, "data": row["data"]["name"], **score_block(found, labels, few)}, indent=1))
        return
    _show(judged, found, few)


def again(judged: Judged, **how: Any) -> ScoreInterval:
    """The interval of a run on its split; `how`: level, draws, seed and method of `harness.statistics.bootstrap`."""
    from harness.metrics import get
    from harness.statistics.bootstrap import folds_mean, folds_pooled

    over = folds_pooled if judged.row["split"] == "folds-pooled" else folds_mean  # one fold alone is its own mean
    return over(get(judged.row["metric"]), [one.fold for one in judged.folds], **how)


def _show(judged: Judged, found: ScoreInterval, few: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.boards.rows import FEW_CLUSTERS
    from harness.boards.tables import DAGGER, METRICS, printed

    row, metric = judged.row, judged.row["metric"]
    console = Console(highlight=False)
    title = f"{judged.name}: {row['task']}, {row['split']}, {row['data']['name']} data: {METRICS[metric]}"
    table = Table()
    for head in ("", "score", f"{100 * found.level:g} % interval"):
        table.add_column(Text(head), justify="right" if head else "left", no_wrap=True)
    for label, one in [*zip(row["labels"], found.labels, strict=True), ("P", found.p)]:
        doubt = DAGGER if label in few or (one is found.p and few) else ""
        ends = f"[{printed(one.low, metric)}, {printed(one.high, metric)}]{doubt}"
        table.add_row(*map(Text, (label, printed(one.value, metric), ends)))
    console.print(title, markup=False, soft_wrap=True)
    console.print(table)
    drawn = f"{found.draws:,} draws of {found.clusters} recordings, {found.method}"
    console.print(f"{drawn}, for these trained models", markup=False)
    if few:
        console.print(FEW_CLUSTERS, markup=False)
    if row["partial"]:
        console.print(f"partial: {row['partial']}", markup=False)
