"""Shows that a killed run goes on: `kill -9` at times drawn over a run, then the same command again, the same rows.

    python tests/kill_trials.py --times 10 --seed 0 -- run --plugin netease_abaw6 --task expr
    python tests/kill_trials.py --times 3 --demo-from ~/.cache/abaw-harness/demo -- \
        run --plugin netease_abaw6 --task expr --set encoders.image.pretrain_epochs=1 --set adapt.image.epochs=1 \
        --set adapt.image.samples_per_epoch=600 --set adapt.audio.epochs=1 --set fit.epochs=2

What follows `--` is a `harness` command line, taken as it is, with its `--runs` left out or relative. First it runs
uninterrupted, in a working folder and with a HARNESS_CACHE of its own, and its wall time is measured. Then, for each
time drawn uniformly over that wall time: the same command in a fresh folder and cache, SIGKILL for its whole process
group at that time, and the same command again to its end. A run that ends before its kill is no trial: its shorter
wall time counts from then on, and it is done again.

Every row must be the same as the uninterrupted one (`harness.records.same`: equal but for cost and env), and every
prediction equal. The table on standard output is Markdown: when the kill came, the step it hit, the stage of the
newest entry of the store, how many entries were there. Exit code 1 where anything differs.

The demo world is part of no trial, since time stamps of media are in a row's fingerprint: it is written once, by the
command with `--dry-run`, or taken from `--demo-from DIR` (the folder `demo` of some cache, which stays as it is), and
hard-linked into each trial's cache. Other data is named in the command, `--data NAME=PATH`, with absolute paths; a
harness.toml of the current folder is not found. Folders are temporary; `--keep DIR` leaves them in DIR.
"""

from __future__ import annotations

import argparse
import errno
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.records import read_row, same

HARNESS = "from harness.cli import main; main()"
DONE = re.compile(r"^(.+) \.\.\. done in ", re.MULTILINE)  # what harness.progress.shown prints on a pipe
PLANNED = "  to run: "  # what `harness run` prints when everything is read and nothing is trained
NO_ROWS = ("plan.json", "env.json")


@dataclass(frozen=True)
class Place:
    """A working folder and a cache for one command line; `log` holds what it printed."""

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def prepare(self, demo: Path | None) -> None:
        self.folder.mkdir(parents=True)
        if demo is not None:
            shutil.copytree(demo, self.folder / "cache" / "demo", copy_function=_link)

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "HARNESS_CACHE": str(self.folder / "cache"), "COLUMNS": "200"}
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-c", HARNESS, *command],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a process group of its own, to be killed as one
            )

    def finish(self, command: Sequence[str]) -> tuple[int, float]:
        """Run to the end: exit code and seconds."""
        began = time.perf_counter()
        child = self.start(command)
        try:
            return child.wait(), time.perf_counter() - began
        finally:
            _kill(child)

    def kill_at(self, command: Sequence[str], seconds: float) -> float | None:
        """Run and kill -9 the process group after `seconds`; a run that ended before gives its wall time."""
        began = time.perf_counter()
        child = self.start(command)
        try:
            child.wait(seconds)
            return time.perf_counter() - began
        except subprocess.TimeoutExpired:
            return None
        finally:
            _kill(child)

    def entries(self) -> list[Path]:
        """Entries of the store, the newest last."""
        return sorted((self.folder / "cache" / "store").glob("*/*.safetensors"), key=lambda path: path.stat().st_mtime)

    def rows(self) -> dict[str, dict[str, Any]]:
        """Every row below the working folder, by its path."""
        return {name: read_row(path) for name, path in self._left("json").items() if path.name not in NO_ROWS}

    def predictions(self) -> dict[str, Any]:
        """Every table of predictions, by its path."""
        import pandas as pd

        return {name: pd.read_parquet(path) for name, path in self._left("parquet").items()}

    def steps(self) -> list[str]:
        """Steps the run went through, in order."""
        return DONE.findall(self.log.read_text())

    def _left(self, ending: str) -> dict[str, Path]:
        """Files of every run's own folder, which is known by its plan."""
        tops = [top for top in self.folder.iterdir() if top.is_dir() and top.name != "cache"]
        runs = [plan.parent for top in tops for plan in top.glob("**/plan.json")]
        files = sorted(path for run in runs for path in run.glob(f"[!.]*.{ending}"))
        return {str(path.relative_to(self.folder)): path for path in files}


def hit(place: Place, whole: Place) -> str:
    """The step a killed run was in: the one that the uninterrupted run did next."""
    if place.rows().keys() == whole.rows().keys():
        return "none: its rows were written"
    if PLANNED not in place.log.read_text():
        return "start"
    return dict(enumerate(whole.steps())).get(len(place.steps()), "predict, choose, judge, write")


def differences(place: Place, whole: Place) -> list[str]:
    """What rows and predictions of `place` differ in from those of the uninterrupted run; empty: nothing."""
    rows, expected = place.rows(), whole.rows()
    found = [f"{path}: {'not there' if path in expected else 'unexpected'}" for path in rows.keys() ^ expected.keys()]
    for path in sorted(rows.keys() & expected.keys()):
        if not same(rows[path], expected[path]):
            fields = sorted(rows[path].keys() | expected[path].keys())
            changed = [f for f in fields if rows[path].get(f) != expected[path].get(f) and f not in ("cost", "env")]
            found.append(f"{path}: differs in {', '.join(changed)}")
    tables, expected_tables = place.predictions(), whole.predictions()
    for path in sorted(tables.keys() | expected_tables.keys()):
        if path not in tables or path not in expected_tables:
            found.append(f"{path}: {'unexpected' if path in tables else 'not there'}")
        elif not tables[path].equals(expected_tables[path]):
            found.append(f"{path}: predictions differ")
    return sorted(found)


@dataclass(frozen=True)
class Trial:
    """One kill and what came of it."""

    at: float
    step: str
    newest: str
    entries: int
    again: float
    problems: list[str]

    def line(self) -> str:
        verdict = "no" if self.problems else "yes"
        return f"| {self.at:.1f} | {self.step} | {self.newest} | {self.entries} | {self.again:.1f} | {verdict} |"


HEAD = """\
| killed at (s) | stage hit | newest entry | entries kept | same command again (s) | same rows, predictions |
| --: | :-- | :-- | --: | --: | :-- |"""


def second_run(place: Place, command: Sequence[str], seconds: float, whole: Place, code: int) -> Trial:
    """What the kill after `seconds` left, and the same command again; `code` is the exit code of `whole`."""
    entries, step = place.entries(), hit(place, whole)
    place.log.rename(place.log.with_suffix(".killed"))
    again, wall = place.finish(command)
    problems = differences(place, whole)
    if again != code:
        problems.append(f"exit code {again}, uninterrupted {code}; its log:\n{place.log.read_text()[-2000:]}")
    return Trial(seconds, step, entries[-1].parent.name if entries else "none", len(entries), wall, problems)


def demo_world(folder: Path, command: Sequence[str], given: Path | None) -> Path | None:
    """The folder `demo` to share, what it lacks (or has of an older generator) written; None: no demo data is used."""
    place = Place(folder / "world")
    place.prepare(given)
    code, _ = place.finish([*command, "--dry-run"])
    if code not in (0, 4):  # 4: of `--task all`, some tasks have no data
        sys.exit(f"the command fails with --dry-run, exit code {code}:\n{place.log.read_text()[-2000:]}")
    written = place.folder / "cache" / "demo"
    return written if written.is_dir() else None


def trials(folder: Path, command: Sequence[str], times: int, seed: int, given: Path | None) -> list[Trial]:
    """The uninterrupted run and every trial, told as they end."""
    demo = demo_world(folder, command, given)
    whole = Place(folder / "whole")
    whole.prepare(demo)
    code, wall = whole.finish(command)
    if code not in (0, 4) or not whole.rows():
        sys.exit(f"the uninterrupted run left no rows, exit code {code}:\n{whole.log.read_text()[-2000:]}")
    found = f"rows: {len(whole.rows())}, entries of the store: {len(whole.entries())}"
    print(f"Uninterrupted: {wall:.1f} s, {found}.\n\n{HEAD}", flush=True)
    rng, done = random.Random(seed), []
    for n, share in enumerate(sorted(rng.random() for _ in range(times))):
        place = Place(folder / f"trial-{n}")
        place.prepare(demo)
        while (ended := place.kill_at(command, share * wall)) is not None:
            wall = ended
            shutil.rmtree(place.folder)
            place.prepare(demo)
        done.append(second_run(place, command, share * wall, whole, code))
        print(done[-1].line(), flush=True)
        for problem in done[-1].problems:
            print(f"killed at {done[-1].at:.1f} s: {problem}", file=sys.stderr)
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where every trial ended in the same rows and predictions, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=10, help="how many kills (10)")
    parser.add_argument("--seed", type=int, default=0, help="of the times drawn (0)")
    parser.add_argument("--demo-from", type=Path, metavar="DIR", help="a demo world to share: `demo` of some cache")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave every folder and log in DIR, which must be new")
    parser.add_argument("command", nargs="+", help="after --: a `harness run` command line without the word harness")
    words = parser.parse_args(arguments)
    if words.command[0] != "run":
        parser.error(f"expected `run ...` after --, came {words.command[0]!r}")
    read = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    read.add_argument("--runs", type=Path, default=Path("runs"))
    read.add_argument("-q", "--quiet", action="store_true")
    below, quiet = vars(read.parse_known_args(words.command)[0]).values()
    if quiet:
        parser.error("leave out -q: the step a kill hit is read from what the run says")
    if below.is_absolute() or ".." in below.parts:
        parser.error("--runs must be relative: each trial has its own working folder, and a row holds its command line")
    if words.demo_from is not None and not words.demo_from.is_dir():
        parser.error(f"no folder {words.demo_from}")
    if words.keep is not None:
        words.keep.mkdir(parents=True)
        done = trials(words.keep.resolve(), words.command, words.times, words.seed, words.demo_from)
    else:
        with tempfile.TemporaryDirectory(prefix="kill-trials-") as folder:
            done = trials(Path(folder).resolve(), words.command, words.times, words.seed, words.demo_from)
    differing = sum(bool(one.problems) for one in done)
    print(f"\n{len(done) - differing} of {len(done)} as if never killed.")
    return 1 if differing else 0


def _kill(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _link(source: str, target: str) -> None:
    """A hard link, or a copy onto another file system: both keep the time stamps that are in a fingerprint."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copy2(source, target)


if __name__ == "__main__":
    sys.exit(main())
