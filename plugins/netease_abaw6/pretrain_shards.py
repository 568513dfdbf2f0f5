"""WebDataset shards (.tar) as a source of pre-training: streamed, never listed, in constant memory.

Our own reader and not the `webdataset` package: its shuffling buffers cannot be saved, so a training killed within an
epoch would see some images twice and others never. Here the order is a rule of (seed, epoch) alone: an epoch's
shuffled shards are dealt to `lanes`; each lane streams its shards through a buffer that swaps images at random;
batches take from the lanes in turn. To go on within an epoch a lane repeats its draws over the shards' counts and then
looks up the images its buffer holds. Lanes, not processes, carry the order: ranks and workers share the lanes out, and
their number may change from start to start.
"""

from __future__ import annotations

import glob
import hashlib
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingData, UserError
from harness.progress import Progress
from harness.store import write_whole
from netease_abaw6.pretrain_images import SUFFIXES
from netease_abaw6.pretrain_ranks import Ranks
from netease_abaw6.pretrain_stream import Claim, Sample, Share

UNKNOWN, LOST = -1, -2  # in place of an offset
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class Shard:
    """A tar file, its size in bytes, and how many images its headers name."""

    path: str
    size: int
    images: int


class Member(NamedTuple):
    """One image within a tar file; `content` is None until its bytes are wanted."""

    number: int
    name: str
    offset: int
    size: int
    content: bytes | None = None


def expand(pattern: str) -> list[str]:
    """The shards that a path, a glob (`*?[]`) or braces (`{000..041}`) name. MissingData where one is not there."""
    match = _BRACES.search(pattern)
    if match:
        width = len(match[1])
        every = range(int(match[1]), int(match[2]) + 1)
        return [
            path for i in every for path in expand(f"{pattern[: match.start()]}{i:0{width}d}{pattern[match.end() :]}")
        ]
    found = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern] if Path(pattern).is_file() else []
    if not found:
        raise MissingData(f"No folder and no shard at {pattern}")
    return found


def members(path: str) -> Iterator[Member]:
    """The images of a tar file by its headers, in order; a damaged tail ends it."""
    number = 0
    with tarfile.open(path, "r:") as tar:
        while True:
            try:
                entry = tar.next()
            except tarfile.ReadError:
                return
            if entry is None:
                return
            tar.members = []  # type: ignore[attr-defined]  # it would keep every header
            name = Path(entry.name).name
            if entry.isfile() and not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Member(number, entry.name, entry.offset_data, entry.size)
                number += 1


class Shards:
    """Images in tar files, shuffled through a buffer of `buffer` images over all lanes together."""

    def __init__(self, shards: Sequence[Shard], *, lanes: int = 64, buffer: int = 16384) -> None:
        self.shards = list(shards)
        self.images = sum(shard.images for shard in self.shards)
        if not self.images:
            raise MissingData(f"No images in {len(self.shards)} shards; expected {', '.join(sorted(SUFFIXES))} members")
        self._lanes, self.buffer = lanes, buffer
        self.lanes = min(lanes, len(self.shards))  # the others are empty

    def facts(self) -> dict[str, Any]:
        text = json.dumps([(Path(shard.path).name, shard.size, shard.images) for shard in self.shards])
        return {
            "images": self.images,
            "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
            "shards": len(self.shards),
            "lanes": self._lanes,
            "shuffle_buffer": self.buffer,
        }

    def claims(self, seed: int, epoch: int, step: int, batch: int, share: Share) -> Iterator[Claim]:
        order = np.random.default_rng([seed % 2**63, epoch]).permutation(len(self.shards))
        dealt = [order[lane :: self._lanes].tolist() for lane in range(self._lanes)]
        lengths_L = np.array([sum(self.shards[shard].images for shard in shards) for shards in dealt])
        turns = Turns(lengths_L, step * batch)
        streams = {
            int(lane): self._lane(dealt[lane], [seed % 2**63, epoch, lane], int(turns.taken_L[lane]))
            for lane in share.mine(np.arange(self._lanes))
        }
        for begin in range(step * batch, self.images, batch):
            lanes_B = turns.next(min(batch, self.images - begin))
            places_B = share.mine(lanes_B)
            samples = [next(streams[lane]) for lane in lanes_B[places_B].tolist()]
            yield Claim(places_B, samples, share.largest(lanes_B))

    def first(self) -> Iterator[Sample]:
        for index in range(len(self.shards)):
            yield from (self._sample(index, member) for member in self._members(index, self.shards[index].images))

    def _lane(self, shards: Sequence[int], seeds: Sequence[int], skip: int) -> Iterator[Sample]:
        """A lane's images from the `skip`th on. What leaves the buffer makes room for the next, so a lane holds no more
        than its share of `buffer`. Shards that lie wholly before are not opened.
        """
        random, room = np.random.default_rng(list(seeds)), max(1, self.buffer // self._lanes)
        kept: list[tuple[int, Member]] = []
        unread = skip + room if skip else 0  # images at the lane's beginning that may be gone before they are wanted
        left = 0
        for index in shards:
            passed = self.shards[index].images <= unread
            if not passed:
                kept = self._found(kept)
            for member in self._numbers(index) if passed else self._members(index, unread):
                if len(kept) < room:
                    kept.append((index, member))
                    continue
                slot = int(random.integers(room))
                leaving, kept[slot] = kept[slot], (index, member)
                left += 1
                if left > skip:
                    yield self._sample(*leaving)
            unread -= self.shards[index].images
        rest = [kept[at] for at in random.permutation(len(kept))[max(0, skip - left) :]]
        for index, member in self._found(rest):
            yield self._sample(index, member)

    def _numbers(self, index: int) -> Iterator[Member]:
        """Members of which no more is known than that they are there."""
        return (Member(number, "", UNKNOWN, 0) for number in range(self.shards[index].images))

    def _found(self, kept: Sequence[tuple[int, Member]]) -> list[tuple[int, Member]]:
        """The same images, those of which nothing is known looked up, each shard once."""
        wanted = {(index, member.number) for index, member in kept if member.offset == UNKNOWN}
        known = {
            (index, member.number): member
            for index in sorted({index for index, _ in wanted})
            for member in self._members(index, self.shards[index].images)
            if (index, member.number) in wanted
        }
        return [(index, known.get((index, member.number), member)) for index, member in kept]

    def _members(self, index: int, unread: int) -> Iterator[Member]:
        """As many members as were counted, without the bytes of the first `unread`. What a shard has lost since it was
        counted is named as unreadable when its turn comes.
        """
        shard, number = self.shards[index], 0
        try:
            with open(shard.path, "rb") as file:
                for member in members(shard.path):
                    if number == shard.images:
                        break
                    yield member if number < unread else member._replace(content=_bytes(file, member))
                    number += 1
        except (OSError, tarfile.TarError):
            pass
        for lost in range(number, shard.images):
            yield Member(lost, f"image {lost}", LOST, 0)

    def _sample(self, index: int, member: Member) -> Sample:
        path = self.shards[index].path
        name, key = f"{path}:{member.name}", index * 2**32 + member.number
        if member.content is not None:
            return Sample(key, name, partial(bytes, member.content))
        return Sample(key, name, partial(_content, path, member))


class Turns:
    """Which lane gives each image of an epoch: the lanes in turn, those that are empty passed over."""

    def __init__(self, lengths_L: NDArray[np.int64], position: int) -> None:
        self.lengths_L = lengths_L
        low, high = 0, int(lengths_L.max())
        while low < high:  # the last whole round before `position`
            middle = (low + high + 1) // 2
            low, high = (middle, high) if np.minimum(lengths_L, middle).sum() <= position else (low, middle - 1)
        self.taken_L = np.minimum(lengths_L, low)
        self._round = low
        self._waiting = np.flatnonzero(lengths_L > low)
        self.next(position - int(self.taken_L.sum()))

    def next(self, count: int) -> NDArray[np.int64]:
        """The lanes of the next `count` images, in order."""
        turns: list[NDArray[np.int64]] = []
        while count:
            if not len(self._waiting):
                self._round += 1
                self._waiting = np.flatnonzero(self.lengths_L > self._round)
            now, self._waiting = self._waiting[:count], self._waiting[count:]
            self.taken_L[now] += 1
            count -= len(now)
            turns.append(now)
        return np.concatenate(turns) if turns else np.empty(0, np.int64)


def counted(patterns: Sequence[str], kept: Path, ranks: Ranks, progress: Progress) -> list[Shard]:
    """Every shard of `patterns` with its number of images. The headers are read once, the ranks sharing the work, and
    the counts kept in the JSON file `kept` for as long as names and sizes stay what they are.
    """
    paths = list(dict.fromkeys(path for pattern in patterns for path in expand(pattern)))
    wrong = [path for path in paths if not path.endswith(".tar")]
    if wrong:
        raise UserError(f"shards are uncompressed .tar files: came {wrong[0]}")
    known = {tuple(row[:2]): row[2] for row in json.loads(kept.read_text())} if kept.is_file() else {}
    sizes = {path: Path(path).stat().st_size for path in paths}
    new = [path for path in paths if (path, sizes[path]) not in known]
    mine = new[ranks.rank :: ranks.world]
    counts = {path: _count(path) for path in progress(mine, "count the shards' images", len(mine))}
    for others in ranks.gathered(counts):
        known |= {(path, sizes[path]): images for path, images in others.items()}
    shards = [Shard(path, sizes[path], known[path, sizes[path]]) for path in paths]
    if ranks.first and new:
        rows = [[shard.path, shard.size, shard.images] for shard in shards]
        write_whole(kept, json.dumps(rows, indent=0).encode())
    return shards


def _count(path: str) -> int:
    try:
        return sum(1 for _ in members(path))
    except tarfile.ReadError as error:
        raise UserError(f"{path} is no uncompressed tar file: {error}") from error


def _content(path: str, member: Member) -> bytes:
    with open(path, "rb") as file:
        return _bytes(file, member)


def _bytes(file: Any, member: Member) -> bytes:
    if member.offset == LOST:
        raise OSError("the shard is shorter than it was, or cannot be read")
    file.seek(member.offset)
    return bytes(file.read(member.size))
