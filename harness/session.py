"""From a command's words to the runs it means: one run per task, one row per split."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pluggy import PluginManager

from harness import records
from harness.context import Context, Place
from harness.datasets import cache_home, find, locate, plain
from harness.errors import MissingData, UserError
from harness.extra import read as read_extra
from harness.outlook import try_components
from harness.plugins import Plugins
from harness.progress import Progress, silent
from harness.resolve import Plan, lookup, resolve
from harness.resources import Resources
from harness.row import fold_rows
from harness.run import Folder, run_split
from harness.splits import (
    FOLDS,
    Histograms,
    Split,
    folds,
    folds_hash,
    held_alone,
    histogram,
    inner,
    make_splits,
)
from harness.store import Store, write_whole
from harness.types import Reader, TaskSpec, Video

IMAGES = {"aff-wild2": "cropped_aligned", "c-expr": "cropped_aligned", "hume-vidmimic2": "face_images"}


class BadData(UserError):
    """A file of a data set that does not hold what it should; other tasks may not need it."""


@dataclass(frozen=True)
class Request:
    """What one `harness run` asks for, as typed."""

    plugin: str
    splits: str = "official"
    profile: str | None = None
    sets: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    data: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    precision: str = "fp32"
    threads: int = 1
    limit: int = 0
    runs: Path = Path("runs")
    keep_models: str = "official"
    fresh: bool = False
    dedupe: bool = False
    command: str = ""


@dataclass(frozen=True)
class Prepared:
    """A run before its work: the context, its splits, where it goes, and what every row of it says.

    `widths` of tokens by modality and the number of parts at most are what could be told without computing.
    """

    context: Context
    splits: tuple[Split, ...]
    folder: Folder
    facts: Mapping[str, Any]
    request: Request
    widths: Mapping[str, int] = field(default_factory=dict)
    most_parts: int = 0

    def unfinished(self) -> list[Split]:
        """Splits without a row yet, or every one where their rows are to be forgotten."""
        return [s for s in self.splits if self.request.fresh or self.folder.finished(s.name) is None]


def prepare(
    plugins: Plugins, task: str, request: Request, progress: Progress = silent, report: Callable[[str], None] = print
) -> Prepared:
    """Resolve every name, find the data, make the splits. Nothing is trained yet."""
    spec: TaskSpec = lookup(plugins, "tasks", task).thing
    found = find(spec.reader, request.data)
    profile = request.profile or default_profile(plugins, request.plugin, demo=found is None or found.demo)
    plan = resolve(plugins, task, request.plugin, profile, sets=request.sets, seed=request.seed)
    roots: list[Path] = []
    with _reading(roots):
        extra = read_extra(
            plugins, plan.pipeline.extra_train, spec, partial(_located_extra, plugins, request, roots),
            limit=request.limit,
        )  # fmt: skip
        root = found or locate(spec.reader, request.data, plugins.manager)  # the demo world is written last
        roots.append(root.path)
        reader: Reader = lookup(plugins, "readers", spec.reader).thing(root.path, spec, plan.pipeline.partial_rows)
        videos = reader.videos()
        _refuse_without_images(videos, root.path, spec)
        counts = {v.key: histogram(reader.targets(v), spec.kind) for v in videos if v.side != "test"}
        fingerprint = reader.fingerprint()
    store = Store(cache_home() / "store", report)
    resources = Resources(store, request.device, request.seed, _locator(plugins, request), progress)
    place = Place(request.device, request.precision)
    context = Context(plan, reader, root.name, fingerprint, store, resources, progress, place, extra=extra)
    with _reading(roots):
        context.view()
    splits = tuple(limited(split, request.limit) for split in _splits(context, request, videos, counts))
    run_id = run_hash(plan, context.fingerprint, request, {one.name: one.identity() for one in extra})
    folder = Folder(request.runs / task / folder_name(f"{plan.system}@{profile}") / run_id)
    facts = {
        "run": run_id,
        "command": request.command,
        "threads": request.threads,
        "dedupe": request.dedupe,
        "partial": f"limited to {request.limit} videos a part" if request.limit else None,
        "folds": folds_hash(folds(videos, counts))
        if len({v.group for v in videos if v.side != "test"}) >= FOLDS
        else "",
    }
    prepared = Prepared(context, splits, folder, facts, request)
    if not prepared.unfinished():
        return prepared
    widths, most_parts = try_components(context, prepared.unfinished())
    return dataclasses.replace(prepared, widths=widths, most_parts=most_parts)


def _located_extra(plugins: Plugins, request: Request, roots: list[Path], name: str) -> Path:
    roots.append(locate(name, request.data, plugins.manager).path)
    return roots[-1]


@contextmanager
def _reading(roots: Sequence[Path]) -> Iterator[None]:
    """BadData for what a reader says of a file below these folders."""
    try:
        yield
    except UserError as error:
        if any(str(root) in str(error) for root in roots):
            raise BadData(str(error)) from error
        raise


def _refuse_without_images(videos: Sequence[Video], root: Path, task: TaskSpec) -> None:
    """MissingData where no video has a face image: every pipeline looks at faces."""
    if videos and not any(video.face_F.any() for video in videos):
        folder = f"a folder {IMAGES[task.reader]!r}" if task.reader in IMAGES else "face images"
        raise MissingData(
            f"{root} holds no face image of any of the {len(videos)} videos of task {task.name!r}: "
            f"expected {folder} with one folder of images for each video, say of {videos[0].id!r}"
        )


def _splits(context: Context, request: Request, videos: Sequence[Video], counts: Histograms) -> list[Split]:
    """The splits asked for; where the pipeline is not trained on the task's videos, with what it is trained on."""
    if context.plan.pipeline.train == "task":
        if hasattr(context.reader, "how_to_train") and not any(video.side == "train" for video in videos):
            raise MissingData(context.reader.how_to_train())
        return make_splits(request.splits, videos, counts, dedupe=request.dedupe)
    splits = held_alone(request.splits, videos, counts)
    if context.plan.pipeline.train == "none":
        return splits
    given = tuple(video for one in context.extra for video in one.videos)
    shown = {key: histogram(target_RL, context.plan.task.kind) for key, target_RL in context.targets(given).items()}
    train, chosen = inner(given, shown)
    return [dataclasses.replace(split, train=train, inner=chosen) for split in splits]


def carry_out(
    prepared: Prepared, plugins: Plugins, on_row: Callable[[Mapping[str, Any], bool], None] = lambda row, new: None
) -> list[dict[str, Any]]:
    """Run what is not finished, in order; returns every row asked for, the folds' two summaries included."""
    context, folder = prepared.context, prepared.folder
    if prepared.request.fresh and folder.path.exists():
        shutil.rmtree(folder.path)
    plan = {**context.plan.describe(), "data": context.fingerprint, "limit": prepared.request.limit}
    write_whole(folder.path / "plan.json", json.dumps(plan, indent=1, sort_keys=True).encode())
    rows = []
    for split in prepared.splits:
        row = folder.finished(split.name)
        new = row is None
        if row is None:
            keep = prepared.request.keep_models == "all" or (
                prepared.request.keep_models == "official" and split.name == "official"
            )
            row = run_split(context, split, folder, facts=prepared.facts, keep_model=keep)
            write_whole(folder.path / "env.json", json.dumps(row["env"], indent=1).encode())
            plugins.hook.row_scored(row=row)
            _let_go(context, split)
        rows.append(row)
        on_row(row, new)
    return rows + _over_folds(prepared, plugins, rows, on_row)


def _let_go(context: Context, split: Split) -> None:
    """Mark a finished split's features of fine-tuned encoders evictable: no other split can use them."""
    from harness.adapt import Adapted
    from harness.encode import encode_parts

    for modality in context.plan.pipeline.adapt:
        adapted = Adapted(context, split, modality)
        for video in (*split.train, *split.inner, *split.held, *context.extra_videos("fit")):
            context.store.mark_evictable("encode", encode_parts(context, adapted, video))


def _over_folds(
    prepared: Prepared,
    plugins: Plugins,
    rows: Sequence[dict[str, Any]],
    on_row: Callable[[Mapping[str, Any], bool], None],
) -> list[dict[str, Any]]:
    of_folds = [row for row in rows if row["split"].startswith("fold-")]
    if len(of_folds) < FOLDS:
        return []
    stats = [records.read_stats(prepared.folder.path / f"{row['split']}.stats.npz") for row in of_folds]
    made = fold_rows(prepared.context, of_folds, [(s, groups) for s, _, groups in stats], prepared.facts)
    for row in made:
        path = prepared.folder.row(row["split"])
        new = not path.exists()
        records.write_row(path, row)
        if new:
            plugins.hook.row_scored(row=row)
        on_row(row, new)
    return made


def default_profile(plugins: Plugins, plugin: str, *, demo: bool) -> str:
    """The profile for the data at hand: `demo` on the demo world where the pipeline has one, else `paper`."""
    return "demo" if demo and "demo" in plugins.pipeline(plugin).thing.profiles else "paper"


def limited(split: Split, limit: int) -> Split:
    """At most `limit` videos in each part (0: all), never none; UserError for fewer than none."""
    if limit < 0:
        raise UserError(f"--limit: expected 0 (all) or more videos a part, came {limit}")
    if not limit:
        return split
    return dataclasses.replace(split, train=split.train[:limit], inner=split.inner[:limit], held=split.held[:limit])


def run_hash(plan: Plan, fingerprint: str, request: Request, extra: Mapping[str, Any] | None = None) -> str:
    """A run's id: of its plan, data (`extra` training data too), seed and arithmetic; not of splits or folders."""
    parts = {
        **({"extra": extra} if extra else {}),
        "plan": plan.describe(),
        "data": fingerprint,
        "limit": request.limit,
        "dedupe": request.dedupe,
        "precision": request.precision,
        "device": request.device.partition(":")[0],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _locator(plugins: Plugins, request: Request) -> Callable[[str], Path]:
    """What answers for `data:NAME`; never for a data set of a task, whose folder holds the labels that judge."""
    judged = {plain(name) for name in plugins.provided("readers")}
    data = {name: path for name, path in request.data.items() if plain(name) not in judged}
    return partial(_located, frozenset(judged), data, plugins.manager)


def _located(judged: frozenset[str], data: Mapping[str, str], manager: PluginManager, name: str) -> Path:
    if plain(name) in judged:
        raise UserError(f"data:{name}: expected an unlabelled data set; {name!r} has labels")
    try:
        return locate(name, data, manager).path
    except MissingData as error:
        raise MissingData(f"{error}. It is asked for by an option 'data:{name}'") from None


def folder_name(system: str) -> str:
    """The folder of a system's runs: what file systems dislike becomes a dash, a long name is cut and hashed."""
    name = re.sub(r"[^\w.@=,+\[\]-]+", "-", system)
    return name if len(name) <= 120 else f"{name[:100]}-{hashlib.sha256(system.encode()).hexdigest()[:10]}"
