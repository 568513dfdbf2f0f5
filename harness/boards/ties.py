"""Which rows of a table cannot be told apart, and how likely each is the best of them, from the statistics beside them.

Compared are runs of one task on one data set and split that were judged under the same conditions and on the same
labels. Of a published score, of a row without statistics here, and of one judged otherwise than most, nothing is known,
and nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.boards.rows import Line, rank
from harness.boards.stats import FoldStats, Unlike, aligned, found
from harness.judge import DRAWS, LEVEL
from harness.metrics import Metric, get
from harness.progress import Progress, silent
from harness.statistics.bootstrap import Fold
from harness.statistics.draws import pooled
from harness.statistics.ties import standings

NOTE = (
    "Tie: rows that share a letter cannot be told apart (paired bootstrap over recordings, every pair of the table, "
    f"Holm-corrected, {100 * LEVEL:g} %). Best: the share of draws in which this row has the highest P. An empty cell: "
    "not compared, for want of statistics here or because it was judged under other conditions."
)


def with_ties(lines: Sequence[Line], split: str, progress: Progress = silent) -> list[Line]:
    """The same lines; those of `split` that can be compared with others know their `tie` and `best`."""
    tables: dict[tuple[str, str], list[int]] = {}
    for number, line in enumerate(lines):
        if line.split == split and line.origin is not None and not line.seeds:
            tables.setdefault((line.data, line.task), []).append(number)
    made = list(lines)
    shown = progress(tables.values(), "compare the rows of each table", total=len(tables)) if tables else ()
    for numbers in shown:
        numbers.sort(key=lambda number: rank(lines[number]))  # so that the order of lines changes nothing
        for number, line in zip(numbers, _compared([lines[n] for n in numbers]), strict=True):
            made[number] = line
    return made


def _compared(lines: Sequence[Line]) -> list[Line]:
    """The lines of one table, best first."""
    counts = Counter(line.conditions for line in lines)
    usual = min(counts, key=lambda conditions: (-counts[conditions], conditions))
    given = {i: found(line.origin) for i, line in enumerate(lines) if line.origin and line.conditions == usual}
    known = {i: folds for i, folds in given.items() if folds is not None}
    if not known:
        return list(lines)
    metric = get(lines[min(known)].metric)
    systems = _on_the_same_labels(metric, known)
    if len(systems) < 2:
        return list(lines)
    if lines[0].split == "folds-pooled":
        systems = {i: [pooled(metric, folds)] for i, folds in systems.items()}
    found_for = dict(zip(systems, standings(metric, list(systems.values()), level=LEVEL, draws=DRAWS), strict=True))
    return [
        replace(line, tie=found_for[i].tie, best=found_for[i].best) if i in found_for else line
        for i, line in enumerate(lines)
    ]


def _on_the_same_labels(metric: Metric, given: Mapping[int, Sequence[FoldStats]]) -> dict[int, list[Fold]]:
    """The folds of most rows, those that agree on the labels; of equally many, of those with the best row."""
    agreeing: list[dict[int, list[FoldStats]]] = []
    for i, folds in given.items():
        for members in agreeing:
            reference = next(iter(members.values()))
            try:
                members[i] = [aligned(metric, a, b) for a, b in zip(reference, folds, strict=True)]
                break
            except Unlike:
                continue
        else:
            agreeing.append({i: list(folds)})
    return {i: [fold.fold for fold in folds] for i, folds in max(agreeing, key=len).items()}
