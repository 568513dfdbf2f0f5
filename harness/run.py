"""The straight line of a run: read, split, adapt, encode, partition, fit, predict, vote, smooth, choose, judge, record.

Each stage asks the store first, so a killed run goes on where it was, and a changed last stage redoes only itself.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from harness import model, records
from harness.adapt import Adapted
from harness.clips import Track, track
from harness.context import Context
from harness.encode import encode
from harness.fit import fit, fit_parts, restore, scores_of, untrained, widths_of
from harness.judge import Judged, judge
from harness.partition import Parts, partition
from harness.plugins import files_hash
from harness.predict import choose_setting, predictions_table
from harness.row import cost_of, row_of
from harness.splits import Split
from harness.store import Entry, Tensors, write_whole
from harness.types import Floats, Video

SOURCE = ("harness.fit", "harness.clips")


@dataclass(frozen=True)
class Folder:
    """Where one run leaves its files."""

    path: Path

    def model(self, split: str) -> Path:
        """Where a kept model of the split lies: `model` of the official split (`test` trains on it), else its own."""
        return self.path / ("model" if split in ("official", "test") else f"model-{split}")

    def row(self, split: str) -> Path:
        return self.path / f"{split}.json"

    def finished(self, split: str) -> dict[str, Any] | None:
        """The split's row where it is finished: the row is written last."""
        return records.read_row(self.row(split)) if self.row(split).exists() else None


def run_split(
    context: Context, split: Split, folder: Folder, *, facts: Mapping[str, Any], keep_model: bool
) -> dict[str, Any]:
    """One split from data to row; everything it leaves is on disk before the row is."""
    began = time.perf_counter()
    context.choices.clear()
    context.store.visits.clear()
    stages = Stages(context, split)
    for one in stages.adapted.values():
        context.choices.append({"modality": one.modality, **one.train()})
    parts = stages.parts
    scores = stages.scores()
    decider = model.decider_of(context.plan)
    setting = choose_setting(context, decider, split.inner, scores, parts.of)
    final = {v.key: decider(scores[v.key], v, setting, parts.of[v.key]) for v in split.held}
    judged = judge(context, split.held, final, parts.of) if split.name != "test" else None
    _leave_files(context, split, folder, final, parts, judged)
    if keep_model:
        about = {"setting": setting, "data": context.data, "split": split.name, "k": parts.k}
        builders = {m: one.build for m, one in stages.adapted.items()}
        saved = (stages.classifiers(), parts.state, stages.widths)
        model.save(folder.model(split.name), context.plan, builders, *saved, about)
    cost = cost_of(context.store.visits, time.perf_counter() - began, context.place.device)
    row = row_of(context, split, parts, judged, facts, cost)
    records.write_row(folder.row(split.name), row)
    return row


class Stages:
    """The stages of one split, each computed when first needed; what the store has is never loaded for nothing."""

    def __init__(self, context: Context, split: Split) -> None:
        self.context, self.split = context, split
        self.adapted = {m: Adapted(context, split, m) for m in context.plan.encoders}

    @cached_property
    def parts(self) -> Parts:
        return partition(self.context, self.split)

    @cached_property
    def tracks(self) -> dict[str, Track]:
        """Every video of the split with its tokens, encoded now where the store lacks them."""
        videos = self.videos
        encoded = {m: encode(self.context, one, videos) for m, one in self.adapted.items()}
        fill = self.context.plan.pipeline.fill_faces
        return {v.key: track(v, {m: encoded[m][v.key] for m in encoded}, fill) for v in videos}

    @property
    def videos(self) -> tuple[Video, ...]:
        """Every video whose tokens are needed, those of extra training data too."""
        return (*self.split.train, *self.split.inner, *self.split.held, *self.context.extra_videos("fit"))

    @property
    def widths(self) -> dict[str, int]:
        return widths_of(list(self.tracks.values()))

    def fit_parts(self, part: int) -> dict[str, Any]:
        encoded = {m: one.identity for m, one in self.adapted.items()}
        return fit_parts(self.context, self.split, encoded, self.parts.identity, part)

    def classifier(self, part: int) -> Entry:
        def compute() -> Entry:
            if self.context.plan.pipeline.train == "none":
                return untrained(self.context, self.split, part, self.widths)
            own = [v for v in self.split.train if self.parts.of[v.key] == part]
            own += self.context.extra_videos("fit")  # every classifier learns from them: they have no scene
            return fit(self.context, self.split, part, self._tracks_of(own), self._tracks_of(self.split.inner))

        return self.context.store.entry("fit", self.fit_parts(part), compute)

    def classifiers(self) -> list[Tensors]:
        return [self.classifier(part).tensors for part in range(self.parts.k)]

    def scores(self) -> dict[str, Floats]:
        """scores_KRL of every inner and held-out video, by key."""
        of_parts = [self._part_scores(part) for part in range(self.parts.k)]
        videos = (*self.split.inner, *self.split.held)
        return {v.key: np.stack([scores[v.key].numpy() for scores in of_parts]) for v in videos}

    def _part_scores(self, part: int) -> Tensors:
        entry = self.classifier(part)
        self.context.choices.append({"part": part, **entry.info})
        videos = (*self.split.inner, *self.split.held)
        return self.context.store.stage("predict", self.predict_parts(part), lambda: self._predict(entry, videos))

    def predict_parts(self, part: int) -> dict[str, Any]:
        """What the scores of a classifier depend on."""
        return {
            "classifier": self.fit_parts(part),
            "videos": [v.key for v in (*self.split.inner, *self.split.held)],
            "overlap": self.context.plan.pipeline.overlap,
            "source": files_hash(SOURCE),
        }

    def _predict(self, classifier: Entry, videos: Sequence[Video]) -> Tensors:
        import torch

        module = restore(self.context.plan, self.context.place, classifier.tensors, self.widths)
        plan = self.context.plan
        tracks = self._tracks_of(videos)
        scores = scores_of(plan.task, self.context.place, module, tracks, overlap=plan.pipeline.overlap)
        return {key: torch.from_numpy(scores_RL) for key, scores_RL in scores.items()}

    def _tracks_of(self, videos: Sequence[Video]) -> list[Track]:
        return [self.tracks[v.key] for v in videos]


def _leave_files(
    context: Context, split: Split, folder: Folder, final: Mapping[str, Floats], parts: Parts, judged: Judged | None
) -> None:
    import io

    task = context.plan.task
    table = predictions_table(split.held, parts.of, final, task.kind, task.labels)
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    write_whole(folder.path / f"{split.name}.parquet", buffer.getvalue())
    if judged is not None:
        path = folder.path / f"{split.name}.stats.npz"
        by_video = (judged.stats_VLk, judged.videos, judged.groups)
        records.write_stats(path, *by_video, level=task.level, truths=judged.truths)
