"""A folder of raw videos to a data set: every file by itself, in worker processes, none stopping the others."""

from __future__ import annotations

import csv
import filecmp
import io
import os
import shutil
import signal
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, field, replace
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abaw6 import transcripts
from abaw6.layout import VIDEO_SUFFIXES
from abaw6.prepare_video import (
    LAYOUTS,
    TABLE,
    Prepared,
    Settings,
    changed,
    finished,
    name_of,
    person_there,
    prepare_video,
    why,
)
from abaw6.view import BOXES
from harness.errors import MissingData, UserError
from harness.progress import Progress, silent
from harness.store import write_whole
from harness.types import Detector

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

BOX_COLUMNS = ("video", "frame", "x0", "y0", "x1", "y1")


@dataclass
class Summary:
    """Which videos were made now, which before, and which files failed and why, by name."""

    made: list[Prepared] = field(default_factory=list)
    kept: list[Prepared] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DetectorSpec:
    """A detector by name, so that every process can make its own."""

    name: str
    weights: str | None
    device: str

    def make(self) -> Detector:
        from harness.detect import make_detector
        from harness.plugins import load

        return make_detector(load(), self.name, self.weights, self.device)


def devices_of(device: str) -> list[str]:
    """The devices that processes drive in turn: every GPU for "cuda", else the one that is named."""
    import torch

    every = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if device == "cuda" else []
    return every or [device]


def specs_of(spec: DetectorSpec) -> list[DetectorSpec]:
    """The detector once for each device."""
    return [replace(spec, device=device) for device in devices_of(spec.device)]


def processes(device: str) -> int:
    """How many processes are started where nobody says: one per core or GPU."""
    return len(devices_of(device)) if device.partition(":")[0] != "cpu" else os.cpu_count() or 1


def raw_files(folder: Path) -> list[Path]:
    """Every video in a folder and below it, sorted; UserError where two would get one id, MissingData for none."""
    if not folder.is_dir():
        raise MissingData(f"No folder {folder}")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not found:
        raise MissingData(f"No raw video below {folder}: expected {', '.join(VIDEO_SUFFIXES)} files")
    by_stem: dict[str, Path] = {}
    for path in found:
        if path.stem in by_stem:
            raise UserError(f"{by_stem[path.stem]} and {path} would both be video {path.stem!r}: rename one of them")
        by_stem[path.stem] = path
    return found


def prepare(
    files: Sequence[Path],
    out: Path,
    settings: Settings,
    spec: DetectorSpec,
    *,
    workers: int = 1,
    raw: str = "link",
    progress: Progress = silent,
) -> Summary:
    """Prepare what is not finished; every video is written whole or not at all, so an interrupted call goes on.

    `raw`: "link", "copy" or "none" of the raw videos into the data set, which scenes and frame rates are read from.
    UserError where the data set holds another person of the same videos.
    """
    _check_person(files, out, settings)
    detector = spec.make()
    summary = Summary()
    todo = []
    for path in files:
        before = finished(path, out, settings, detector)
        summary.kept += [before] if before else []
        todo += [] if before else [path]
    transcripts.forget(out, {name_of(path, settings.person) for path in todo if changed(path, out, settings)})
    title = f"prepare {len(todo)} videos with {detector.name}"
    with closing(_carried_out(todo, out, settings, spec, detector, workers)) as results:
        for path, made in progress(results, title, total=len(todo)):
            if isinstance(made, Prepared):
                summary.made.append(made)
            else:
                summary.failed[path.name] = made
    good = {one.video for one in (*summary.made, *summary.kept)}
    if raw != "none":
        placed = [path for path in files if name_of(path, settings.person) in good]
        summary.failed |= _place_raw(placed, out / LAYOUTS[settings.layout].raw, raw)
    write_boxes(out, settings)
    for some in (summary.made, summary.kept):
        some.sort(key=lambda one: one.video)
    return summary


def _check_person(files: Sequence[Path], out: Path, settings: Settings) -> None:
    """UserError where a video's id is taken by another person, whose crops would be replaced."""
    for path in files:
        there = person_there(path, out, settings)
        if there != settings.person:
            raise UserError(
                f"{out} holds {name_of(path, settings.person)!r} of --person {there}: give --person {settings.person} "
                f"a data set of its own, such as --out {out}_{settings.person.replace(':', '')}"
            )


def _carried_out(
    files: Sequence[Path], out: Path, settings: Settings, spec: DetectorSpec, detector: Detector, workers: int
) -> Generator[tuple[Path, Prepared | str], None, None]:
    """Each file with what was made of it, or why nothing was, in order of completion."""
    if workers <= 1 or len(files) <= 1:
        for path in files:
            yield path, _one(path, out, settings, detector, spec.device)
        return
    again = []
    with closing(_in_processes(files, out, settings, spec, workers)) as results:
        for path, made in results:
            if made is None:
                again.append(path)
            else:
                yield path, made
    for path in again:  # when a process dies, those beside it lose their work, too: now each has one of its own
        [(_, made)] = _in_processes([path], out, settings, spec, 1)
        yield path, made or "its process died, perhaps for want of memory"


def _in_processes(
    files: Sequence[Path], out: Path, settings: Settings, spec: DetectorSpec, workers: int
) -> Generator[tuple[Path, Prepared | str | None], None, None]:
    """Each file with what was made of it; None where its process died."""
    spawn = get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(files)), spawn, _begin, (specs_of(spec), spawn.Value("i", 0)))
    futures: dict[Future[Prepared | str], Path] = {pool.submit(_in_worker, p, out, settings): p for p in files}
    try:
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                yield futures[future], None
    except BaseException:  # interrupted: what is half done is left behind, and begun anew by the next call
        for process in active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_worker: dict[str, Any] = {}


def _begin(specs: Sequence[DetectorSpec], begun: Synchronized[int]) -> None:
    """What a process does first: it drives the next device in turn. `begun` counts them."""
    import torch

    with begun.get_lock():
        spec = specs[begun.value % len(specs)]
        begun.value += 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that was started by hand ends the others
    torch.set_num_threads(1)
    _worker.update(spec=spec, detector=spec.make())


def _in_worker(path: Path, out: Path, settings: Settings) -> Prepared | str:
    return _one(path, out, settings, _worker["detector"], _worker["spec"].device)


def _one(path: Path, out: Path, settings: Settings, detector: Detector, device: str) -> Prepared | str:
    try:
        return prepare_video(path, out, settings, detector, device)
    except Exception as error:  # one bad file must not stop a night's work, and FFmpeg and OpenCV raise nearly anything
        return why(error)


def _place_raw(files: Sequence[Path], folder: Path, how: str) -> dict[str, str]:
    """Link or copy raw videos into a folder; why one could not be, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    failed = {}
    for path in files:
        try:
            _place(path, folder / path.name, how)
        except Exception as error:
            failed[path.name] = why(error)
    return failed


def _place(path: Path, target: Path, how: str) -> None:
    if target.is_file() and filecmp.cmp(path, target):  # of one size and time or, at another time, of one content
        return
    if how == "link" and target.is_file() and not target.is_symlink():
        raise UserError(f"{target} is another file than {path}: remove it, or say --raw none")
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    if how == "copy":
        shutil.copy2(path, new)
    else:
        new.symlink_to(path.resolve())
    new.replace(target)


def write_boxes(out: Path, settings: Settings) -> None:
    """`face_boxes.csv` beside the raw videos, from every face table: where scenes must not look."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, BOX_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for table in sorted(out.glob(TABLE.format("*"))):
        with table.open(newline="") as lines:
            writer.writerows(csv.DictReader(lines))
    write_whole(out / LAYOUTS[settings.layout].raw / BOXES, buffer.getvalue().encode())
