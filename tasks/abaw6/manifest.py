"""What was found on disk the last time: a data set of three million images is gone through once.

One JSON file per root under `cache_home()/manifests`. A folder's entry holds while the folder's own time stamp does
(files added, removed or renamed change it) and, for digests, while three of its files are unchanged.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abaw6.rawvideo import Probe, probe
from harness.datasets import cache_home

IMAGE = re.compile(r"(\d+)\.(?:jpg|jpeg|png|bmp)", re.IGNORECASE)
FRESH = 2.0  # seconds: a folder changed this recently may change again within one tick of its time stamp


class Manifest:
    """Use as `with Manifest(root) as manifest:`; new findings are written at the end."""

    def __init__(self, root: Path) -> None:
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:24]
        self._path = cache_home() / "manifests" / f"{name}.json"
        self._root = str(root)
        self._changed = False
        self._entries: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Manifest:
        try:
            entries = json.loads(self._path.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            entries = {}  # nothing yet, or cut off: found again below
        self._entries = entries if isinstance(entries, dict) else {}
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self._changed or kind is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(self._entries))
        temporary.replace(self._path)

    def numbers(self, folder: str) -> NDArray[np.bool_]:
        """has_N: whether `folder` holds an image file with number n, for n from 0 to the highest."""
        stamp = os.stat(folder).st_mtime_ns
        entry = self._entries.get(f"numbers {folder}")
        if entry is None or entry["mtime"] != stamp:
            entry = {"mtime": stamp, **_pack(_numbers(folder))}
            self._keep(f"numbers {folder}", entry, stamp)
        bits = np.frombuffer(base64.b64decode(entry["bits"]), np.uint8)
        return np.unpackbits(bits, count=entry["count"]).astype(bool)

    def digest(self, folder: str) -> str:
        """SHA-256 over the sorted (name, size, mtime) of the files in `folder`."""
        stamp = os.stat(folder).st_mtime_ns
        entry = self._entries.get(f"digest {folder}")
        if entry is None or entry["mtime"] != stamp or any(_stat(folder, file[0]) != file for file in entry["some"]):
            with os.scandir(folder) as scan:
                files = sorted([e.name, (s := e.stat()).st_size, s.st_mtime_ns] for e in scan if e.is_file())
            some = [files[k] for k in {0, len(files) // 2, len(files) - 1}] if files else []
            digest = hashlib.sha256(json.dumps(files).encode()).hexdigest()
            entry = {"mtime": stamp, "some": some, "sha256": digest}
            self._keep(f"digest {folder}", entry, stamp)
        return str(entry["sha256"])

    def probe(self, path: str) -> Probe:
        """Frames and rate of a raw video, opened once as long as its size and time stamp stay."""
        found = os.stat(path)
        entry = self._entries.get(f"probe {path}")
        if entry is None or [entry["size"], entry["mtime"]] != [found.st_size, found.st_mtime_ns]:
            new = probe(path)
            entry = {"size": found.st_size, "mtime": found.st_mtime_ns, **asdict(new)}
            self._keep(f"probe {path}", entry, found.st_mtime_ns)
        return Probe(entry["frames"], entry["fps"], entry["seconds"])

    def _keep(self, key: str, entry: dict[str, Any], stamp: int) -> None:
        if time.time() - stamp / 1e9 > FRESH:
            self._entries[key] = entry
            self._changed = True


def _numbers(folder: str) -> NDArray[np.bool_]:
    with os.scandir(folder) as scan:
        found = [int(match[1]) for entry in scan if (match := IMAGE.fullmatch(entry.name))]
    found = [number for number in found if number < 10_000_000]  # a camera's own file name, not a frame's number
    has_N = np.zeros(max(found, default=-1) + 1, bool)
    has_N[found] = True
    return has_N


def _pack(has_N: NDArray[np.bool_]) -> dict[str, Any]:
    return {"count": int(has_N.size), "bits": base64.b64encode(np.packbits(has_N).tobytes()).decode()}


def _stat(folder: str, name: str) -> list[Any] | None:
    try:
        found = os.stat(os.path.join(folder, name))
    except FileNotFoundError:
        return None
    return [name, found.st_size, found.st_mtime_ns]


def fingerprint(root: Path, labels: Sequence[Path], folders: Sequence[str], manifest: Manifest) -> str:
    """SHA-256 of the label files' bytes and of every media folder's digest, paths relative to `root`, sorted."""
    total = hashlib.sha256()
    for path in sorted(labels):
        total.update(os.path.relpath(path, root).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    for folder in sorted(folders):
        total.update(os.path.relpath(folder, root).encode() + b"\0" + manifest.digest(folder).encode())
    return total.hexdigest()
