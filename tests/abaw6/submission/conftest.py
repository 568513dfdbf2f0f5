from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from abaw6.specs import TASKS
from abaw6.submission import FORMS
from harness.predict import predictions_table
from harness.records import write_row
from harness.types import Floats, Video

MakeRun = Callable[..., Path]
MakeTemplate = Callable[..., Path]


@pytest.fixture
def scores_for() -> Callable[[str, int, int], Floats]:
    """`scores_for(task, rows, seed)`: scores as a run leaves them: within the range, of one_of a distribution."""

    def make(task: str, rows: int, seed: int) -> Floats:
        spec = TASKS[task]
        scores_RL = np.random.default_rng(seed).random((rows, len(spec.labels)))
        if spec.kind.name == "one_of":
            scores_RL /= scores_RL.sum(axis=1, keepdims=True)
        return (spec.kind.low + (spec.kind.high - spec.kind.low) * scores_RL).astype(np.float32)

    return make


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """`make_run(task, {video: scores_RL}, split=, drop=)`: a finished run's folder; `drop`: pairs (video, frame)."""

    def make(
        task: str, scores: Mapping[str, Floats], split: str = "test", drop: tuple[tuple[str, int], ...] = (), **row: Any
    ) -> Path:
        spec = TASKS[task]
        folder = tmp_path / "runs" / task / "linear@demo" / "run0"
        folder.mkdir(parents=True, exist_ok=True)
        side: Any = "test" if split == "test" else "valid"
        frames = {name: len(scores_RL) if spec.level == "frame" else 40 for name, scores_RL in scores.items()}
        videos = [Video(name, name, side, frames[name], 30.0, np.ones(frames[name], bool)) for name in scores]
        by_key = {video.key: scores[video.id] for video in videos}
        table = predictions_table(videos, dict.fromkeys(by_key, 0), by_key, spec.kind, spec.labels)
        for name, frame in drop:
            table = table[(table["video"] != f"{side}/{name}") | (table["frame"] != frame)]
        table.to_parquet(folder / f"{split}.parquet")
        heading = {"system": "linear", "profile": "demo", "seed": 0, "run": "run0", "partial": None}
        about = {"task": task, "labels": list(spec.labels), "split": split, "data": {"name": "demo"}}
        write_row(folder / f"{split}.json", {"schema": 1, **heading, **about, **row})
        return folder

    return make


@pytest.fixture
def make_template(tmp_path: Path) -> MakeTemplate:
    """`make_template(task, *names, header=)`: a template of these rows."""

    def make(task: str, *names: str, header: str | None = None) -> Path:
        path = tmp_path / f"{task}_test_set_sample.txt"
        path.write_text("".join(f"{line}\n" for line in (FORMS[task].header if header is None else header, *names)))
        return path

    return make
