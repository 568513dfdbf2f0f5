"""How much memory the fusion's training takes as the number of frames grows: synthetic tokens in a store, one epoch.

    python tests/fit_memory.py --frames 2700000          # 8.3 GB of tokens, the size of the paper's data
    python tests/fit_memory.py --frames 90000 --long 37800 --task emi --set fusion.width=256 --set fusion.layers=4

Tokens (width 768, float32) are written as entries of a store in a temporary folder, removed at the end. Then a fresh
process reads them as a run does, lays them along frames, trains one epoch of `transformer_4x` and judges it on one
video in fifty. The answer is one line of JSON: `anonymous_mb`, the peak of memory that cannot be given back (RssAnon)
during that, over what the process took before; `mapped_mb`, the peak of mapped files, which the system takes away when
it needs to. `--long N` makes the first video N frames long. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness.types import Floats, TaskSpec, Video

WIDTH = 768
LIVE = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # glibc hands freed blocks back at once: what counts is what is in use
SMALL = {"fusion.layers": 1, "fusion.width": 16, "fusion.heads": 2, "fusion.feedforward": 16, "fit.epochs": 1}


def made_videos(frames: int, length: int, long: int) -> list[Video]:
    """Videos of `length` frames at 30 fps, `frames` in all, the first one `long` where that is not 0."""
    lengths = [long] if long else []
    while (left := frames - sum(lengths)) > 0:
        lengths.append(min(length, left))
    return [Video(f"v{i}", f"v{i}", "train", n, 30.0, np.ones(n, bool)) for i, n in enumerate(lengths)]


def write(folder: Path, videos: Sequence[Video]) -> None:
    """Tokens of every video as entries of a store."""
    import torch

    from harness.store import Store

    store = Store(folder)
    for i, video in enumerate(videos):
        tokens_ND = torch.randn(video.frames, WIDTH, generator=torch.Generator().manual_seed(i))
        frames_N = torch.arange(video.frames, dtype=torch.int32)
        store.stage("encode", {"video": i}, lambda made={"tokens": tokens_ND, "frames": frames_N}: made)


class Made:
    """Stands in for a reader: targets drawn at each call."""

    def __init__(self, task: TaskSpec) -> None:
        self.task = task

    def targets(self, video: Video) -> Floats:
        rows = video.frames if self.task.level == "frame" else 1
        rng = np.random.default_rng(int(video.id[1:]))
        return rng.integers(0, 2, (rows, len(self.task.labels))).astype(np.float32)


def train(folder: Path, videos: Sequence[Video], task: str, sets: Mapping[str, Any]) -> dict[str, Any]:
    """One epoch through `harness.fit.fit`; what it took."""
    import torch

    from harness import plugins
    from harness.clips import track
    from harness.context import Context
    from harness.fit import fit
    from harness.progress import silent
    from harness.resolve import resolve
    from harness.splits import Split
    from harness.store import Store

    torch.set_num_threads(1)
    plan = resolve(plugins.load(), task, "netease_abaw6", "paper", sets={**SMALL, **sets})
    store: Any = Store(folder)
    context = Context(plan, Made(plan.task), "made", "", store, None, silent)  # type: ignore[arg-type]
    split = Split("official", tuple(videos), (), ())
    with peak() as found:
        began = time.perf_counter()
        of_V = [store.stage("encode", {"video": i}, absent) for i in range(len(videos))]
        tracks = [track(v, {"image": t}, "nearest") for v, t in zip(videos, of_V, strict=True)]
        found["read_s"] = round(time.perf_counter() - began, 1)
        entry = fit(context, split, 0, tracks, tracks[:: max(2, min(50, len(tracks)))])
        found["fit_s"] = round(time.perf_counter() - began - found["read_s"], 1)
    assert entry.info["chosen"] == 1
    return {"frames": sum(v.frames for v in videos), "videos": len(videos), **found}


def absent() -> Any:
    raise AssertionError("this entry was just written")


@contextmanager
def peak() -> Iterator[dict[str, float]]:
    """The largest RssAnon and RssFile while inside, in MB over those at the beginning, looked at every 20 ms."""
    found: dict[str, float] = {}
    before, most, done = memory(), memory(), threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            for name, kilobytes in memory().items():
                most[name] = max(most[name], kilobytes)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()
    found["anonymous_mb"] = round((most["RssAnon"] - before["RssAnon"]) / 1024, 1)
    found["mapped_mb"] = round((most["RssFile"] - before["RssFile"]) / 1024, 1)


def memory() -> dict[str, int]:
    """RssAnon and RssFile of this process in kB."""
    pairs = (line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(value.split()[0]) for name, value in pairs if name in ("RssAnon", "RssFile")}


def measure(frames: int, *more: str) -> dict[str, Any]:
    """Both steps, each in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="fit-memory-") as folder:
        for step in ("write", "train"):
            line = [sys.executable, __file__, "--frames", str(frames), "--folder", folder, "--step", step, *more]
            said = subprocess.run(
                line, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **LIVE}
            ).stdout
    answer: dict[str, Any] = json.loads(said)
    return answer


def main() -> None:
    from harness.fields import parse

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--length", type=int, default=9000, help="frames of a video")
    parser.add_argument("--long", type=int, default=0, help="frames of the first video")
    parser.add_argument("--task", default="au")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="as in harness run")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--step", choices=["write", "train"], help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.step is None:
        print(json.dumps(measure(words.frames, *sys.argv[1:])))
        return
    videos = made_videos(words.frames, words.length, words.long)
    if words.step == "write":
        write(words.folder, videos)
    else:
        sets = dict(pair.split("=", 1) for pair in words.set)
        print(json.dumps(train(words.folder, videos, words.task, {name: parse(v) for name, v in sets.items()})))


if __name__ == "__main__":
    main()
