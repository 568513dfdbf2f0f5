"""`harness lint-table`: do the averages of a published table add up?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.lint.check import Finding


@click.command("lint-table")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--average", metavar="NAME", help="The column (or label) of averages.  [default: by its name]")
@click.option("--labels", metavar="A,B,...", help="The columns averaged.  [default: all others that hold scores]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def lint_table(file: Path, average: str | None, labels: str | None, as_json: bool) -> None:
    """Recompute the averages of a published table, and name the rows that do not add up at the printed precision.

    Two verdicts. "impossible": no values that round to the printed ones have the printed average. "not the mean of the
    printed digits": rounding before or after averaging could explain it. Exit code 1 where there is either.

    FILE is CSV, Markdown (.md) or LaTeX (.tex). A CSV with the columns label and value is long: rows that agree in all
    else belong together. Any other table has an average in each row: a column called avg, average, mean, overall or P,
    else score or total score. The columns of numbers beside it are averaged, but for those that are known to hold no
    scores (year, rank, fold, params, FLOPs, time, ...); --labels says it where names do not. Each finding names them.

    \b
    harness lint-table leaderboards/published.csv
    harness lint-table paper.tex --average "F1" --labels AU1,AU2,AU4
    harness lint-table table.md --json
    """
    from harness.lint.check import lint
    from harness.lint.tables import read_tables

    tables = read_tables(file, average, [label.strip() for label in (labels or "").split(",") if label.strip()])
    findings = lint(tables.rows)
    if as_json:
        told = {"file": str(file), "rows": len(tables.rows), "not_checked": tables.not_checked,
                "findings": [_as_json(finding) for finding in findings]}  # fmt: skip
        click.echo(json.dumps(told, indent=1))
    else:
        for finding in findings:
            click.echo(str(finding))
        left = f"; {tables.not_checked} without labels or average not checked" if tables.not_checked else ""
        click.echo(f"{len(tables.rows) - len(findings)} of {len(tables.rows)} rows add up{left}")
    if findings:
        n = len(findings)
        raise HarnessError(f"{n} {'row does' if n == 1 else 'rows do'} not add up in {file}")


def _as_json(finding: Finding) -> dict[str, Any]:
    row = finding.row
    values = {label: printed.text for label, printed in row.values}
    low, high = finding.could
    return {"line": row.line, "row": row.name, "verdict": finding.verdict, "average": row.average.text,
            "lowest": low, "highest": high, "values": values}  # fmt: skip
