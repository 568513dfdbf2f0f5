"""Published scores: facts from papers and challenge pages, as lines that stand beside runs on the same data only.

The file is CSV with the columns task, system, team, split, label, value, unit, source; label `Avg` is P, unit is
`percent` or `fraction`. Tasks other than the five tracks need the columns data and metric too. A column contamination
may say what a source states of its weights (see `harness.corpora`); without a word it is unknown.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from harness.boards.rows import Line, Score
from harness.corpora import VERDICTS, Contamination
from harness.errors import HarnessError

TRACKS = {  # task -> the data set its published scores were measured on, metric, title
    "va": ("aff-wild2", "ccc", "Valence-arousal estimation"),
    "expr": ("aff-wild2", "f1", "Expression recognition"),
    "au": ("aff-wild2", "f1", "Action unit detection"),
    "ce": ("c-expr", "f1", "Compound expression recognition"),
    "emi": ("hume-vidmimic2", "pearson", "Emotional mimicry intensity estimation"),
}
COLUMNS = ("task", "system", "team", "split", "label", "value", "unit", "source")
UNITS = {"percent": 100.0, "fraction": 1.0}
P = "Avg"


def read_published(path: Path) -> list[Line]:
    """Published lines in the file's order; HarnessError naming file and line for what cannot be read."""
    groups: dict[tuple[str, ...], dict[str, Score]] = {}
    first: dict[tuple[str, ...], int] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise HarnessError(f"{path}: expected the columns {', '.join(COLUMNS)}; missing: {', '.join(missing)}")
        for fields in reader:
            where = f"{path}, line {reader.line_num}"
            data, metric = _place(fields, where)
            key: tuple[str, ...] = (
                data,
                fields["task"],
                metric,
                fields["split"],
                fields["system"],
                fields["team"],
                fields["source"],
                _verdict(fields, where),
            )
            scores = groups.setdefault(key, {})
            first.setdefault(key, reader.line_num)
            if fields["label"] in scores:
                raise HarnessError(f"{where}: {fields['label']} of this system and split stands there twice")
            scores[fields["label"]] = Score(_fraction(fields, where))
    for of, scores in groups.items():
        if P not in scores:
            raise HarnessError(f"{path}, line {first[of]}: expected a score {P} of this system and split too")
    return [_line(of, scores) for of, scores in groups.items()]


def _line(key: tuple[str, ...], scores: Mapping[str, Score]) -> Line:
    data, task, metric, split, system, team, source, verdict = key
    labels = {label: score for label, score in scores.items() if label != P}
    title = TRACKS[task][2] if task in TRACKS else task
    return Line(data=data, task=task, title=title, metric=metric, split=split, system=system, team=team,
                p=scores[P], labels=labels, published=source, contamination=cast(Contamination, verdict))  # fmt: skip


def _place(fields: Mapping[str, str | None], where: str) -> tuple[str, str]:
    if any(fields[name] is None for name in COLUMNS):
        raise HarnessError(f"{where}: expected {len(COLUMNS)} fields, came fewer")
    if not fields["source"] or not (fields["system"] or fields["team"]):
        raise HarnessError(f"{where}: expected a source, and a system or a team")
    known = TRACKS.get(fields["task"] or "", ("", "", ""))
    data, metric = fields.get("data") or known[0], fields.get("metric") or known[1]
    if not data or not metric:
        raise HarnessError(f"{where}: task {fields['task']!r} is none of {', '.join(TRACKS)}; "
                           "expected the columns data and metric to say where it was measured, and how")  # fmt: skip
    return data, metric


def _verdict(fields: Mapping[str, str | None], where: str) -> str:
    verdict = fields.get("contamination") or "unknown"
    if verdict not in VERDICTS:
        raise HarnessError(f"{where}: expected contamination to be one of {', '.join(VERDICTS)}, came {verdict!r}")
    return verdict


def _fraction(fields: Mapping[str, str], where: str) -> float:
    if fields["unit"] not in UNITS:
        raise HarnessError(f"{where}: expected a unit of {', '.join(UNITS)}, came {fields['unit']!r}")
    try:
        value = float(fields["value"]) / UNITS[fields["unit"]]
    except ValueError:
        raise HarnessError(f"{where}: expected a number, came {fields['value']!r}") from None
    if not math.isfinite(value) or not -1 <= value <= 1:
        raise HarnessError(f"{where}: expected a score between -1 and 1, came {fields['value']} {fields['unit']}")
    return value
