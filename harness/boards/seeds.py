"""Several seeds of one system as one more line: what its training procedure scores, not one of its trained models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.boards.rows import Line, Score, rank
from harness.boards.stats import FoldStats, Unlike, aligned, found
from harness.corpora import Contamination
from harness.judge import DRAWS, LEVEL
from harness.metrics import Metric, get
from harness.progress import Progress, silent
from harness.statistics.bootstrap import Estimate, Fold
from harness.statistics.draws import pooled
from harness.statistics.two_level import seeds_mean

NOTE = (
    f"Rows of several seeds: their mean, with a {100 * LEVEL:g} % interval for the training procedure (recordings and "
    "seeds are drawn), as opposed to one for these trained models (recordings alone); without an interval where not "
    "all statistics are here. Of two or three seeds whose scores lie far apart the interval is likely to be too "
    "narrow."
)
DOUBT: tuple[Contamination, ...] = ("held-out", "unknown", "in-sample")


def with_seeds(lines: Sequence[Line], split: str, progress: Progress = silent) -> list[Line]:
    """The same lines, and one more for each system, profile and conditions that has several seeds on `split`."""
    systems: dict[tuple[object, ...], list[Line]] = {}
    for line in lines:
        if line.split == split and not line.published and not line.seeds:
            key = (line.data, line.task, line.system, line.profile, line.conditions)
            systems.setdefault(key, []).append(line)
    several = [sorted(some, key=lambda line: line.seed or 0) for some in systems.values() if len(some) > 1]
    drawn = progress(several, "draw recordings and seeds", total=len(several)) if several else ()
    return [*lines, *map(mean_line, drawn)]


def mean_line(lines: Sequence[Line]) -> Line:
    """The mean over lines that differ in their seed (and run) alone."""
    first = min(lines, key=rank)
    p, labels = _scores(lines, first)
    return replace(
        first, p=p, labels=labels, seed=None, seeds=tuple(line.seed or 0 for line in lines),
        run="", origin=None, remarks=(), few=frozenset().union(*(line.few for line in lines)),
        contamination=max((line.contamination for line in lines), key=DOUBT.index),
    )  # fmt: skip


def _scores(lines: Sequence[Line], first: Line) -> tuple[Score, dict[str, Score]]:
    """P and every label: means, with intervals where the statistics of every run are here."""
    metric = get(first.metric)
    runs = _on_the_same_labels(metric, lines)
    if runs is None:
        labels = {label: Score(_mean([line.labels[label].value for line in lines])) for label in first.labels}
        return Score(_mean([line.p.value for line in lines])), labels
    if first.split == "folds-pooled":
        runs = [[pooled(metric, folds)] for folds in runs]
    interval = seeds_mean(metric, runs, level=LEVEL, draws=DRAWS)
    labels = {label: _score(one) for label, one in zip(first.labels, interval.labels, strict=True)}
    return _score(interval.p), labels


def _on_the_same_labels(metric: Metric, lines: Sequence[Line]) -> list[list[Fold]] | None:
    """The folds of every run; None where one has no statistics here, or was judged on other labels."""
    given: list[tuple[FoldStats, ...]] = []
    for line in lines:
        folds = found(line.origin) if line.origin else None
        if folds is None:
            return None
        given.append(folds)
    try:
        return [[aligned(metric, a, b).fold for a, b in zip(given[0], run, strict=True)] for run in given]
    except Unlike:
        return None


def _score(estimate: Estimate) -> Score:
    return Score(estimate.value, estimate.low, estimate.high)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
