"""The judge: predictions against the truth, read from disk only now, as one row with its interval.

A held-out label is in memory here and nowhere before: no plugin is called between the reading and the row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from harness.context import Context
from harness.metrics import Metric, get
from harness.statistics.bootstrap import Fold, ScoreInterval, by_group, folds_mean, folds_pooled, interval
from harness.types import Floats, TaskSpec, Video

LEVEL, DRAWS = 0.95, 10_000
FEW = 10  # recordings below which a scene's score says little
ENOUGH, LARGEST = 20, 1 / 3  # recordings that make a label's interval hold its level, and what one may have of it


@dataclass(frozen=True)
class Judged:
    """Per-video statistics of one split with the names they belong to, and the score block of its row.

    `truths` tell each video's judged labels from any other: rows are compared on the same ones alone.
    """

    stats_VLk: np.ndarray[Any, Any]
    videos: list[str]
    groups: list[str]
    truths: list[str]
    score: dict[str, Any]
    coverage: dict[str, Any]
    scenes: dict[str, Any]

    @property
    def fold(self) -> Fold:
        return self.stats_VLk, self.groups


def judge(
    context: Context, videos: Sequence[Video], scores: Mapping[str, Floats], parts: Mapping[str, int]
) -> Judged:
    """Score the held-out videos' predictions: pooled over all labelled rows, interval by recordings; and by part."""
    kind = context.plan.task.kind
    pairs = ((video, kind.decide(scores[video.key]), context.reader.targets(video)) for video in videos)
    return judge_decisions(context.plan.task, pairs, parts)


def judge_decisions(
    task: TaskSpec, judged: Iterable[tuple[Video, Floats, Floats]], parts: Mapping[str, int]
) -> Judged:
    """Score videos, each with its decisions and targets (said_RL, target_RL); no `parts`: no scores by part."""
    metric = get(task.kind.metric)
    videos, stats, truths, positives, coverage = [], [], [], np.zeros(len(task.labels)), _Coverage()
    for video, said_RL, target_RL in judged:
        videos.append(video)
        stats.append(metric.stats(said_RL, target_RL))
        truths.append(truth_hash(target_RL))
        coverage.see(video, target_RL)
        if task.kind.name != "continuous":
            positives += np.nansum(target_RL, axis=0)
    stats_VLk = np.stack(stats)
    groups = [video.group for video in videos]
    found = interval(metric, stats_VLk, groups, level=LEVEL, draws=DRAWS)
    absent = [label for label, n in zip(task.labels, positives, strict=True) if n == 0]
    report = coverage.report() | {"absent_labels": absent if task.kind.name != "continuous" else []}
    few = few_clusters(metric, [(stats_VLk, groups)], task.labels)
    block = score_block(found, task.labels, few)
    scenes = by_scene(metric, stats_VLk, groups, [parts[v.key] for v in videos], task.labels) if parts else {}
    return Judged(stats_VLk, [v.key for v in videos], groups, truths, block, report, scenes)


def truth_hash(target_RL: Floats) -> str:
    """16 hex digits of the SHA-256 of a video's judged labels: which rows, which labels, which values.

    >>> truth_hash(np.array([[1.0], [0.0]])) == truth_hash(np.array([[0.0], [1.0]]))
    False
    """
    plain_RL = np.where(np.isnan(target_RL), np.nan, target_RL + 0.0).astype("<f4")  # one NaN, one zero
    return hashlib.sha256(repr(plain_RL.shape).encode() + plain_RL.tobytes()).hexdigest()[:16]


def by_scene(
    metric: Metric, stats_VLk: np.ndarray[Any, Any], groups: Sequence[str], part_V: Sequence[int], labels: Sequence[str]
) -> dict[str, Any]:
    """Scores on the held-out videos of each part alone; `few` where those come from fewer than FEW recordings."""
    found = {}
    for part in sorted(set(part_V)):
        of_part = [i for i, own in enumerate(part_V) if own == part]
        score_L = metric.score(metric.merge(stats_VLk[of_part]))
        recordings = len({groups[i] for i in of_part})
        found[f"part {part}"] = {
            "videos": len(of_part),
            "recordings": recordings,
            "few": recordings < FEW,
            "P": float(score_L.mean()),
            "labels": dict(zip(labels, score_L.tolist(), strict=True)),
        }
    return found


def judge_folds(metric_name: str, folds: Sequence[Fold], labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Score blocks of `folds-mean` (mean of the fold scores) and `folds-pooled` (statistics merged first)."""
    metric = get(metric_name)
    few = few_clusters(metric, folds, labels)
    return {
        "folds-mean": score_block(folds_mean(metric, folds, level=LEVEL, draws=DRAWS), labels, few),
        "folds-pooled": score_block(folds_pooled(metric, folds, level=LEVEL, draws=DRAWS), labels, few),
    }


def few_clusters(metric: Metric, folds: Sequence[Fold], labels: Sequence[str]) -> list[str]:
    """Labels whose interval rests on few recordings: positives (or rows) in fewer than ENOUGH, or over LARGEST in one.

    There no bootstrap holds its level, and P inherits the doubt (docs/statistics.md).
    """
    stats_GLk = np.concatenate([by_group(metric, *fold)[1] for fold in folds])
    of = dict(zip(metric.columns, np.moveaxis(stats_GLk, -1, 0), strict=True))
    told_GL = of["tp"] + of["fn"] if "tp" in of else of["n"]
    few_L = ((told_GL > 0).sum(axis=0) < ENOUGH) | (told_GL.max(axis=0) > LARGEST * told_GL.sum(axis=0))
    return [label for label, few in zip(labels, few_L.tolist(), strict=True) if few]


def score_block(found: ScoreInterval, labels: Sequence[str], few: Sequence[str] = ()) -> dict[str, Any]:
    """A score interval as a row tells it: fractions, never NaN; `few`: labels with few recordings behind them."""
    return {
        "P": asdict(found.p),
        "labels": {label: asdict(one) for label, one in zip(labels, found.labels, strict=True)},
        "interval": {
            "method": f"cluster bootstrap, {found.method}",
            "level": found.level,
            "draws": found.draws,
            "clusters": found.clusters,
            "of": "raw recordings",
            "for": "these trained models",
            "few_clusters": list(few),
        },
    }


class _Coverage:
    """How much of the held-out side the score speaks of."""

    def __init__(self) -> None:
        self.videos = self.rows = self.labelled = self.faceless = self.unseen = 0

    def see(self, video: Video, target_RL: Floats) -> None:
        labelled_R = ~np.isnan(target_RL).all(axis=1)
        self.videos += 1
        self.rows += len(target_RL)
        self.labelled += int(labelled_R.sum())
        if len(target_RL) == video.frames:
            self.faceless += int((labelled_R & ~video.face_F).sum())
        self.unseen += not video.face_F.any()

    def report(self) -> dict[str, Any]:
        return {
            "videos": self.videos,
            "rows": self.rows,
            "judged_rows": self.labelled,
            "judged_without_face": self.faceless,
            "videos_without_any_face": self.unseen,
        }
