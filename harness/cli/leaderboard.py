"""`harness leaderboard`: tables of what was run, beside published scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from harness.cli.judging_options import split_option
from harness.errors import HarnessError, MissingData, UserError, unknown

if TYPE_CHECKING:
    from rich.console import Console

    from harness.boards.rows import Line

FORMATS = ("md", "csv", "latex", "json")
FOLDER = click.Path(path_type=Path, file_okay=False)
HOW_TO_RUN = "Run something first: harness run --plugin netease_abaw6 --task expr"


@click.command()
@click.option("--records", default="leaderboards/records", show_default=True, type=FOLDER, help="Committed rows.")
@click.option("--runs", type=FOLDER, help="Rows of your runs.  [default: runs; none with --check, --add]")
@click.option("--no-runs", is_flag=True, help="Committed rows only, as for a commit.")
@click.option("--out", default="leaderboards", show_default=True, type=FOLDER, help="Where the tables go.")
@click.option(
    "--published",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Published scores.  [default: leaderboards/published.csv]",
)
@click.option("--data", metavar="NAME", help="Tables of this data set only: demo, aff-wild2, c-expr, hume-vidmimic2.")
@split_option
@click.option(
    "--contamination",
    metavar="LIST",
    help="Only rows of these verdicts: in-sample, held-out, unknown (not clean). Shown; written with --out alone.",
)
@click.option("--format", "formats", default="md", show_default=True, metavar="LIST", help="Of md, csv, latex, json.")
@click.option("--html", type=FOLDER, metavar="DIR", help="Also write DIR/index.html: every split on one page.")
@click.option(
    "--add",
    "added",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="RUN|ROW",
    help="First copy a run's finished rows into --records; may be repeated.",
)
@click.option("--rejudge", is_flag=True, help="First judge committed rows again from their statistics.")
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; fail where tables are not those of the rows, or rows not what their statistics give.",
)
@click.pass_context
def leaderboard(context: click.Context, records: Path, runs: Path | None, no_runs: bool, out: Path,
                published: Path | None, data: str | None, split: str, contamination: str | None, formats: str,
                html: Path | None, added: Sequence[Path], rejudge: bool, check: bool) -> None:  # fmt: skip
    """Write tables of every row, per data set and task, and a README.md over all of them.

    Partial rows and rows without scores are left out. Published scores stand in tables of their own data only.
    Committed tables are those of committed rows: before a commit say --no-runs, or --add what belongs there.
    Rows of one table are compared with each other: rows that share a letter cannot be told apart.

    \b
    harness leaderboard
    harness leaderboard --data demo --format md,csv
    harness leaderboard --contamination held-out               # what is known not to have seen what judges it
    harness leaderboard --html site                            # a page with filters, columns that sort, drawn intervals
    harness leaderboard --add runs/expr/netease_abaw6@demo/0123456789ab
    harness leaderboard --check
    harness leaderboard --rejudge                              # after the way to make intervals has changed
    """
    from rich.console import Console

    from harness.boards.files import changed_files, files
    from harness.boards.overview import overview
    from harness.boards.rows import SPLITS, collect
    from harness.boards.seeds import with_seeds
    from harness.boards.ties import with_ties
    from harness.progress import shown as progress

    console = Console(stderr=True, highlight=False)
    kinds = _formats(formats)
    if split not in SPLITS:
        raise unknown("split of a leaderboard", split, SPLITS)
    if html is not None and check:
        raise UserError("--check writes nothing: leave out --html")
    wanted = _verdicts(contamination, added or rejudge or check)
    if added:
        _add(records, added, console)
    if check or rejudge:
        _judge_again([records, *([runs] if runs is not None and check else [])], console, write=rejudge and not check)
    collected = collect(records, _runs(runs, none=no_runs or check or rejudge or bool(added)))
    lines = collected.lines + _published(published, console)
    asked = _asked_for(lines, data, split)
    chosen = [line for line in asked if line.contamination in wanted]
    shown = with_ties(with_seeds(chosen, split, progress), split, progress)
    made = files(shown, split=split, formats=kinds, only=tuple(sorted(wanted)) if contamination else ())
    if "md" in kinds and split == "official" and data is None and contamination is None:
        made["README.md"] = overview(shown)
    changed = changed_files(out, made, {line.data for line in shown} | _old(out, data), split, kinds)
    if check:
        _check(out, changed, len(made))
        return
    _show(shown, split)
    if html is not None:
        _write_page(html / "index.html", chosen, split)
        console.print(f"page in {html / 'index.html'}", markup=False)
    if contamination is not None:
        left_out = sum(line.split == split and line.contamination not in wanted for line in asked)
        console.print(f"left out: {left_out} rows of {split}, not {' or '.join(sorted(wanted))}", markup=False)
        if context.get_parameter_source("out") is ParameterSource.DEFAULT:
            console.print("nothing is written: a choice of rows goes where --out says", markup=False)
            return
    _write(out, made, changed)
    for reason, n in collected.left_out.items():
        console.print(f"left out: {n} {'row' if n == 1 else 'rows'} {reason}", markup=False)
    if all(line.published for line in lines):
        console.print(f"No run stands here yet. {HOW_TO_RUN}", markup=False)
    console.print(f"{len(made)} tables in {out}, {len(changed)} changed", markup=False)


def _verdicts(contamination: str | None, whole: object) -> frozenset[str]:
    """What rows may say of their weights; a choice of rows is no board to commit."""
    from harness.corpora import VERDICTS, verdicts

    if contamination is None:
        return frozenset(VERDICTS)
    if whole:
        raise UserError("--contamination shows a choice of rows; --add, --rejudge and --check are about all of them")
    return verdicts(contamination)


def _runs(runs: Path | None, *, none: bool) -> Path | None:
    if runs is None:
        return None if none else Path("runs")
    if not runs.is_dir():
        raise MissingData(f"No folder of runs at {runs}")
    return runs


def _asked_for(lines: Sequence[Line], data: str | None, split: str) -> list[Line]:
    if not lines:
        raise MissingData(f"No rows, neither committed nor of runs, and no published scores. {HOW_TO_RUN}")
    names = {line.data for line in lines}
    if data is not None and data not in names:
        raise unknown("data set on these boards", data, names)
    shown = [line for line in lines if data in (None, line.data)]
    if split not in ("official", *(line.split for line in shown)):
        there = ", ".join(sorted({line.split for line in shown}))
        raise MissingData(f"No rows of split {split!r}; there are rows of {there}")
    return shown


def _formats(text: str) -> list[str]:
    kinds = [kind.strip() for kind in text.split(",") if kind.strip()]
    for kind in kinds or [""]:
        if kind not in FORMATS:
            raise unknown("format of a leaderboard", kind, FORMATS)
    return list(dict.fromkeys(kinds))


def _published(path: Path | None, console: Console) -> list[Line]:
    from harness.boards.published import read_published

    chosen = path or Path("leaderboards/published.csv")
    if chosen.exists():
        return read_published(chosen)
    if path is not None:
        raise MissingData(f"No published scores at {path}")
    console.print(f"no published scores: there is no {chosen} here", markup=False)
    return []


def _old(out: Path, data: str | None) -> set[str]:
    """Folders of boards already there, whose data set may have no row left."""
    if data is not None or not out.is_dir():
        return set()
    return {folder.name for folder in out.iterdir() if folder.is_dir() and folder.name != "records"}


def _add(records: Path, sources: Sequence[Path], console: Console) -> None:
    from harness.boards.records import add

    done = add(records, sources)
    for path in done.removed:
        console.print(f"removed {path}: of another run", markup=False)
    for path in done.left_out:
        console.print(f"not added: {path} is partial or has no score", markup=False)
    for warning in done.warnings:
        console.print(f"look before you commit: {warning}", markup=False)
    console.print(f"{len(done.written)} files copied into {records}", markup=False)


def _judge_again(folders: Sequence[Path], console: Console, *, write: bool) -> None:
    """Rows against their statistics: brought up to date, or an error naming those that differ."""
    from harness.boards.rejudge import bring_up_to_date, rejudge
    from harness.boards.rows import find_rows
    from harness.progress import shown

    judged = rejudge([row for folder in folders if folder.is_dir() for row in find_rows(folder)], shown)
    if write:
        for found in bring_up_to_date(judged):
            console.print(f"judged again: {found.path}", markup=False)
        return
    wrong = [one for one in judged if one.differs]
    if wrong:
        named = "; ".join(f"{one.found.path}: {one.differs}" for one in wrong[:3])
        raise HarnessError(f"{len(wrong)} of {len(judged)} rows are not what their statistics give: {named}")
    known = sum(one.score is not None for one in judged)
    click.echo(f"{known} of {len(judged)} rows are what their statistics give; the others have none here", err=True)


def _check(out: Path, changed: Mapping[str, str], n: int) -> None:
    if changed:
        named = ", ".join(f"{path} ({what})" for path, what in sorted(changed.items()))
        raise HarnessError(f"{len(changed)} of {n} tables in {out} differ: {named}. Run 'harness leaderboard'")
    click.echo(f"{n} tables in {out} are those of the rows", err=True)


def _write(out: Path, made: Mapping[str, bytes], changed: Mapping[str, str]) -> None:
    from harness.store import write_whole

    for path, what in changed.items():
        if what == "left over":
            (out / path).unlink()
        else:
            write_whole(out / path, made[path])


def _write_page(path: Path, lines: Sequence[Line], split: str) -> None:
    from harness.pages.board import board, compared
    from harness.progress import shown as progress
    from harness.store import write_whole

    write_whole(path, board(compared(lines, progress), path.parent, split=split))


def _show(lines: Sequence[Line], split: str) -> None:
    """The combined tables on the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.boards.files import grouped
    from harness.boards.overview import system_rows
    from harness.boards.rows import DEMO
    from harness.boards.tables import METRICS, printed_with_tie

    console = Console(highlight=False)
    for (_, data), of_data in grouped(lines, lambda line: (line.data != DEMO, line.data)):
        tasks, rows = system_rows(of_data, split)
        if not rows:
            continue
        metric = {line.task: METRICS.get(line.metric, line.metric) for line in of_data}
        table = Table(title=Text(f"{data}, {split}: P"), title_justify="left")
        for name in ("system", "profile", "seed"):
            table.add_column(name, overflow="fold")
        for task in tasks:
            table.add_column(Text(f"{task.upper()} ({metric[task]})"), justify="right", overflow="fold")
        for row in rows:
            who = (row.first.name, row.first.profile or "published", row.first.seed_text)
            found = (" / ".join(printed_with_tie(o) for o in row.by_task[task]) for task in tasks)
            scores = (cell.replace(" [", "\n[") for cell in found)
            table.add_row(*map(Text, (*who, *scores)))
        console.print(table)
