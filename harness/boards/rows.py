"""What stands on boards: one line per system, profile, seed and split, from row files; all values are fractions.

Partial rows and rows without a score (split `test`) are left out. Where several runs made the same line, the newest
one stands there. Nothing here reads a clock: of two runs, the one whose files changed last is the newer one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.corpora import Contamination
from harness.errors import HarnessError
from harness.records import read_row

SPLITS = ("official", "fold-1", "fold-2", "fold-3", "fold-4", "fold-5", "folds-mean", "folds-pooled")
ROW_FILE = re.compile(r"(?:official|test|fold-\d+|folds-mean|folds-pooled)\.json")
DEMO = "demo"
FEW_CLUSTERS = (
    "† few clusters: in this label, or in a label of P, fewer than 20 recordings have positive rows, or one recording "
    "has over a third of them; the interval is likely to be too narrow."
)


@dataclass(frozen=True)
class Score:
    """A score as a fraction; published ones have no interval."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """One scored split of one system. `published` is its source; empty for a run of this harness.

    `conditions` are what two lines must share to be comparable: task version, fold list, treatment of partly invalid
    rows, dropping of leaks, rows judged. `few`: labels whose interval rests on few recordings, and with them P.
    `remarks` go below the table the line stands in.

    `tie` and `best` compare it with the others of its table (see `harness.boards.ties`): letters of the tie groups it
    is in, "" where that is not known, and the probability that its P is the highest, a share, None where not known.
    `contamination` says whether the weights saw what they are judged on. `seeds`: of a line that is the mean over
    several seeds (see `harness.boards.seeds`), which; its `seed` is None. `origin`: the row's file.
    """

    data: str
    task: str
    title: str
    metric: str
    split: str
    system: str
    p: Score
    labels: Mapping[str, Score]
    profile: str = ""
    seed: int | None = None
    run: str = ""
    team: str = ""
    published: str = ""
    conditions: tuple[tuple[str, str], ...] = ()
    few: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()
    tie: str = ""
    best: float | None = None
    contamination: Contamination = "unknown"
    seeds: tuple[int, ...] = ()
    origin: Path | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """How a table names the system; a published one by its team too."""
        return ": ".join(part for part in (self.team, self.system) if part) if self.published else self.system

    @property
    def full_name(self) -> str:
        """System, profile and seed."""
        if self.published:
            return self.name
        return f"{self.system}@{self.profile} {self.seed_text if self.seeds else f'seed {self.seed}'}"

    @property
    def seed_text(self) -> str:
        """What a table says in its column of seeds: "0", "3 seeds", or "" for a published line."""
        if self.seeds:
            return f"{len(self.seeds)} seeds"
        return "" if self.seed is None else str(self.seed)

    @property
    def key(self) -> tuple[Any, ...]:
        """Lines with equal keys are the same experiment, run again."""
        return self.data, self.task, self.system, self.profile, self.seed, self.split, self.conditions


@dataclass(frozen=True)
class Found:
    """A row and the file it was read from."""

    path: Path
    row: Mapping[str, Any]

    @property
    def scored(self) -> bool:
        """Whether boards may show it."""
        return self.row["partial"] is None and self.row["score"] is not None


@dataclass
class Collected:
    """The lines of boards, and how many rows were left out, by reason."""

    lines: list[Line]
    left_out: dict[str, int] = field(default_factory=dict)


def find_rows(folder: Path) -> list[Found]:
    """Every row file below `folder`, in order of path; HarnessError for a file that is no row."""
    files = sorted(path for path in folder.rglob("*.json") if ROW_FILE.fullmatch(path.name))
    return [read_found(path) for path in files]


def read_found(path: Path) -> Found:
    """A row with its path; HarnessError where the file is no row."""
    row = read_row(path)
    fields = ("task", "split", "system", "profile", "seed", "run", "partial", "score", "data")
    missing = [name for name in fields if name not in row]
    if missing:
        raise HarnessError(f"{path}: expected a row, it has no {', '.join(missing)}")
    return Found(path, row)


def collect(records: Path, runs: Path | None = None) -> Collected:
    """The lines of committed records and of `runs`. A run's own row stands before a record of an older run."""
    partial = unscored = older = 0
    chosen: dict[tuple[Any, ...], tuple[tuple[Any, ...], Line]] = {}
    for rank, folder in enumerate((records, runs)):
        found = find_rows(folder) if folder is not None and folder.is_dir() else []
        ages = _ages(found)
        for one in found:
            if not one.scored:
                partial += one.row["partial"] is not None
                unscored += one.row["partial"] is None
                continue
            line = line_of(one)
            age = (rank, ages[one.path.parent] if rank else 0, line.run)
            there = chosen.get(line.key)
            older += there is not None and there[1].run != line.run
            if there is None or age > there[0]:
                chosen[line.key] = age, line
    reasons = {"partial": partial, "without a score": unscored, "of an older run": older}
    return Collected([line for _, line in chosen.values()], {reason: n for reason, n in reasons.items() if n})


def line_of(found: Found) -> Line:
    """A row as a line; HarnessError naming the file and the field where one is missing."""
    row = found.row
    try:
        data, score = row["data"], row["score"]
        return Line(
            data=data["name"], task=row["task"], title=row["title"], metric=row["metric"], split=row["split"],
            system=row["system"], profile=row["profile"], seed=row["seed"], run=row["run"],
            p=Score(**score["P"]), labels={label: Score(**score["labels"][label]) for label in row["labels"]},
            conditions=(
                ("task version", str(row["task_version"])), ("metric", row["metric"]),
                ("fold list", data["folds"][:12] or "none"), ("partly invalid rows", data["partial_rows"]),
                ("leaks dropped from training", "yes" if data["dedupe"] else "no"),
                ("judged rows", _judged(row)),
            ),
            few=frozenset(score["interval"].get("few_clusters", ())), remarks=_remarks(row),
            contamination=row.get("contamination", {}).get("verdict", "unknown"), origin=found.path,
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise HarnessError(f"{found.path}: expected a complete row, {type(error).__name__}: {error}") from None


def differences(lines: Iterable[Line]) -> dict[str, dict[str, list[Line]]]:
    """The conditions in which lines differ: by name, by value, the lines that have it. Published lines have none."""
    values: dict[str, dict[str, list[Line]]] = {}
    for line in lines:
        for name, value in line.conditions:
            values.setdefault(name, {}).setdefault(value, []).append(line)
    return {name: by_value for name, by_value in values.items() if len(by_value) > 1}


def in_order(lines: Iterable[Line]) -> list[Line]:
    """Sorted by P, best first; equals by name, profile, seed and run."""
    return sorted(lines, key=rank)


def rank(line: Line) -> tuple[Any, ...]:
    """What a table is sorted by."""
    return -line.p.value, line.name, line.profile, line.seeds, line.seed or 0, line.conditions, line.run


def split_rank(split: str) -> tuple[int, str]:
    """The paper's order of splits."""
    return (SPLITS.index(split) if split in SPLITS else len(SPLITS)), split


def _ages(found: Sequence[Found]) -> dict[Path, int]:
    """When any row of each run's folder was last written: the rows of one run stay together."""
    ages: dict[Path, int] = {}
    for one in found:
        ages[one.path.parent] = max(ages.get(one.path.parent, 0), one.path.stat().st_mtime_ns)
    return ages


def _remarks(row: Mapping[str, Any]) -> tuple[str, ...]:
    how = row["score"]["interval"]
    drawn = f"{how['method']}, {how['draws']:,} draws of {how['of']}"
    remarks = [f"Intervals: {100 * how['level']:g} %, {drawn}, for {how['for']}."]
    if how.get("few_clusters"):
        remarks.append(FEW_CLUSTERS)
    coverage = row["coverage"]
    for label in coverage.get("absent_labels", ()):
        remarks.append(f"{label} has no positive row among those judged in {row['split']}; P counts it all the same.")
    if "scored" in row:
        remarks.append(_scored_remark(row["system"], row["scored"], coverage))
    leaks = coverage.get("leaks", ())
    if leaks:
        fate = "dropped from training" if row["data"]["dedupe"] else "kept"
        remarks.append(f"Recordings on both sides of {row['split']} ({fate}): {'; '.join(sorted(leaks))}.")
    return tuple(remarks)


def _judged(row: Mapping[str, Any]) -> str:
    """Which labelled rows a score speaks of: of predictions from files perhaps those alone that were predicted."""
    part = row.get("scored", {}).get("policy") == "intersection" and row["coverage"]["missing_rows"]
    return "those with a prediction" if part else "all that are labelled"


def _scored_remark(system: str, scored: Mapping[str, Any], coverage: Mapping[str, Any]) -> str:
    """How far predictions that were scored from a file cover what is judged, and what their policy made of the rest."""
    missing, policy = coverage["missing_rows"], scored["policy"]
    labelled = coverage["judged_rows"] + (missing if policy == "intersection" else 0)
    covered = f"{labelled - missing:,} of {labelled:,} labelled rows predicted"
    fate = {"strict": "counted as wrong", "intersection": "not judged"}.get(policy, "")
    rest = f", the others are {fate}" if missing else ""
    never = scored["labels_without_column"]
    labels = f"; no predictions of {', '.join(never)}" if never else ""
    return f"{system}: predictions scored from files, policy {policy}, {covered}{rest}{labels}."
