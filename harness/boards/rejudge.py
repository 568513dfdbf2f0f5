"""Rows judged again from the statistics beside them: what a committed score rests on can be checked, and brought up to
date where the way to make an interval has changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.boards.rows import DEMO, Found
from harness.boards.stats import SUMMARIES, found
from harness.judge import DRAWS, LEVEL, few_clusters, judge_folds, score_block
from harness.metrics import get
from harness.progress import Progress, silent
from harness.records import write_row
from harness.statistics.bootstrap import interval

CLOSE = 1e-9


@dataclass(frozen=True)
class Rejudged:
    """A row and the score its statistics give today; None where there are none: of real data they are not shared."""

    found: Found
    score: Mapping[str, Any] | None

    @property
    def differs(self) -> str:
        """What of the row is not what its statistics give, in words; "" where all is."""
        told = self.found.row["score"]
        if self.score is not None:
            return _difference(told, self.score, "score")
        if self.found.row["data"]["name"] == DEMO:
            return "no statistics lie beside it, which rows of the demo world have"
        mean = sum(one["value"] for one in told["labels"].values()) / len(told["labels"])
        if abs(told["P"]["value"] - mean) > CLOSE:
            return f"score.P: the row says {told['P']['value']}, the mean of its labels is {mean}"
        return ""


def rejudge(rows: Sequence[Found], progress: Progress = silent) -> list[Rejudged]:
    """Every scored row beside the score that its statistics give."""
    scored = [one for one in rows if one.scored]
    return [Rejudged(one, _score(one)) for one in progress(scored, "judge rows again", total=len(scored))]


def bring_up_to_date(rows: Sequence[Rejudged]) -> list[Found]:
    """Write the scores of those rows that differ; returns them."""
    changed = [one for one in rows if one.differs]
    for one in changed:
        write_row(one.found.path, {**one.found.row, "score": one.score})
    return [one.found for one in changed]


def _score(one: Found) -> dict[str, Any] | None:
    row = one.row
    split, labels, metric = row["split"], row["labels"], get(row["metric"])
    given = found(one.path)
    if given is None:
        return None
    folds = [fold.fold for fold in given]
    if split in SUMMARIES:
        return judge_folds(row["metric"], folds, labels)[split]
    score = interval(metric, *folds[0], level=LEVEL, draws=DRAWS)
    return score_block(score, labels, few_clusters(metric, folds, labels))


def _difference(told: Any, given: Any, where: str) -> str:
    if isinstance(told, Mapping) and isinstance(given, Mapping):
        for key in dict.fromkeys((*told, *given)):
            if key not in told or key not in given:
                return f"{where}.{key} is only in the {'row' if key in told else 'statistics'}"
            inner = _difference(told[key], given[key], f"{where}.{key}")
            if inner:
                return inner
        return ""
    both_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (told, given))
    same = abs(told - given) <= CLOSE if both_numbers else told == given
    return "" if same else f"{where}: the row says {told}, its statistics {given}"
