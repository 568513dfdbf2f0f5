"""Finished runs made by hand: rows and statistics on disk as `harness run` leaves them, without a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.judge import score_block
from harness.metrics import get
from harness.records import write_row, write_stats
from harness.statistics.bootstrap import folds_mean, folds_pooled, interval

LABELS = {"f1": ("Anger", "Joy"), "ccc": ("valence", "arousal"), "pearson": ("Anger", "Joy")}


def write_run(
    root: Path, *splits: str, skill: float = 0.5, runs: str = "runs", draws: int = 200, **changes: Any
) -> Path:
    """A run's folder below `root/runs` with these splits (default: official); `changes` replace fields of its rows."""
    row = row_of("official", {"labels": {}}, **changes)
    metric, labels = get(row["metric"]), LABELS[row["metric"]]
    folder = root / runs / row["task"] / f"{row['system']}@{row['profile']}".replace("/", "-") / row["run"]
    rng = np.random.default_rng(row["seed"])
    made = {}
    for split in splits or ("official",):
        if split.startswith("folds-"):
            over = folds_mean if split == "folds-mean" else folds_pooled
            found = over(metric, [made[f"fold-{i}"] for i in range(1, 6)], draws=draws)
        else:
            first = 6 * int(split.removeprefix("fold-")) if split.startswith("fold-") else 0
            stats, videos, groups = stats_of(row["metric"], rng, skill, first)
            write_stats(folder / f"{split}.stats.npz", stats, videos, groups, level="frame")
            made[split] = stats, groups
            found = interval(metric, stats, groups, draws=draws)
        write_row(folder / f"{split}.json", row_of(split, score_block(found, labels), **changes))
    return folder


def row_of(split: str, score: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A row as runs write it; `changes` replace its fields, those of `data` one by one."""
    data = {
        **{"name": "demo", "reader": "aff-wild2", "fingerprint": "f", "folds": "a1" * 32},
        **{"partial_rows": "any", "dedupe": False},
    }
    row = {
        "schema": 1, "task": "expr", "task_version": 1, "title": "Expression recognition", "metric": "f1",
        "level": "frame", "labels": list(score["labels"]), "system": "linear", "plugin": "abaw_baselines",
        "profile": "demo", "run": "run0", "seed": 0, "partial": None, "components": {}, "split": split, "score": score,
        "coverage": {"videos": 6, "rows": 60, "judged_rows": 60, "absent_labels": [], "leaks": []},
        "parts": None, "choices": [], "command": "harness run", "cost": {"wall_s": 1.0}, "env": {},
    }  # fmt: skip
    return {**row, **changes, "data": {**data, **changes.get("data", {})}}


def stats_of(metric: str, rng: np.random.Generator, skill: float, first: int) -> tuple[Any, list[str], list[str]]:
    """Six videos of three recordings; the truth depends on the video alone, how well it is met on `skill`."""
    stats = []
    for video in range(first, first + 6):
        target_RL = np.random.default_rng(video).random((20, 2))
        pred_RL = skill * target_RL + (1 - skill) * rng.random((20, 2))
        pair = (pred_RL > 0.5, target_RL > 0.5) if metric == "f1" else (pred_RL, target_RL)
        stats.append(get(metric).stats(*(side.astype(float) for side in pair)))
    names = [f"valid/video{i}" for i in range(first, first + 6)]
    return np.stack(stats), names, [f"recording{i // 2}" for i in range(first, first + 6)]
