"""Predictions of others to rows: read, match, admit, settle, judge, record. No plugin's method runs here."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import records
from harness.bootstrap import Fold
from harness.datasets import locate
from harness.errors import MissingData, UserError, unknown
from harness.foreign import GENERIC
from harness.judge import judge_decisions, judge_folds
from harness.matching import Matched, match
from harness.plugins import Plugins
from harness.policies import POLICIES, admit, settle
from harness.predicted import Format, Predictions, Reading
from harness.progress import Progress, silent
from harness.resolve import lookup
from harness.row import cost_of
from harness.run import Folder
from harness.score_row import coverage_of, decisions_table, heading
from harness.session import folder_name
from harness.splits import FOLDS, NAMES, Split, folds, folds_hash, held_alone, histogram
from harness.store import write_whole
from harness.types import Floats, Reader, TaskSpec, Video

SPLITS = tuple(name for name in NAMES if name != "test")


@dataclass(frozen=True)
class Request:
    """What one `harness score` asks for, as typed; `system` "" is the name of the file or folder."""

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

    UserError where names do not exist or the policy does not take the predictions, MissingData where there are none.
    """
    began = time.perf_counter()
    if request.policy not in POLICIES:
        raise unknown("policy", request.policy, POLICIES)
    if request.splits not in SPLITS:
        raise unknown("split to score on", request.splits, SPLITS)
    spec: TaskSpec = lookup(plugins, "tasks", request.task).thing
    name, form = format_of(plugins, request.format, request.source, spec)
    (predictions,) = (form.read(request.source, spec, request.reading) for _ in progress([name], "read predictions"))
    data = labelled(plugins, spec, request, progress)
    digest = content_hash(request.source)
    run = run_hash(request, name, spec, digest, data.fingerprint)
    system = request.system or request.source.resolve().stem
    profile = "scored" if request.policy == "official" else f"scored-{request.policy}"
    facts = heading(spec, request, data, system=system, profile=profile, run=run, form=name, digest=digest,
                    predictions=predictions)  # fmt: skip
    folder = Folder(request.runs / spec.name / folder_name(f"{system}@{profile}") / run)
    matches = [_matched(split, data, predictions, spec, request.policy) for split in data.splits]
    rows, folds_judged = [], []
    for split, matched in zip(data.splits, matches, strict=True):
        row, fold = _one_split(folder, facts, spec, split, matched, data, predictions, request.policy, began)
        folds_judged += [fold] if split.name.startswith("fold-") else []
        rows.append(row)
        began = time.perf_counter()
    if len(folds_judged) == FOLDS:
        rows += _over_folds(folder, facts, spec, folds_judged, rows[-FOLDS:], began)
    for row in rows:
        plugins.hook.row_scored(row=row)
    return Scored(folder.path, tuple(rows))


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


def run_hash(request: Request, form: str, task: TaskSpec, digest: str, fingerprint: str) -> str:
    """The id of a scoring: of the predictions' bytes, how they are read, the data and the policy; not of the split."""
    parts = {
        "predictions": digest, "format": form, "renamed": dict(request.reading.renamed),
        "first_frame": request.reading.first_frame, "task": f"{task.name}/{task.version}", "data": fingerprint,
        "policy": request.policy, "partial_rows": request.partial_rows,
    }  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


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


def _matched(split: Split, data: Labelled, predictions: Predictions, task: TaskSpec, policy: str) -> Matched:
    held = {video.key for video in split.held}
    others = [video for video in data.videos if video.key not in held]
    matched = match(predictions, split.held, others, data.targets, task.labels, one_side=split.name == "official")
    admit(matched, policy, predictions.missing)
    return matched


def _one_split(
    folder: Folder, facts: Mapping[str, Any], task: TaskSpec, split: Split, matched: Matched, data: Labelled,
    predictions: Predictions, policy: str, began: float,
) -> tuple[dict[str, Any], Fold]:  # fmt: skip
    """Files first, the row last: a row exists only where all of it does."""
    never = [task.labels.index(label) for label in predictions.missing]
    settled = {
        video.key: settle(
            matched.scores[video.key], data.targets[video.key], task.kind, policy,
            decided=predictions.decided, never=never,
        )
        for video in split.held
    }  # fmt: skip
    # with nothing of it predicted a video is not part of the intersection
    shared = [video for video in split.held if policy != "intersection" or video.key not in matched.absent]
    judged = judge_decisions(task, ((video, *settled[video.key]) for video in shared), {})
    table = decisions_table(task, split.held, matched.scores, {key: said_RL for key, (said_RL, _) in settled.items()})
    write_whole(folder.path / f"{split.name}.parquet", table)
    stats = folder.path / f"{split.name}.stats.npz"
    records.write_stats(stats, judged.stats_VLk, judged.videos, judged.groups, level=task.level)
    row = {
        **facts, "split": split.name, "score": judged.score,
        "coverage": {**judged.coverage, **coverage_of(split, matched, predictions)},
        "cost": cost_of([], time.perf_counter() - began),
    }  # fmt: skip
    records.write_row(folder.row(split.name), row)
    return row, judged.fold


def _over_folds(
    folder: Folder, facts: Mapping[str, Any], task: TaskSpec, judged: Sequence[Fold],
    rows: Sequence[Mapping[str, Any]], began: float,
) -> list[dict[str, Any]]:  # fmt: skip
    made = []
    keys = ("videos", "rows", "judged_rows", "missing_rows")
    for name, block in judge_folds(task.kind.metric, judged, task.labels).items():
        coverage = {key: sum(row["coverage"][key] for row in rows) for key in keys}
        cost = cost_of([], time.perf_counter() - began)
        made.append({**facts, "split": name, "score": block, "coverage": coverage, "cost": cost})
        records.write_row(folder.row(name), made[-1])
    return made
