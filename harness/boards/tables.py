"""Pages and tables of boards, written as Markdown, CSV, LaTeX or JSON. No clock, no path: equal lines, equal bytes.

Markdown and LaTeX print F1 in percent with two decimals, CCC and Pearson with four; CSV and JSON hold fractions.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import quote

from harness.boards.rows import Line

MADE_BY = "harness leaderboard"
DAGGER = "†"
SUFFIXES = {"md": ".md", "csv": ".csv", "latex": ".tex", "json": ".json"}
CSV_HEAD = (
    *("data", "task", "system", "profile", "seed", "split", "label", "value", "low", "high"),
    *("metric", "run", "published", "tie", "best", "contamination", "few_clusters"),
)
METRICS = {"f1": "F1, %", "ccc": "CCC", "pearson": "Pearson"}
BEGINNINGS = {  # how a file that the board made begins: others are never touched
    "md": f"<!-- {MADE_BY}:",
    "csv": ",".join(CSV_HEAD[:13]),  # those that every version wrote
    "latex": f"% {MADE_BY}:",
    "json": '{\n "made_by": "' + MADE_BY,
}


@dataclass(frozen=True)
class Table:
    """Lines in their order. `systems`: one split, systems as rows; `splits`: one system, splits as rows."""

    title: str
    layout: Literal["systems", "splits"]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """Every label once, as runs spell them; papers' spelling (Valence, valence) is the same label."""
        lines = sorted(self.lines, key=lambda line: bool(line.published))
        seen = {label.casefold(): label for line in reversed(lines) for label in line.labels}
        order = dict.fromkeys(label.casefold() for line in lines for label in line.labels)
        return [seen[folded] for folded in order]


@dataclass(frozen=True)
class Page:
    """One file: `path` is relative and without suffix."""

    path: str
    data: str
    title: str
    tables: tuple[Table, ...]
    intro: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def render(page: Page, kind: str) -> bytes:
    """A page as one of `SUFFIXES`."""
    return {"md": _markdown, "csv": _csv, "latex": _latex, "json": _json}[kind](page).encode()


def printed(value: float, metric: str) -> str:
    """A score for the eye.

    >>> printed(0.5694, "f1"), printed(0.5694, "ccc")
    ('56.94', '0.5694')
    """
    text = f"{100 * value:.2f}" if metric == "f1" else f"{value:.4f}"
    return text.removeprefix("-") if float(text) == 0 else text


def printed_p(line: Line) -> str:
    """P as `value [low, high]`, or the value alone where there is no interval; a dagger where few recordings decide."""
    value = printed(line.p.value, line.metric)
    if line.p.low is None or line.p.high is None:
        return value
    return f"{value} [{printed(line.p.low, line.metric)}, {printed(line.p.high, line.metric)}]{DAGGER * bool(line.few)}"


def printed_share(share: float | None) -> str:
    """A share of draws for the eye, "" where it is not known; draws are finite, so it is never none or all of them.

    >>> [printed_share(share) for share in (None, 0.0, 0.004, 0.374, 0.996, 1.0)]
    ['', '<1 %', '<1 %', '37 %', '>99 %', '>99 %']
    """
    if share is None:
        return ""
    return "<1 %" if share < 0.005 else ">99 %" if share > 0.995 else f"{100 * share:.0f} %"


def printed_with_tie(line: Line) -> str:
    """`printed_p` with the letters of its tie groups, where a table has no column for them."""
    return f"{printed_p(line)} {line.tie}".rstrip()


def escape_markdown(text: str) -> str:
    r"""Any text as itself in a Markdown table cell.

    >>> print(escape_markdown("a|b *c* __init__ x_y <i>[t](u)"))
    a\|b \*c\* \_\_init\_\_ x_y &lt;i&gt;[t]\(u)
    """
    text = _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\|*`~$])", r"\\\1", text).replace("](", r"]\(")
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


def escape_latex(text: str) -> str:
    r"""Any text as itself in LaTeX.

    >>> print(escape_latex("50 % of a_b & c\\d"))
    50 \% of a\_b \& c\textbackslash{}d
    """
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
               ">": r"\textgreater{}", "|": r"\textbar{}"} | {c: f"\\{c}" for c in "&%$#_{}"}  # fmt: skip
    return "".join(special.get(character, character) for character in _one_line(text))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> str:
    """A table of cells that are escaped already; the first `left` columns are flush left, the rest right."""
    rule = [":--" if i < left else "--:" for i in range(len(head))]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *rows))


def markdown_link(text: str, path: str) -> str:
    """A relative link; `text` is escaped already."""
    return f"[{text}]({quote(path, safe='/@=,+.-_')})"


def _cells(table: Table, sources: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Heading and rows as plain text: what is the same in Markdown and LaTeX."""
    labels = table.labels
    metric = METRICS.get(table.lines[0].metric, table.lines[0].metric)
    ties = any(line.best is not None for line in table.lines)
    if table.layout == "splits":
        head = ["split", *labels, f"Avg ({metric})", "contamination", "from"]
    else:
        ties_head = ["tie", "best"] if ties else []
        head = ["system", "profile", "seed", *ties_head, f"P ({metric})", *labels, "contamination", "from"]
    rows = []
    for line in table.lines:
        by_label = {label.casefold(): score for label, score in line.labels.items()}
        found = [by_label.get(label.casefold()) for label in labels]
        few = {label.casefold() for label in line.few}
        scores = [
            printed(score.value, line.metric) + DAGGER * (label.casefold() in few) if score else ""
            for label, score in zip(labels, found, strict=True)
        ]
        p = printed_p(line)
        end = [line.contamination, _origin(line, sources)]
        if table.layout == "splits":
            rows.append([line.split.replace("folds-", "folds "), *scores, p, *end])
        else:
            tie = [line.tie, printed_share(line.best)] if ties else []
            rows.append([line.name, line.profile, line.seed_text, *tie, p, *scores, *end])
    return head, rows


def _origin(line: Line, sources: Sequence[str]) -> str:
    if line.published:
        return f"published [{sources.index(line.published) + 1}]"
    return f"seeds {', '.join(map(str, line.seeds))}" if line.seeds else f"run {line.run}"


def _sources(table: Table) -> list[str]:
    return list(dict.fromkeys(line.published for line in table.lines if line.published))


def _markdown(page: Page) -> str:
    out = [f"{BEGINNINGS['md']} made from rows, not by hand -->\n# {escape_markdown(page.title)}\n"]
    out += [f"\n{line}\n" for line in page.intro]
    for table in page.tables:
        sources = _sources(table)
        head, rows = _cells(table, sources)
        cells = [[escape_markdown(cell) for cell in row] for row in rows]
        left = 1 if table.layout == "splits" else 2
        out.append(f"\n## {escape_markdown(table.title)}\n\n")
        out.append(markdown_table([escape_markdown(cell) for cell in head], cells, left))
        notes = [*table.notes, *(f"[{i}] {source}" for i, source in enumerate(sources, 1))]
        out.append("\n" + "".join(f"- {escape_markdown(note)}\n" for note in notes) if notes else "")
    if page.links:
        links = [markdown_link(escape_markdown(text), path) for text, path in page.links]
        out.append(f"\nSee also: {', '.join(links)}\n")
    return "".join(out)


def _latex(page: Page) -> str:
    out = [f"{BEGINNINGS['latex']} made from rows, not by hand; needs booktabs\n"]
    for table in page.tables:
        sources = _sources(table)
        head, rows = _cells(table, sources)
        left = 1 if table.layout == "splits" else 2
        body = "".join(" & ".join(map(escape_latex, row)) + " \\\\\n" for row in rows)
        notes = [*table.notes, *(f"[{i}] {source}" for i, source in enumerate(sources, 1))]
        small = "".join(f"\\par {escape_latex(note)}\n" for note in notes)
        out.append(
            f"\\begin{{table}}\n\\centering\n\\caption{{{escape_latex(f'{page.title}: {table.title}')}}}\n"
            f"\\begin{{tabular}}{{{'l' * left}{'r' * (len(head) - left)}}}\n"
            f"\\toprule\n{' & '.join(map(escape_latex, head))} \\\\\n"
            f"\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n{{\\footnotesize\n{small}}}\n\\end{{table}}\n"
        )
    return "\n".join(out)


def _csv(page: Page) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for table in page.tables:
        for line in table.lines:
            for label, score in [("P", line.p), *line.labels.items()]:
                scores = (score.value, score.low, score.high)
                who = (line.data, line.task, line.name, line.profile, line.seed_text, line.split)
                ties = (line.tie, line.best) if label == "P" else ("", None)
                few = "yes" if label in line.few or (label == "P" and line.few) else ""
                end = (line.metric, line.run, line.published, *ties, line.contamination, few)
                writer.writerow([*who, label, *scores, *end])
    return buffer.getvalue()


def _json(page: Page) -> str:
    tables = [
        {"title": table.title, "rows": [_as_json(line) for line in table.lines], "notes": list(table.notes)}
        for table in page.tables
    ]
    content = {"made_by": MADE_BY, "data": page.data, "title": page.title, "tables": tables}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _as_json(line: Line) -> dict[str, Any]:
    return {"task": line.task, "system": line.name, "profile": line.profile, "seed": line.seed, "split": line.split,
            "metric": line.metric, "P": asdict(line.p),
            "labels": {label: asdict(score) for label, score in line.labels.items()},
            "run": line.run, "published": line.published,
            "few_clusters": sorted(line.few), "conditions": dict(line.conditions), "seeds": list(line.seeds),
            "tie": line.tie or None, "best": line.best, "contamination": line.contamination}  # fmt: skip


def _one_line(text: str) -> str:
    printable = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())
