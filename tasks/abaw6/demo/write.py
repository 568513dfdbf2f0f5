"""Writes a data set of the demo world once: real files under a temporary name, renamed when they are complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from abaw6.demo import world
from abaw6.demo.world import SEED, SIZES, Sizes
from harness.errors import UserError, unknown
from harness.progress import Progress, silent

STATEMENT = (
    "Everything here is synthetic: drawn faces, generated sound and made-up words. No person, recording or label is "
    "real, and figures measured on it say nothing about the real data set."
)
FIRST_TIME = 1_710_720_000  # 18 March 2024, the day of the seed; worlds differ by less than 200 days
MARK = "demo.json"


@dataclass(frozen=True)
class _Layout:
    """How one data set is written: its plan, its folders, one recording, and what comes after all of them."""

    plan: Callable[[int, Sizes], Sequence[Any]]
    make_folders: Callable[[Path], None]
    write_one: Callable[[Path, int, Any], list[Any]]
    finish: Callable[[Path, Sequence[Any], list[Any]], None]


def write(
    name: str,
    root: Path,
    progress: Progress = silent,
    seed: int = SEED,
    workers: int | None = None,
    sizes: Sizes | None = None,
) -> Path:
    """The demo's stand-in for data set `name` at `root`; nothing is done where it is already complete.

    `demo.json` says what was written; a folder with one of another seed, size or generator is replaced. Raises
    UserError for an unknown name, and where `root` holds anything that is not the demo's.
    """
    if name not in SIZES:
        raise unknown("demo data set", name, SIZES)
    mark = describe(name, seed, sizes or SIZES[name])
    if _marked(root) == mark:
        return root
    if root.exists() and _marked(root) is None and any(root.iterdir()):
        raise UserError(f"Expected an empty folder or an earlier demo world at {root}; it holds other files.")
    root.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(root)
    half = root.with_name(f".{root.name}.writing-{os.getpid()}")
    half.mkdir()
    try:
        _fill(half, _layout(name, seed), seed, sizes or SIZES[name], progress, workers or os.cpu_count() or 1, name)
        with (half / MARK).open("w") as file:
            json.dump(mark, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        _pin_times(half, mark)
        _put_in_place(half, root, mark)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return root


def _pin_times(folder: Path, mark: dict[str, Any]) -> None:
    """One modification time for every file, of this world alone: written twice, it has one fingerprint."""
    digest = hashlib.sha256(json.dumps(mark, sort_keys=True).encode()).hexdigest()
    moment = FIRST_TIME + int(digest[:6], 16)
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))


def describe(name: str, seed: int, sizes: Sizes) -> dict[str, Any]:
    """The content of `demo.json`."""
    return {
        "demo": True,
        "dataset": name,
        "seed": seed,
        "sizes": json.loads(json.dumps(asdict(sizes))),
        "generator": generator(),
        "statement": STATEMENT,
    }


def generator() -> str:
    """SHA-256 over the source files that decide what is written."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in ("sheet.py", "__init__.py"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _layout(name: str, seed: int) -> _Layout:
    if name == "demo-pretrain":
        from abaw6.demo import pretrain_files

        return _Layout(
            pretrain_files.plan, pretrain_files.make_folders, pretrain_files.write_person, lambda root, plan, rows: None
        )
    from abaw6.demo import affwild2_files, cexpr_files, hume_files, mimicry
    from abaw6.demo.scene import SCENES

    if name == "hume-vidmimic2":
        return _Layout(
            lambda seed, sizes: mimicry.plan(seed, sizes, SCENES),
            hume_files.make_folders,
            hume_files.write_clip,
            lambda root, plan, rows: hume_files.finish(root, plan, rows, seed),
        )
    files, plan = (affwild2_files, world.affwild2) if name == "aff-wild2" else (cexpr_files, world.cexpr)
    return _Layout(
        lambda seed, sizes: plan(seed, sizes, SCENES), files.make_folders, files.write_recording, files.finish
    )


def _fill(half: Path, layout: _Layout, seed: int, sizes: Sizes, progress: Progress, workers: int, name: str) -> None:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    plan = layout.plan(seed, sizes)
    layout.make_folders(half)
    tasks = [(layout.write_one, half, seed, recording) for recording in plan]
    title = f"write demo {name}"
    rows: list[Any] = []
    if workers == 1:
        for task in progress(tasks, title):
            rows += _one(task)
    else:
        workers = min(workers, len(tasks))
        with ProcessPoolExecutor(workers, get_context("spawn"), _leave_with, (os.getpid(),)) as pool:
            for part in progress(pool.map(_one, tasks), title, len(tasks)):
                rows += part
    layout.finish(half, plan, rows)


def _leave_with(parent: int) -> None:
    """In a worker: ends it when the writer was killed, since nobody would hand it work or stop it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _one(task: tuple[Callable[[Path, int, Any], list[Any]], Path, int, Any]) -> list[Any]:
    write_one, half, seed, recording = task
    return write_one(half, seed, recording)


def _marked(root: Path) -> dict[str, Any] | None:
    """The demo.json of a complete demo world; None where there is none."""
    try:
        mark = json.loads((root / MARK).read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    return mark if isinstance(mark, dict) and mark.get("demo") is True else None


def _put_in_place(half: Path, root: Path, mark: dict[str, Any]) -> None:
    if root.exists():
        if _marked(root) == mark:  # another process was faster
            return
        old = root.with_name(f".{root.name}.old-{os.getpid()}")
        root.rename(old)
        half.rename(root)
        shutil.rmtree(old)
    else:
        half.rename(root)


def _clear_abandoned(root: Path) -> None:
    """Removes what killed writers of this folder left behind."""
    for path in [*root.parent.glob(f".{root.name}.writing-*"), *root.parent.glob(f".{root.name}.old-*")]:
        pid = int(path.name.rsplit("-", 1)[1])
        if not _alive(pid):
            shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()
