"""Training procedures on the same recordings: several seeds of each, their mean scores and how these differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.compare import Judged, like, read_judged, refuse_different_rows, run_folders
from harness.errors import UserError
from harness.metrics import get
from harness.statistics.bootstrap import Difference, Fold
from harness.statistics.draws import pooled
from harness.statistics.two_level import paired_seeds_mean


@dataclass(frozen=True)
class Procedure:
    """Runs of one system on one split that differ in the seed alone, in its order."""

    runs: tuple[Judged, ...]

    @property
    def row(self) -> Mapping[str, Any]:
        """The row of its first run: what all of them share."""
        return self.runs[0].row

    @property
    def name(self) -> str:
        """How the comparison names it."""
        seeds = ", ".join(str(run.row["seed"]) for run in self.runs)
        return f"{self.row['system']}@{self.row['profile']} seeds {seeds}"

    @property
    def scores(self) -> dict[str, float]:
        """Mean over the runs, of every label and of P."""
        return {name: sum(run.scores[name] for run in self.runs) / len(self.runs) for name in self.runs[0].scores}

    def told(self) -> dict[str, Any]:
        """What JSON says of it."""
        row = self.row
        return {
            "system": row["system"], "profile": row["profile"], "seeds": [run.row["seed"] for run in self.runs],
            "runs": [run.row["run"] for run in self.runs], "partial": row["partial"], "P": self.scores["P"],
        }  # fmt: skip


def read_procedures(sources: Sequence[Path], split: str) -> list[Procedure]:
    """The runs in these folders (each one run, or a folder of runs) by system and profile, in order of appearance.

    UserError for a system with a single seed, with two runs of one seed, or with runs judged differently.
    """
    found: dict[tuple[str, str], list[Judged]] = {}
    for folder in dict.fromkeys(folder for source in sources for folder in run_folders(source)):
        judged = read_judged(folder, split)
        found.setdefault((judged.row["system"], judged.row["profile"]), []).append(judged)
    return [_procedure(runs) for runs in found.values()]


def compare_procedures(first: Procedure, other: Procedure, **how: Any) -> Difference:
    """How much `other` scores above `first`, on average over seeds; UserError where they were judged differently.

    `how`: level, draws, seed and method of `harness.statistics.two_level`.
    """
    refuse_different_rows(first.runs[0], other.runs[0])
    metric, reference = get(first.row["metric"]), first.runs[0]

    def folds_of(run: Judged) -> list[Fold]:
        pairs = zip(reference.folds, run.folds, strict=True)
        folds = [like(metric, a, b, reference, run).fold for a, b in pairs]
        return [pooled(metric, folds)] if first.row["split"] == "folds-pooled" else folds

    sides = [[folds_of(run) for run in procedure.runs] for procedure in (other, first)]
    return paired_seeds_mean(metric, *sides, **how)


def _procedure(runs: Sequence[Judged]) -> Procedure:
    by_seed = {run.row["seed"]: run for run in runs}
    name = f"{runs[0].row['system']}@{runs[0].row['profile']}"
    if len(by_seed) < len(runs):
        twice = next(run for run in runs if by_seed[run.row["seed"]] is not run)
        other = by_seed[twice.row["seed"]]
        raise UserError(f"{name} has two runs of seed {twice.row['seed']}: {twice.folder} and {other.folder}; name one")
    if len(runs) < 2:
        raise UserError(f"Expected two seeds or more of {name}, came seed {runs[0].row['seed']} alone; see --seed of "
                        "'harness run', or compare single runs without --seeds")  # fmt: skip
    ordered = [by_seed[seed] for seed in sorted(by_seed)]
    for run in ordered[1:]:
        refuse_different_rows(ordered[0], run)
    return Procedure(tuple(ordered))
