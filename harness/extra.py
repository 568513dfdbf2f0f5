"""Extra training data (paper 4.2): labelled videos and stills of other sources, in the train part and nowhere else.

Shapes: R rows of a video, L labels of the task.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import MissingData
from harness.plugins import Plugins, files_hash, source_hash
from harness.types import Audio, Extra, Floats, Image, Reader, SceneFrame, TaskSpec, Video, View


@dataclass(frozen=True, eq=False)
class ExtraData:
    """One source as it was read: what of it is taken, under names that no other data set has."""

    name: str
    extra: Extra
    task: TaskSpec
    reader: Reader
    fingerprint: str
    origin: Mapping[str, Video]  # the reader's own video by the key it has here
    videos: tuple[Video, ...]

    def targets(self, video: Video) -> Floats:
        """target_RL of one of its videos; labels that are not kept are NaN."""
        return kept(self.reader.targets(self.origin[video.key]), self.extra, self.task)

    def identity(self) -> dict[str, Any]:
        """What a stage that takes it depends on."""
        return {
            **dataclasses.asdict(self.extra),
            "fingerprint": self.fingerprint,
            "reader": source_hash(type(self.reader)),
            "rules": files_hash(("harness.extra",)),
            "videos": hashlib.sha256("\n".join(self.origin).encode()).hexdigest(),
        }

    def report(self) -> dict[str, Any]:
        """What was really added, counted."""
        target_RL = np.concatenate([self.targets(video) for video in self.videos])
        held_L = np.nansum(target_RL, axis=0) if self.task.kind.name != "continuous" else (~np.isnan(target_RL)).sum(0)
        return {
            **{k: v for k, v in dataclasses.asdict(self.extra).items() if k != "source"},
            "videos": len(self.videos),
            "rows": int((~np.isnan(target_RL).all(axis=1)).sum()),
            "by_label": {label: int(n) for label, n in zip(self.task.labels, held_L, strict=True) if n},
            "fingerprint": self.fingerprint,
        }


def read(
    plugins: Plugins, extras: Mapping[str, Extra], task: TaskSpec, locate: Callable[[str], Path], *, limit: int = 0
) -> tuple[ExtraData, ...]:
    """Every source, from where `locate` says; at most `limit` videos of each (0: all).

    MissingData where a source is not there, or has nothing for the task; both say how to run without it.
    """
    return tuple(_read(plugins, name, extra, task, locate, limit) for name, extra in extras.items())


def _read(
    plugins: Plugins, name: str, extra: Extra, task: TaskSpec, locate: Callable[[str], Path], limit: int
) -> ExtraData:
    without = f"to run without it: --set extra_train.{name}=none (without any: --set extra_train=none)"
    try:
        root = locate(extra.data)
        reader: Reader = plugins.provided("readers")[extra.data].thing(root, task, "mask")
        found = reader.videos()
    except MissingData as error:
        raise MissingData(f"{error}. It is extra training data; {without}") from None
    taken = sorted(taken_of(found, reader, extra, task)[: limit or None], key=lambda video: video.key)
    if not taken:
        wanted = extra.labels or ", ".join(task.labels)
        at_most = f", at most {extra.cap} rows" if extra.cap else ""
        raise MissingData(f"extra_train.{name}: {root} has no training sample of {wanted}{at_most}; {without}")
    named = tuple(dataclasses.replace(v, id=f"{name}:{v.id}", group=f"{name}:{v.group}") for v in taken)
    origin = {mine.key: own for mine, own in zip(named, taken, strict=True)}
    return ExtraData(name, extra, task, reader, reader.fingerprint(), origin, named)


def taken_of(videos: Sequence[Video], reader: Reader, extra: Extra, task: TaskSpec) -> list[Video]:
    """Train-side videos with a kept label, in an order of their names' hashes, as many whole ones as the cap allows."""
    taken, rows = [], 0
    for video in sorted(videos, key=lambda video: hashlib.sha256(video.id.encode()).digest()):
        if video.side != "train" or not video.face_F.any():
            continue
        n = int((~np.isnan(kept(reader.targets(video), extra, task)).all(axis=1)).sum())
        if n and not (extra.cap and rows + n > extra.cap):
            taken.append(video)
            rows += n
    return taken


def kept(target_RL: Floats, extra: Extra, task: TaskSpec) -> Floats:
    """Targets with the labels that are not kept made unknown: of a row with one label the whole row."""
    names = set(extra.labels.split(",")) if extra.labels else set(task.labels)
    dropped_L = np.array([label not in names for label in task.labels])
    if task.kind.name == "one_of":
        dropped_RL = np.broadcast_to((target_RL[:, dropped_L] > 0).any(axis=1, keepdims=True), target_RL.shape)
    else:
        dropped_RL = np.broadcast_to(dropped_L, target_RL.shape)
    known_RL: Floats = np.where(dropped_RL, np.float32(np.nan), target_RL)
    return known_RL


class Views:
    """The task's own view, and for videos of extra data that of their own data set."""

    def __init__(self, own: View, others: Sequence[tuple[View, Mapping[str, Video]]]) -> None:
        self._own = own
        self._of = {key: (view, video) for view, origin in others for key, video in origin.items()}

    def _find(self, video: Video) -> tuple[View, Video]:
        return self._of.get(video.key, (self._own, video))

    def images(self, video: Video, indices: Sequence[int]) -> list[Image]:
        view, own = self._find(video)
        return view.images(own, indices)

    def audio(self, video: Video) -> Audio | None:
        view, own = self._find(video)
        return view.audio(own)

    def text(self, video: Video) -> str | None:
        view, own = self._find(video)
        return view.text(own)

    def scene(self, video: Video, n: int) -> list[SceneFrame]:
        view, own = self._find(video)
        return view.scene(own, n)
