"""The rows a template asks for, from what a run predicted; every row that was not predicted is filled and counted.

Rule: a frame without a prediction takes the scores of the nearest predicted frame of its video (the earlier of two);
a video without any takes the mean scores of the run's whole split. Decisions are made afterwards, as in any run.

Shapes: R rows of the template, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abaw6.submission.run import RunScores, Scores
from abaw6.submission.template import Template
from harness.errors import UserError
from harness.kinds import Kind
from harness.types import Floats

RULE = (
    "a frame without a prediction takes the scores of the nearest predicted frame of its video, the earlier of two; "
    "a video without any takes the mean scores of the run"
)


@dataclass(frozen=True, eq=False)
class Filled:
    """`decision_RL` of the template's rows: one-hot, 0/1, or values within the task's range.

    `nearest` and `mean` count filled rows by video; `mean_L` is what videos without a prediction took, decided.
    `run_rows` is how many rows the run predicted; in `clipped` rows of the file a value lay outside the range.
    """

    decision_RL: Floats
    nearest: Mapping[str, int]
    mean: Mapping[str, int]
    mean_L: Floats
    run_rows: int
    clipped: int

    @property
    def predicted(self) -> int:
        """Rows of the template that were predicted."""
        return len(self.decision_RL) - sum(self.nearest.values()) - sum(self.mean.values())

    @property
    def unasked(self) -> int:
        """Predicted rows that have no place in the template."""
        return self.run_rows - self.predicted


def fill(template: Template, run: RunScores) -> Filled:
    """Decisions for every row of the template; UserError where the run predicted none of its videos."""
    rows_of: dict[str, list[int]] = {}
    for row, place in enumerate(template.places):
        rows_of.setdefault(place.video, []).append(row)
    known = {video: run.videos[video] for video in rows_of if video in run.videos and len(run.videos[video].frame_N)}
    if not known:
        raise UserError(f"{template.path} names none of the run's videos: expected some of {_some(run.videos)}; "
                        f"got {_some(rows_of)}")  # fmt: skip
    all_NL = np.concatenate([scores.scores_NL for scores in run.videos.values()])
    mean_L = all_NL.mean(axis=0, dtype=np.float64).astype(np.float32)
    scores_RL = np.tile(mean_L, (len(template.places), 1))
    nearest: dict[str, int] = {}
    for video, scores in known.items():
        rows = rows_of[video]
        frame_R = np.array([template.places[row].frame for row in rows])
        taken_R = nearest_rows(scores, frame_R)
        scores_RL[rows] = scores.scores_NL[taken_R]
        missing = int((scores.frame_N[taken_R] != frame_R).sum())
        nearest |= {video: missing} if missing else {}
    mean = {video: len(rows) for video, rows in rows_of.items() if video not in known}
    kind = template.form.task.kind
    decision_RL = _decided(scores_RL, kind)
    clipped = int((decision_RL != scores_RL).any(axis=1).sum()) if kind.name == "continuous" else 0
    return Filled(decision_RL, nearest, mean, _decided(mean_L[None], kind)[0], len(all_NL), clipped)


def nearest_rows(scores: Scores, frame_R: NDArray[np.int64]) -> NDArray[np.intp]:
    """For each frame the row of the nearest predicted one, the earlier of two."""
    after_R = np.searchsorted(scores.frame_N, frame_R).clip(0, len(scores.frame_N) - 1)
    before_R = (after_R - 1).clip(0)
    nearer_R = frame_R - scores.frame_N[before_R] <= scores.frame_N[after_R] - frame_R
    return np.where(nearer_R & (scores.frame_N[after_R] != frame_R), before_R, after_R)


def _decided(scores_RL: Floats, kind: Kind) -> Floats:
    decision_RL = kind.decide(scores_RL)
    return decision_RL.clip(kind.low, kind.high) if kind.name == "continuous" else decision_RL


def _some(names: Mapping[str, object]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(sorted(names)[:3]) + more
