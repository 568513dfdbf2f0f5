"""What a data set holds for a task, counted: the answer of `harness data check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.splits import leaks
from harness.types import Floats

if TYPE_CHECKING:
    from harness.datasets import Root
    from harness.progress import Progress
    from harness.types import Reader, TaskSpec, Video

SIDES = ("train", "valid", "test")


def inventory(task: TaskSpec, root: Root, reader: Reader, progress: Progress) -> dict[str, Any]:
    """Counts per side, leaks by name, tracks whose images go beyond their rows, and what the reader assumed.

    A row is valid where any of its labels is known. Readers may offer `image_counts()` (image files by video id) and
    `notes()`; a reader without them leaves these parts out.
    """
    videos = reader.videos()
    images = reader.image_counts() if hasattr(reader, "image_counts") else {}
    sides: dict[str, Any] = {}
    for side in SIDES:
        mine = [video for video in videos if video.side == side]
        if mine:
            sides[side] = _side(task, mine, reader, images, progress)
    beyond = [
        {"video": video.key, "frames": video.frames, "images": images[video.id], "beyond": extra}
        for video in videos
        if (extra := images.get(video.id, 0) - int(video.face_F.sum())) > 0
    ]
    return {
        "task": task.name,
        "data": root.name,
        "root": str(root.path),
        "sides": sides,
        "leaks": [*leaks(videos), *leaks([v for v in videos if v.side != "valid"], "test")],
        "images_beyond_rows": beyond,
        "notes": list(reader.notes()) if hasattr(reader, "notes") else [],
    }


def _side(
    task: TaskSpec, videos: Sequence[Video], reader: Reader, images: dict[str, int], progress: Progress
) -> dict[str, Any]:
    totals = {"rows": 0, "valid_rows": 0, "valid_rows_without_face": 0}
    tally = Tally(task)
    for video in progress(videos, f"read labels {task.name} {videos[0].side}"):
        target_RL = reader.targets(video)
        known_R = ~np.isnan(target_RL).all(axis=1)
        face_R = video.face_F if len(target_RL) == video.frames else np.full(len(target_RL), video.face_F.any())
        totals["rows"] += len(target_RL)
        totals["valid_rows"] += int(known_R.sum())
        totals["valid_rows_without_face"] += int((known_R & ~face_R).sum())
        tally.add(target_RL)
    return {
        "videos": len(videos),
        "recordings": len({video.group for video in videos}),
        "frames": sum(video.frames for video in videos),
        **totals,
        "images": sum(images[video.id] for video in videos if video.id in images) if images else None,
        "faceless_frames": sum(int((~video.face_F).sum()) for video in videos),
        "labels": tally.result(),
    }


class Tally:
    """Per label: the rows and videos where it holds; for values, their number, mean and spread."""

    def __init__(self, task: TaskSpec) -> None:
        self._task = task
        length = len(task.labels)
        self._rows_L, self._videos_L = np.zeros(length, int), np.zeros(length, int)
        self._known_L, self._sum_L, self._squares_L = np.zeros(length, int), np.zeros(length), np.zeros(length)

    def add(self, target_RL: Floats) -> None:
        """One video."""
        holds_RL = target_RL > 0
        self._rows_L += holds_RL.sum(axis=0)
        self._videos_L += holds_RL.any(axis=0)
        self._known_L += (~np.isnan(target_RL)).sum(axis=0)
        self._sum_L += np.nansum(target_RL, axis=0, dtype=np.float64)
        self._squares_L += np.nansum(target_RL.astype(np.float64) ** 2, axis=0)

    def result(self) -> dict[str, dict[str, Any]]:
        """By label; an empty mapping where no row is labelled."""
        if not self._known_L.any():
            return {}
        if self._task.kind.name != "continuous":
            rows = zip(self._task.labels, self._rows_L.tolist(), self._videos_L.tolist(), strict=True)
            return {label: {"rows": count, "videos": videos} for label, count, videos in rows}
        count_L = np.maximum(self._known_L, 1)
        mean_L = self._sum_L / count_L
        spread_L = np.sqrt(np.maximum(self._squares_L / count_L - mean_L**2, 0.0))
        values = zip(self._task.labels, self._known_L.tolist(), mean_L.tolist(), spread_L.tolist(), strict=True)
        return {label: {"rows": n, "mean": round(m, 4), "sd": round(s, 4)} for label, n, m, s in values}
