"""Predictions of others to rows: read, match, admit, settle, judge, record. No plugin's method runs here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import records
from harness.datasets import locate
from harness.errors import MissingData, UserError, unknown
from harness.judge import judge_decisions, judge_folds
from harness.plugins import Plugins
from harness.progress import Progress, silent
from harness.resolve import lookup
from harness.row import cost_of
from harness.run import Folder
from harness.scoring.foreign import GENERIC
from harness.scoring.matching import Matched, match
from harness.scoring.policies import POLICIES, admit, settle
from harness.scoring.predicted import Format, Predictions, Reading
from harness.scoring.row import coverage_of, decisions_table, heading
from harness.session import folder_name
from harness.splits import FOLDS, NAMES, Split, folds, folds_hash, held_alone, histogram
from harness.statistics.bootstrap import Fold
from harness.store import write_whole
from harness.types import Floats, Reader, TaskSpec, Video

SPLITS = tuple(name for name in NAMES if name != "test")


@dataclass(frozen=True)
class Request:
    """What one `harness score` asks for, as typed."""

    source: Path
    task: str
    format: str = "auto"
    splits: str = "official"
    policy: str = "official"
    system: str = ""
    reading: Reading = field(default_factory=Reading)
    partial_rows: str = "any"
    data: Mapping[str, str] = field(default_factory=dict)
    runs: Path = Path("runs")
    command: str = ""

    @property
    def name(self) -> str:
        """How tables name the system: as asked, else as the file or folder is called."""
        source = self.source.resolve()
        return self.system or (source.name if source.is_dir() else source.stem)


@dataclass(frozen=True, eq=False)
class Labelled:
    """The data set that judges: its videos, and the labels of those that have any, by key."""

    name: str
    fingerprint: str
    videos: tuple[Video, ...]
    targets: Mapping[str, Floats]
    splits: tuple[Split, ...]
    folds: str


@dataclass(frozen=True)
class Scored:
    """The rows of one source, and the folder that they and their files are in."""

    folder: Path
    rows: tuple[dict[str, Any], ...]


def score(plugins: Plugins, request: Request, progress: Progress = silent) -> Scored:
    """Judge a file or folder of predictions on each split asked for, and leave rows as a run does.

    Every split is matched and admitted before anything is written. UserError where names do not exist or the policy
    does not take the predictions, MissingData where there are none.
    """
    if request.policy not in POLICIES:
        raise unknown("policy", request.policy, POLICIES)
    if request.splits not in SPLITS:
        raise unknown("split to score on", request.splits, SPLITS)
    task: TaskSpec = lookup(plugins, "tasks", request.task).thing
    name, form = format_of(plugins, request.format, request.source, task)
    predictions = form.read(request.source, task, dataclasses.replace(request.reading, progress=progress))
    data = labelled(plugins, task, request, progress)
    scoring = Scoring(task, data, predictions, request, name, content_hash(request.source))
    matches = [scoring.match(split) for split in data.splits]
    rows, judged = [], []
    for split, matched in zip(data.splits, matches, strict=True):
        row, fold = scoring.row(split, matched)
        rows.append(row)
        judged += [fold] if split.name.startswith("fold-") else []
    if len(judged) == FOLDS:
        rows += scoring.over_folds(judged, rows[-FOLDS:])
    for row in rows:
        plugins.hook.row_scored(row=row)
    return Scored(scoring.folder.path, tuple(rows))


@dataclass(frozen=True, eq=False)
class Scoring:
    """One source on one data set: what every row of it shares. `digest` is the SHA-256 of the source."""

    task: TaskSpec
    data: Labelled
    predictions: Predictions
    request: Request
    form: str
    digest: str

    @property
    def run(self) -> str:
        """The id: of the predictions' bytes, how they are read, the data and the policy; not of the split."""
        request = self.request
        parts = {
            "predictions": self.digest, "format": self.form, "renamed": dict(request.reading.renamed),
            "first_frame": request.reading.first_frame, "task": f"{self.task.name}/{self.task.version}",
            "data": self.data.fingerprint, "policy": request.policy, "partial_rows": request.partial_rows,
        }  # fmt: skip
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def profile(self) -> str:
        """Rows of other policies stand apart."""
        return "scored" if self.request.policy == "official" else f"scored-{self.request.policy}"

    @property
    def folder(self) -> Folder:
        name = folder_name(f"{self.request.name}@{self.profile}")
        return Folder(self.request.runs / self.task.name / name / self.run)

    def match(self, split: Split) -> Matched:
        """The held-out videos of a split with their predictions; UserError where the policy does not take them."""
        held = {video.key for video in split.held}
        others = [video for video in self.data.videos if video.key not in held]
        targets, labels = self.data.targets, self.task.labels
        one_side = split.name == "official"
        matched = match(self.predictions, split.held, others, targets, labels, one_side=one_side)
        admit(matched, self.request.policy, self.predictions.missing)
        return matched

    def row(self, split: Split, matched: Matched) -> tuple[dict[str, Any], Fold]:
        """The row of a split and its statistics; the row is written last, so it exists only where all files do."""
        began, folder = time.perf_counter(), self.folder
        settled = {video.key: self._settled(matched.scores[video.key], video) for video in split.held}
        # a video of which nothing is predicted is no part of an intersection
        apart = matched.absent if self.request.policy == "intersection" else ()
        judged = judge_decisions(
            self.task, ((video, *settled[video.key]) for video in split.held if video.key not in apart), {}
        )
        said = {key: said_RL for key, (said_RL, _) in settled.items()}
        write_whole(folder.path / f"{split.name}.parquet", decisions_table(self.task, split.held, matched.scores, said))
        stats = folder.path / f"{split.name}.stats.npz"
        by_video = (judged.stats_VLk, judged.videos, judged.groups)
        records.write_stats(stats, *by_video, level=self.task.level, truths=judged.truths)
        row = {
            **heading(self),
            "split": split.name,
            "score": judged.score,
            "coverage": {**judged.coverage, **coverage_of(split, matched)},
            "cost": cost_of([], time.perf_counter() - began),
        }
        records.write_row(folder.row(split.name), row)
        return row, judged.fold

    def over_folds(self, judged: Sequence[Fold], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The two rows over five folds."""
        began = time.perf_counter()
        keys = ("videos", "rows", "judged_rows", "missing_rows")
        coverage = {key: sum(row["coverage"][key] for row in rows) for key in keys}
        made = []
        for name, block in judge_folds(self.task.kind.metric, judged, self.task.labels).items():
            cost = cost_of([], time.perf_counter() - began)
            made.append({**heading(self), "split": name, "score": block, "coverage": coverage, "cost": cost})
            records.write_row(self.folder.row(name), made[-1])
        return made

    def _settled(self, scores_RL: Floats, video: Video) -> tuple[Floats, Floats]:
        never = [self.task.labels.index(label) for label in self.predictions.missing]
        return settle(
            scores_RL, self.data.targets[video.key], self.task.kind, self.request.policy,
            decided=self.predictions.decided, never=never,
        )  # fmt: skip


def format_of(plugins: Plugins, name: str, source: Path, task: TaskSpec) -> tuple[str, Format]:
    """The format called `name`, or with "auto" the one that recognises the source; plain tables are the last resort."""
    if not source.exists():
        raise MissingData(f"No predictions at {source}")
    known = plugins.provided("formats")
    if name != "auto":
        if name not in known:
            raise unknown("format", name, [*known, "auto"])
        return name, known[name].thing
    found = [one for one in known if known[one].thing.recognises(source, task)]
    special = [one for one in found if one not in GENERIC]
    if len(special) > 1:
        raise UserError(f"{source} may be of format {' or '.join(special)}; say which with --format")
    if not found:
        titles = "; ".join(f"{one}: {known[one].thing.title}" for one in sorted(known))
        raise UserError(f"{source} is of no format that is known; --format says which one is meant. Known: {titles}")
    chosen = (special or found)[0]
    return chosen, known[chosen].thing


def labelled(plugins: Plugins, task: TaskSpec, request: Request, progress: Progress) -> Labelled:
    """The task's data with every label read, and the held-out videos of each split."""
    root = locate(task.reader, request.data, plugins.manager)
    reader: Reader = lookup(plugins, "readers", task.reader).thing(root.path, task, request.partial_rows)
    videos = reader.videos()
    seen = [video for video in videos if video.side != "test"]
    targets = {video.key: reader.targets(video) for video in progress(seen, "read labels")}
    counts = {key: histogram(target_RL, task.kind) for key, target_RL in targets.items()}
    enough = len({video.group for video in seen}) >= FOLDS
    return Labelled(
        root.name, reader.fingerprint(), videos, targets, tuple(held_alone(request.splits, videos, counts)),
        folds_hash(folds(videos, counts)) if enough else "",
    )  # fmt: skip


def content_hash(source: Path) -> str:
    """SHA-256 of a file's bytes, or of the names and bytes of a folder's files, hidden ones left out."""
    digest = hashlib.sha256()
    inside = sorted(path for path in source.rglob("*") if path.is_file() and not path.name.startswith("."))
    for path in inside if source.is_dir() else [source]:
        if source.is_dir():
            digest.update(path.relative_to(source).as_posix().encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
