"""A folder of raw videos to a data set: every file by itself, in worker processes, none stopping the others."""

from __future__ import annotations

import csv
import io
import os
import shutil
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from abaw6.layout import VIDEO_SUFFIXES
from abaw6.prepare_video import LAYOUTS, TABLE, Prepared, Settings, finished, name_of, prepare_video
from abaw6.view import BOXES
from harness.errors import HarnessError, MissingData, UserError
from harness.progress import Progress, silent
from harness.store import write_whole
from harness.types import Detector

BOX_COLUMNS = ("video", "frame", "x0", "y0", "x1", "y1")


@dataclass
class Summary:
    """Which videos were made now, which before, and which failed and why, by file name."""

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
    """
    detector = spec.make()
    summary = Summary()
    todo = []
    for path in files:
        before = finished(path, out, settings, detector)
        summary.kept += [before] if before else []
        todo += [] if before else [path]
    title = f"prepare {len(todo)} videos with {detector.name}"
    with closing(_carried_out(todo, out, settings, spec, detector, workers)) as results:
        for path, made in progress(results, title, total=len(todo)):
            if isinstance(made, Prepared):
                summary.made.append(made)
            else:
                summary.failed[path.name] = made
    good = {one.video for one in (*summary.made, *summary.kept)}
    _place_raw([path for path in files if name_of(path, settings.person) in good], out, settings, raw)
    write_boxes(out, settings)
    for some in (summary.made, summary.kept):
        some.sort(key=lambda one: one.video)
    return summary


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
    pool = ProcessPoolExecutor(min(workers, len(files)), get_context("spawn"), _begin, (spec,))
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


def _begin(spec: DetectorSpec) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that was started by hand ends the others
    torch.set_num_threads(1)
    _worker.update(spec=spec, detector=spec.make())


def _in_worker(path: Path, out: Path, settings: Settings) -> Prepared | str:
    return _one(path, out, settings, _worker["detector"], _worker["spec"].device)


def _one(path: Path, out: Path, settings: Settings, detector: Detector, device: str) -> Prepared | str:
    try:
        return prepare_video(path, out, settings, detector, device)
    except HarnessError as error:
        return str(error)
    except (OSError, ValueError, RuntimeError) as error:  # one bad file must not stop a night's work
        return f"{type(error).__name__}: {error}"


def _place_raw(files: Sequence[Path], out: Path, settings: Settings, how: str) -> None:
    if how == "none":
        return
    folder = out / LAYOUTS[settings.layout].raw
    folder.mkdir(parents=True, exist_ok=True)
    place: Callable[[Path, Path], Any] = shutil.copy2 if how == "copy" else lambda a, b: os.symlink(a.resolve(), b)
    for path in files:
        target = folder / path.name
        if not (target.exists() or target.is_symlink()):
            place(path, target)


def write_boxes(out: Path, settings: Settings) -> None:
    """`face_boxes.csv` beside the raw videos, from every face table: where scenes must not look."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, BOX_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for table in sorted(out.glob(TABLE.format("*"))):
        with table.open(newline="") as lines:
            writer.writerows(csv.DictReader(lines))
    write_whole(out / LAYOUTS[settings.layout].raw / BOXES, buffer.getvalue().encode())
