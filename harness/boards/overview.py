"""The combined page of all boards: per data set, systems by tasks, P of the official split with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.boards.files import TEST, WHAT_DEMO_MEANS, by_system, file_name, grouped, task_rank
from harness.boards.rows import DEMO, Line, differences, in_order
from harness.boards.tables import BEGINNINGS, METRICS, escape_markdown, markdown_link, markdown_table, printed_with_tie

INTRO = """P is the mean over a task's labels: F1 in percent for AU, EXPR and CE, concordance (CCC) for VA, Pearson's
correlation for EMI; all on the official split (validation side). Scores of this harness carry the 95 % interval of a
bootstrap over raw recordings, for these trained models († few recordings decide: the interval is likely too narrow); of
a task, scores that share a letter cannot be told apart. Each score leads to its table; no data set is compared with
another.
"""
NOT_COMPARABLE = "\\* not every run of this task was judged under the same conditions: its table says what differs."
NO_RUN = "No run stands here yet: `harness run --plugin netease_abaw6 --task expr`, then `harness leaderboard`."
OUTRO = """Rows: `records/` (JSON, a file per split). Published scores and their sources: `published.csv`. These pages
are made by `harness leaderboard`.
"""


@dataclass(frozen=True)
class SystemRow:
    """One system (profile, seed) with its lines of one split by task, best first."""

    first: Line
    by_task: dict[str, list[Line]]


def overview(lines: Sequence[Line]) -> bytes:
    """`README.md`: one table per data set, demo first."""
    out = [f"{BEGINNINGS['md']} made from rows, not by hand -->\n# Leaderboards\n", INTRO]
    for (_, data), of_data in grouped(lines, lambda line: (line.data != DEMO, line.data)):
        out += [f"## {escape_markdown(data)}\n", *([f"{WHAT_DEMO_MEANS}\n"] if data == DEMO else [])]
        out += _data_set(of_data)
    out += [] if any(not line.published for line in lines) else [f"{NO_RUN}\n"]
    return "\n".join([*out, OUTRO]).encode()


def system_rows(lines: Sequence[Line], split: str) -> tuple[list[str], list[SystemRow]]:
    """Tasks in order, and systems in order: runs by name, profile and seed, then published ones."""
    shown = [line for line in lines if line.split == split]
    tasks = [task for _, task in sorted({task_rank(line.task) for line in shown})]
    systems = grouped(shown, lambda o: (bool(o.published), o.name, o.profile, o.seeds, o.seed or 0))
    by_task = [{task: in_order(o for o in some if o.task == task) for task in tasks} for _, some in systems]
    return tasks, [SystemRow(some[0], lines_by) for (_, some), lines_by in zip(systems, by_task, strict=True)]


def _data_set(lines: Sequence[Line]) -> list[str]:
    folder = file_name(lines[0].data)
    tasks, rows = system_rows(lines, "official")
    out = []
    if rows:
        differ = {task for task in tasks if differences(line for row in rows for line in row.by_task[task])}
        metric = {line.task: METRICS.get(line.metric, line.metric) for line in lines}
        own = {task: set(by_system(line for line in lines if line.task == task)) for task in tasks}
        titles = [_task_link(folder, t, f"{t.upper()} ({metric[t]})") for t in tasks]
        body = [
            [*_who(row.first), *(_cell(folder, row.by_task[t], own[t], t in differ) for t in tasks)] for row in rows
        ]
        out.append(markdown_table(["system", "profile", "seed", *titles], body, 2))
        out += [f"{NOT_COMPARABLE}\n"] if differ else []
    on_test = sorted({task_rank(line.task) for line in lines if line.split == TEST and line.published})
    links = [_task_link(folder, task, task.upper()) for _, task in on_test]
    return out + ([f"Published results on the organisers' test set: {', '.join(links)}.\n"] if links else [])


def _task_link(folder: str, task: str, text: str) -> str:
    return markdown_link(escape_markdown(text), f"{folder}/{file_name(task)}.md")


def _who(line: Line) -> list[str]:
    name, profile = escape_markdown(line.name), escape_markdown(line.profile)
    return [name, "published", ""] if line.published else [name, profile, line.seed_text]


def _cell(folder: str, lines: Sequence[Line], own_pages: set[str], differ: bool) -> str:
    """P of each line as a link to the system's own page, or to the task's where it has none."""
    cells = []
    for line in lines:
        page = file_name(line.task) + (f".{file_name(line.system)}" if line.system in own_pages else "")
        star = "\\*" if differ and not line.published else ""
        cells.append(markdown_link(printed_with_tie(line), f"{folder}/{page}.md") + star)
    return " / ".join(cells)
