"""What a row of scored predictions says beside its score, and the table of predictions it leaves.

Shapes: R rows of a video, L labels of the task.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.records import SCHEMA
from harness.row import judged_on, machine
from harness.scoring.matching import Matched
from harness.splits import Split
from harness.types import Floats, TaskSpec, Video

if TYPE_CHECKING:
    from harness.scoring.score import Scoring

TOLD = 20  # how many videos whose rows differ a row explains


def heading(scoring: Scoring) -> dict[str, Any]:
    """The fields that every row of one scoring shares: those of a run's row, and `scored`, which says what was read."""
    task, data, request, predictions = scoring.task, scoring.data, scoring.request, scoring.predictions
    return {
        "schema": SCHEMA,
        **judged_on(
            task,
            name=data.name,
            fingerprint=data.fingerprint,
            folds=data.folds,
            partial_rows=request.partial_rows,
            dedupe=False,
        ),
        "system": request.name,
        "plugin": "",
        "profile": scoring.profile,
        "run": scoring.run,
        "seed": 0,
        "partial": None,
        "components": {},
        "scored": {
            "source": request.source.resolve().name,
            "sha256": scoring.digest,
            "format": scoring.form,
            "policy": request.policy,
            "renamed": dict(request.reading.renamed),
            "first_frame": request.reading.first_frame,
            "labels_without_column": list(predictions.missing),
            "columns_not_used": list(predictions.unused),
            "notes": list(predictions.notes),
        },
        "parts": None,
        "choices": [],
        "command": request.command,
        "env": machine(1, "cpu", "fp64"),
    }


def coverage_of(split: Split, matched: Matched) -> dict[str, Any]:
    """How the predictions cover the held-out videos. `missing_rows` are labelled, `unlabelled_rows_absent` are not."""
    frames = matched.frames
    differing = [one for one in frames if not one.exact]
    return {
        "held_videos": len(split.held),
        "leaks": [],
        "predicted_videos": len(frames) - len(matched.absent),
        "predicted_rows": sum(one.predicted for one in frames),
        "labelled_rows": sum(one.labelled for one in frames),
        "matched_rows": sum(one.labelled - one.missing for one in frames),
        "missing_rows": sum(one.missing for one in frames),
        "unlabelled_rows_absent": sum(one.unlabelled for one in frames),
        "rows_beyond": sum(one.beyond for one in frames),
        "rows_without_value": sum(one.empty for one in frames),
        "videos_without_rows": list(matched.absent),
        "videos_of_other_splits": len(matched.elsewhere),
        "unknown_videos": list(matched.unknown),
        "differing_videos": len(differing),
        "differences": [one.explained() for one in differing[:TOLD]],
    }


def decisions_table(
    task: TaskSpec, videos: Sequence[Video], scores: Mapping[str, Floats], said: Mapping[str, Floats]
) -> bytes:
    """Every row of the videos as parquet: video, frame (from 1), part, a score per label, decision; never the truth.

    A row without a prediction has neither score nor decision, one that decides for none of the labels no score. A label
    that the source has no column for has a score that decides for it nowhere (see `_never_best`).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    scores_RL = np.concatenate([scores[video.key] for video in videos])
    said_RL = np.concatenate([said[video.key] for video in videos])
    none_R = np.isnan(scores_RL).all(axis=1)
    scores_RL = _never_best(scores_RL, task)
    if task.kind.name == "one_of":
        scores_RL[(said_RL == 0).all(axis=1)] = np.nan
    rows = [len(scores[video.key]) for video in videos]
    frame_R = np.concatenate([np.arange(1, n + 1) if task.level == "frame" else np.zeros(n, np.int64) for n in rows])
    code_R = np.repeat(np.arange(len(videos), dtype=np.int32), rows)
    columns = {
        "video": pa.DictionaryArray.from_arrays(code_R, [video.key for video in videos]).cast(pa.string()),
        "frame": pa.array(frame_R),
        "part": pa.array(np.zeros(len(frame_R), np.int64)),
        **{f"score {label}": pa.array(scores_RL[:, i], from_pandas=True) for i, label in enumerate(task.labels)},
        "decision": _words(task, said_RL, none_R),
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _never_best(scores_RL: Floats, task: TaskSpec) -> Floats:
    """Scores of rows with a prediction where the source has no column for a label: 1 below the row's lowest (one_of),
    0 (any_of), the middle of the scale (continuous)."""
    none_RL = np.isnan(scores_RL)
    if task.kind.name == "continuous":
        fill_R1 = np.full((len(scores_RL), 1), (task.kind.low + task.kind.high) / 2, np.float32)
    elif task.kind.name == "any_of":
        fill_R1 = np.zeros((len(scores_RL), 1), np.float32)
    else:
        fill_R1 = np.where(none_RL, np.float32(np.inf), scores_RL).min(axis=1, keepdims=True) - 1
    filled_RL: Floats = np.where(none_RL & ~none_RL.all(axis=1, keepdims=True), fill_R1, scores_RL)
    return filled_RL


def _words(task: TaskSpec, said_RL: Floats, none_R: Any) -> Any:
    """Decisions in words (labels joined by +, "" for continuous values), each different one spelt once."""
    import pyarrow as pa

    if task.kind.name == "continuous":
        return pa.array([""] * len(said_RL))
    code_R = (said_RL > 0) @ (1 << np.arange(said_RL.shape[1], dtype=np.int64))
    code_U, index_R = np.unique(code_R, return_inverse=True)
    words = ["+".join(label for i, label in enumerate(task.labels) if code >> i & 1) for code in code_U.tolist()]
    indices = pa.array(index_R.astype(np.int32), mask=none_R)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string())).cast(pa.string())
