"""One store, one rule: what a stage computes is kept under the hash of everything it was computed from.

An entry is one safetensors file, memory-mapped when read, with a checksum of its tensors, `info` and parts in the
header. It is written under a temporary name, fsynced and renamed, so it is whole or absent; a damaged one is set
aside, named, and computed again. Any number of processes may write: equal keys hold equal content.

An entry that only a finished split needed is marked evictable by an empty file beside it; whoever reads it takes the
mark away.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from harness.errors import HarnessError

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, "Tensor"]
EVICTABLE = ".evictable"  # the suffix of a mark
WRITES = 5  # another process that set a damaged entry aside may take the fresh one with it for a moment


@dataclass(frozen=True)
class Entry:
    """Tensors by name and a small JSON-able `info` (what was chosen, how long it took)."""

    tensors: Tensors
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Visit:
    """One look into the store during a run."""

    stage: str
    key: str
    computed: bool
    seconds: float


def key_of(stage: str, parts: Mapping[str, Any]) -> str:
    """The name of an entry: SHA-256 of stage and parts in canonical JSON (40 hex digits)."""
    text = json.dumps({"stage": stage, "parts": parts}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


class Store:
    """Entries below `root`, as `<stage>/<key>.safetensors`."""

    def __init__(self, root: Path, report: Callable[[str], None] = lambda line: None) -> None:
        self.root = root
        self.report = report
        self.visits: list[Visit] = []

    def path(self, stage: str, parts: Mapping[str, Any]) -> Path:
        return self.root / stage / f"{key_of(stage, parts)}.safetensors"

    def has(self, stage: str, parts: Mapping[str, Any]) -> bool:
        """Whether the entry is there (its checksum is looked at when it is read)."""
        return self.path(stage, parts).exists()

    def entry(self, stage: str, parts: Mapping[str, Any], compute: Callable[[], Entry]) -> Entry:
        """The entry of these parts, computed and written first where it is absent or damaged; always read back.

        HarnessError where the disk is full; it says how much could be evicted.
        """
        path = self.path(stage, parts)
        began = time.perf_counter()
        found = self._read(path)
        if found is None:
            content = _content(compute(), stage, parts)
            for _ in range(WRITES):
                self._write(path, content)
                found = self._read(path)
                if found is not None:
                    break
            else:
                raise OSError(f"the entry just written cannot be read back: {path}")
            self.visits.append(Visit(stage, path.stem, True, time.perf_counter() - began))
        else:
            self.visits.append(Visit(stage, path.stem, False, time.perf_counter() - began))
        _mark(path).unlink(missing_ok=True)
        return found

    def mark_evictable(self, stage: str, parts: Mapping[str, Any]) -> None:
        """Say that an entry, where it is there, is not needed any more by what asked for it."""
        path = self.path(stage, parts)
        if path.exists():
            _mark(path).touch()

    def evictable(self) -> list[Path]:
        """Entries marked evictable."""
        return [path for path in self.entries() if _mark(path).exists()]

    def evictable_bytes(self) -> int:
        """How much the entries marked evictable hold."""
        return sum(path.stat().st_size for path in self.evictable())

    def stage(self, stage: str, parts: Mapping[str, Any], compute: Callable[[], Tensors]) -> Tensors:
        """`entry` for what is tensors alone."""
        return self.entry(stage, parts, lambda: Entry(compute())).tensors

    def entries(self) -> Iterator[Path]:
        """Every entry's file."""
        yield from sorted(self.root.glob("*/*.safetensors"))

    def whole(self, path: Path) -> bool:
        """Whether an entry's checksum holds; a damaged one is set aside."""
        return self._read(path) is not None

    def _write(self, path: Path, content: bytes) -> None:
        try:
            write_whole(path, content)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            needed = f"{len(content) / 1e6:,.1f} MB for {path}"
            raise HarnessError(f"The disk is full: {needed}. {room(self.evictable_bytes())}") from None

    def _read(self, path: Path) -> Entry | None:
        if not path.exists():
            return None
        found = _whole_entry(path)
        if found is not None:
            return found
        aside = path.with_suffix(f".damaged-{uuid.uuid4().hex[:8]}")
        try:
            path.rename(aside)
        except FileNotFoundError:  # another process set it aside first
            return None
        found = _whole_entry(aside)
        if found is not None:  # another process had written it anew in between
            aside.replace(path)
            return found
        self.report(f"damaged entry set aside as {aside.name} in {path.parent}; it will be computed again")
        return None


def _content(entry: Entry, stage: str, parts: Mapping[str, Any]) -> bytes:
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in entry.tensors.items()}
    said = json.loads(json.dumps({"info": entry.info, "stage": stage, "parts": parts}, allow_nan=False))
    header = {**said, "checksum": _seal(tensors, said)}
    return save(tensors, metadata={"harness": json.dumps(header, sort_keys=True)})


def _whole_entry(path: Path) -> Entry | None:
    """The entry in a file; None where its checksum does not hold."""
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["harness"])
        tensors = load_file(path)
        if header.pop("checksum") == _seal(tensors, header):
            return Entry(tensors, header["info"])
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, OSError):
        pass
    return None


def _seal(tensors: Tensors, said: Mapping[str, Any]) -> str:
    text = json.dumps(said, sort_keys=True)
    return f"{checksum(tensors)}-{zlib.crc32(text.encode()):08x}"


def checksum(tensors: Tensors) -> str:
    """CRC-32 over names, types, shapes and bytes: it finds damage, not malice."""
    crc = 0
    for name in sorted(tensors):
        tensor = tensors[name].detach().contiguous()
        crc = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), crc)
        if tensor.numel():
            crc = zlib.crc32(memoryview(tensor.reshape(-1).view(_bytes()).numpy()), crc)
    return f"{crc:08x}"


def _bytes() -> Any:
    import torch

    return torch.uint8


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which a reader, or a power cut, sees at `path` whole or not at all.

    It is synced and renamed once the block ends; where that raises, nothing is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """`written_whole` for what is in memory."""
    with written_whole(path) as file:
        file.write(content)


def room(evictable: int) -> str:
    """What a run short of disk is told, `evictable` bytes being marked so.

    >>> room(3_200_000_000)
    "3.20 GB are features of finished splits: 'harness cache gc' removes them"
    """
    if not evictable:
        return "No features of finished splits are left; 'harness cache gc' removes what nobody read for long"
    return f"{evictable / 1e9:,.2f} GB are features of finished splits: 'harness cache gc' removes them"


def discard(path: Path) -> None:
    """Remove an entry or a leftover, and the mark beside it."""
    path.unlink(missing_ok=True)
    _mark(path).unlink(missing_ok=True)


def _mark(path: Path) -> Path:
    return path.with_suffix(EVICTABLE)


def leftovers(root: Path) -> list[Path]:
    """What damage and killed writes left below a store: entries set aside, and temporary files over an hour old."""
    aside = [path for path in root.glob("*/*") if ".damaged-" in path.name]
    stale = [path for path in root.glob("*/.*.tmp") if path.stat().st_mtime < time.time() - 3600]
    return aside + stale
