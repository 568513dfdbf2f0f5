"""`harness submit RUN --template FILE --out DIR`, and `harness submit --check PATH`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import HarnessError, MissingData, UserError

if TYPE_CHECKING:
    from abaw6.submission.check import Finding
    from abaw6.submission.fill import Filled
    from abaw6.submission.form import Form
    from abaw6.submission.run import RunScores
    from abaw6.submission.template import Template
    from harness.progress import Progress

SHOWN = 5  # findings of one sort, and names of videos, on the terminal; --json has all


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--template", "templates", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
    help="The organisers' file that names the rows; with --check of several files one for each.",
)
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path, file_okay=False), help="Where the file goes.")
@click.option("--split", metavar="SPLIT", help="Of the run.  [default: test]")
@click.option(
    "--check", "checked", metavar="PATH", type=click.Path(path_type=Path), help="A submission file, or a folder."
)
@click.option("--task", metavar="TASK", help="Of the file to check.  [default: as its header says]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, every finding in it.")
@click.option("-q", "quiet", is_flag=True, help="Show no progress.")
def submit(
    run: Path | None, templates: Sequence[Path], out: Path | None, split: str | None, checked: Path | None,
    task: str | None, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Write the official submission file of a RUN, or check one before a jury does.

    Rows and their order are the template's. A frame without a prediction takes the scores of the nearest predicted
    frame of its video, the earlier of two; a video without any takes the mean scores of the run. Both are counted.

    --check finds wrong headers, line ends, names, values, duplicates and gaps within a video, and with a template rows
    that are missing, not asked for or out of order: each with its line, what was expected and what came. Exit code 2
    where it finds any.

    \b
    harness run --plugin netease_abaw6 --task va --split test
    harness submit runs/va/netease_abaw6@paper/0123456789ab --template CVPR_6th_ABAW_VA_test_set_sample.txt --out sent
    harness submit --check sent --template CVPR_6th_ABAW_VA_test_set_sample.txt
    harness submit --check predictions.txt --task expr --json
    """
    from harness.progress import shown, silent

    progress = silent if quiet else shown
    if checked is not None:
        for name, given in (("RUN", run), ("--out", out), ("--split", split)):
            if given is not None:
                raise UserError(f"--check looks at finished files: leave out {name}")
        _check(checked, templates, task, progress, as_json=as_json)
        return
    if run is None or len(templates) != 1 or out is None or task is not None:
        raise UserError("Expected RUN --template FILE --out DIR, or --check PATH [--task TASK] [--template FILE]")
    _submit(run, split or "test", templates[0], out, progress, as_json=as_json)


def _submit(folder: Path, split: str, template_path: Path, out: Path, progress: Progress, *, as_json: bool) -> None:
    from abaw6.submission.check import check
    from abaw6.submission.fill import fill
    from abaw6.submission.run import read_run
    from abaw6.submission.template import read_template
    from abaw6.submission.write import content
    from harness.store import write_whole

    run = read_run(folder, split)
    template = read_template(template_path, run.form)
    filled = fill(template, run)
    written = content(template, filled.decision_RL, progress)
    findings = check(written, run.form, template, progress)
    if findings:
        raise HarnessError(f"nothing was written, the file would not pass its own check: {findings[0]}")
    path = out / run.form.file_name
    write_whole(path, written)
    told = _told(path, template, filled, run)
    if as_json:
        click.echo(json.dumps(told, indent=1, allow_nan=False))
        return
    for line in _lines_of(told):
        click.echo(line)


def _told(path: Path, template: Template, filled: Filled, run: RunScores) -> dict[str, Any]:
    from abaw6.submission.fill import RULE
    from abaw6.submission.write import texts

    row = run.row
    return {
        "file": str(path), "task": row["task"], "template": str(template.path),
        "run": {name: row[name] for name in ("system", "profile", "seed", "run", "split", "partial")},
        "data": row["data"]["name"],
        "rows": len(template.names), "predicted": filled.predicted,
        "filled": {
            "rule": RULE, "nearest": dict(filled.nearest), "mean": dict(filled.mean),
            "mean_value": next(iter(texts(template.form, filled.mean_L[None]))) if filled.mean else None,
        },
        "unasked": filled.unasked, "clipped": filled.clipped,
    }  # fmt: skip


def _lines_of(told: dict[str, Any]) -> list[str]:
    run, filled = told["run"], told["filled"]
    lines = [told["file"], f"{told['task']}: {run['system']}@{run['profile']} seed {run['seed']}, run {run['run']}, "
                           f"split {run['split']}, on {told['data']} data"]  # fmt: skip
    if run["partial"]:
        lines.append(f"the run is partial: {run['partial']}")
    lines.append(f"{_many(told['rows'], 'row')} asked for, {told['predicted']:,} predicted")
    for how, what in (("nearest", "the nearest predicted frame"), ("mean", "the mean of the run")):
        if filled[how]:
            named = _named({video: f"{n:,}" for video, n in filled[how].items()})
            value = f", {filled['mean_value']}" if how == "mean" else ""
            lines.append(f"{sum(filled[how].values()):,} filled with {what}{value}: {named}")
    if told["unasked"]:
        lines.append(f"not asked for: {_many(told['unasked'], 'predicted row')}")
    if told["clipped"]:
        lines.append(f"clipped into the range of the task: {_many(told['clipped'], 'row')}")
    return [*lines, "checked against the template: nothing to object to"]


def _many(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _named(numbers: dict[str, str]) -> str:
    named = ", ".join(f"{name} ({n})" for name, n in list(numbers.items())[:SHOWN])
    return named + (f" and {len(numbers) - SHOWN} more videos" if len(numbers) > SHOWN else "")


def _check(path: Path, templates: Sequence[Path], task: str | None, progress: Progress, *, as_json: bool) -> None:
    from abaw6.submission.read import SUFFIXES

    if not path.exists():
        raise MissingData(f"Nothing to check at {path}")
    inside = [] if path.is_file() else sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    files = [path] if path.is_file() else inside
    if not files:
        raise MissingData(f"{path} holds no .txt or .csv file to check")
    told: list[dict[str, Any]] = []
    left = list(templates)
    for file in files:
        form = _form(file, task)
        template = _template(templates, form) if form else None
        left = [one for one in left if template is None or one != template.path]
        findings = _findings(file, form, template, progress)
        told.append({"file": str(file), "task": form.task.name if form else None,
                     "template": str(template.path) if template else None,
                     "findings": [asdict(finding) for finding in findings]})  # fmt: skip
        if not as_json:
            _show(told[-1], findings)
    if as_json:
        click.echo(json.dumps(told, indent=1))
    if left:
        raise UserError(f"{left[0]} is the template of none of these files: {', '.join(map(str, files))}")
    wrong = {one["file"]: len(one["findings"]) for one in told if one["findings"]}
    if wrong:
        raise UserError(f"{_many(sum(wrong.values()), 'finding')} in {', '.join(wrong)}")


def _form(path: Path, task: str | None) -> Form | None:
    """The form that the file is to have: as told, or by its header; None where that is of no track."""
    from abaw6.submission.form import form_of, nearest_form

    return nearest_form(_first_line(path)) if task is None else form_of(task)


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.readline().strip()


def _findings(path: Path, form: Form | None, template: Template | None, progress: Progress) -> list[Finding]:
    from abaw6.submission.check import Finding, check
    from abaw6.submission.form import FORMS

    if form is not None:
        return check(path.read_bytes(), form, template, progress)
    expected = f"that of one of {', '.join(FORMS)} (--task says which file it is to be)"
    came = repr(_first_line(path)[:60]) if path.stat().st_size else "an empty file"
    return [Finding(1, "header", expected, came)]


def _template(paths: Sequence[Path], form: Form) -> Template | None:
    """The first template of this track."""
    from abaw6.labels import lines_of
    from abaw6.submission.template import fits, read_template

    for path in paths:
        if not path.is_file():
            raise MissingData(f"No template at {path}")
        if fits(next(iter(lines_of(path)), ""), form):
            return read_template(path, form)
    return None


def _show(told: dict[str, Any], findings: Sequence[Finding]) -> None:
    rows = "rows and order as in the template" if told["template"] else "no template: rows and their order not checked"
    if not findings:
        click.echo(f"{told['file']} ({told['task']}): nothing to object to; {rows}")
        return
    click.echo(f"{told['file']} ({told['task']}):" if told["task"] else f"{told['file']}:")
    seen: dict[str, int] = {}
    for finding in findings:
        seen[finding.what] = seen.get(finding.what, 0) + 1
        if seen[finding.what] <= SHOWN:
            click.echo(f"  {finding}")
    for what, n in seen.items():
        if n > SHOWN:
            click.echo(f"  {what}: {n - SHOWN:,} more")
    if told["task"] and not told["template"]:
        click.echo(f"  {rows}")
