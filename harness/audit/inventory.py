"""What a data set holds for a task, counted: the answer of `harness data check`.

Shapes: R rows of a video, L labels of the task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.splits import FOLDS, folds, histogram, leaks

if TYPE_CHECKING:
    from harness.datasets import Root
    from harness.progress import Progress
    from harness.types import Reader, TaskSpec, Video

SIDES = ("train", "valid", "test")
PAIRS = (("train", "valid"), ("train", "test"), ("valid", "test"))


@dataclass(frozen=True)
class Source:
    """A task's data set as it was found: `reader` treats partly invalid rows as asked for, `masked` keeps them."""

    task: TaskSpec
    root: Root
    reader: Reader
    masked: Reader


@dataclass(frozen=True, eq=False)
class VideoCount:
    """What one video holds: numbers of rows, and per label how many rows hold it, are known, and their sums."""

    video: Video
    rows: int
    valid: int  # rows of which any label is known
    partly: int  # rows of which some labels are known, whatever becomes of them
    valid_without_face: int
    holds_L: NDArray[np.int64]
    known_L: NDArray[np.int64]
    sum_L: NDArray[np.float64]
    squares_L: NDArray[np.float64]
    histogram: NDArray[np.int64]


def count_labels(source: Source, progress: Progress) -> list[VideoCount]:
    """Every video's labels, counted."""
    return [count(source, video) for video in progress(source.reader.videos(), f"read labels {source.task.name}")]


def inventory(source: Source, counts: Sequence[VideoCount]) -> dict[str, Any]:
    """Counts per side and fold, what lies on two sides, images against rows, and what the reader assumed.

    A row is valid where any of its labels is known. Readers may offer `image_counts()` (image files by video id) and
    `notes()`; a reader without them leaves these parts out.
    """
    task, root, reader = source.task, source.root, source.reader
    videos = [one.video for one in counts]
    images: dict[str, int] = reader.image_counts() if hasattr(reader, "image_counts") else {}
    by_side = {side: [one for one in counts if one.video.side == side] for side in SIDES}
    fold_of = fold_numbers(counts)
    by_fold = {
        f"fold-{fold + 1}": [one for one in counts if fold_of.get(one.video.key) == fold]
        for fold in sorted(set(fold_of.values()))
    }
    return {
        "task": task.name,
        "data": root.name,
        "root": str(root.path),
        "sides": {side: _part(task, some, images) for side, some in by_side.items() if some},
        "folds": {fold: _part(task, some, images) for fold, some in by_fold.items()},
        "leaks": [line for trained, held in PAIRS for line in leaks(videos, held, trained)],
        "overlap": [_overlap(videos, one, other) for one, other in PAIRS if by_side[one] and by_side[other]],
        "images_against_rows": [found for video in videos if (found := _images(video, images)) is not None],
        "notes": list(reader.notes()) if hasattr(reader, "notes") else [],
    }


def fold_numbers(counts: Sequence[VideoCount]) -> dict[str, int]:
    """The fold, from 0, of every video of the train and valid sides by key; empty where recordings are too few."""
    videos = [one.video for one in counts if one.video.side != "test"]
    if len({video.group for video in videos}) < FOLDS:
        return {}
    return folds(videos, {one.video.key: one.histogram for one in counts})


def count(source: Source, video: Video) -> VideoCount:
    """One video's labels, read now."""
    kind = source.task.kind
    target_RL = source.reader.targets(video)
    masked_RL = source.masked.targets(video) if kind.name == "any_of" else target_RL
    unknown_RL = np.isnan(masked_RL)
    known_R = ~np.isnan(target_RL).all(axis=1)
    face_R = video.face_F if len(target_RL) == video.frames else np.full(len(target_RL), video.face_F.any())
    return VideoCount(
        video=video,
        rows=len(target_RL),
        valid=int(known_R.sum()),
        partly=int((unknown_RL.any(axis=1) & ~unknown_RL.all(axis=1)).sum()),
        valid_without_face=int((known_R & ~face_R).sum()),
        holds_L=(target_RL > 0).sum(axis=0),
        known_L=(~np.isnan(target_RL)).sum(axis=0),
        sum_L=np.nansum(target_RL, axis=0, dtype=np.float64),
        squares_L=np.nansum(target_RL.astype(np.float64) ** 2, axis=0),
        histogram=histogram(target_RL, kind),
    )


def labels(task: TaskSpec, counts: Sequence[VideoCount]) -> dict[str, dict[str, Any]]:
    """By label: the rows and videos where it holds; for values, their number, mean and spread.

    An empty mapping where no row is labelled.
    """
    known_L, sum_L, squares_L = (
        np.sum([getattr(one, name) for one in counts], axis=0) for name in ("known_L", "sum_L", "squares_L")
    )
    if not known_L.any():
        return {}
    if task.kind.name != "continuous":
        holds_VL = np.stack([one.holds_L for one in counts])
        each = zip(task.labels, holds_VL.sum(axis=0).tolist(), (holds_VL > 0).sum(axis=0).tolist(), strict=True)
        return {label: {"rows": rows, "videos": videos} for label, rows, videos in each}
    mean_L = sum_L / np.maximum(known_L, 1)
    spread_L = np.sqrt(np.maximum(squares_L / np.maximum(known_L, 1) - mean_L**2, 0.0))
    values = zip(task.labels, known_L.tolist(), mean_L.tolist(), spread_L.tolist(), strict=True)
    return {label: {"rows": n, "mean": round(m, 4), "sd": round(s, 4)} for label, n, m, s in values}


def _part(task: TaskSpec, counts: Sequence[VideoCount], images: Mapping[str, int]) -> dict[str, Any]:
    """One side or fold."""
    videos = [one.video for one in counts]
    return {
        "videos": len(videos),
        "recordings": len({video.group for video in videos}),
        "frames": sum(video.frames for video in videos),
        "rows": sum(one.rows for one in counts),
        "valid_rows": sum(one.valid for one in counts),
        "partly_invalid_rows": sum(one.partly for one in counts) if task.kind.name == "any_of" else None,
        "valid_rows_without_face": sum(one.valid_without_face for one in counts),
        "images": sum(images[video.id] for video in videos if video.id in images) if images else None,
        "faceless_frames": sum(int((~video.face_F).sum()) for video in videos),
        "faceless_videos": sum(not video.face_F.any() for video in videos),
        "labels": labels(task, counts),
    }


def _images(video: Video, images: Mapping[str, int]) -> dict[str, Any] | None:
    """How a video's images differ from its frames, which its label rows number; None where each has one."""
    there = int(video.face_F.sum())
    beyond = max(0, images.get(video.id, 0) - there)
    if there == video.frames and not beyond:
        return None
    return {
        "video": video.key,
        "frames": video.frames,
        "images": there + beyond,
        "without_image": video.frames - there,
        "beyond_the_last_row": beyond,
    }


def _overlap(videos: Sequence[Video], one: str, other: str) -> dict[str, Any]:
    """Recordings on two sides, and those of them of which the very same video is on both."""
    groups = {side: {video.group for video in videos if video.side == side} for side in (one, other)}
    ids = {side: {video.id for video in videos if video.side == side} for side in (one, other)}
    return {
        "sides": [one, other],
        "recordings": sorted(groups[one] & groups[other]),
        "videos": sorted(ids[one] & ids[other]),
    }
