"""Which frames of different videos look alike: hashes at most a few bits apart, found without comparing all pairs.

Hashes are cut into `distance + 3` blocks of bits. Two that differ in at most `distance` bits agree on three blocks or
more; so for each choice of three blocks they are sorted by these bits, and only hashes that agree on them are compared
(Manku, Jain and Das Sarma, "Detecting near-duplicates for web crawling", WWW 2007, Sec. 3). Every pair is found; memory
does not depend on how many are looked at.

Shapes: N frames, E entries (one for each hash of a video), V videos, P pairs looked at together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.audit.framehash import Frames, Hashes
from harness.errors import UserError
from harness.progress import Progress

Integers = NDArray[np.int64]
AGREE = 3  # blocks
FARTHEST = 6  # bits: beyond it, keys get so short that too many hashes share one
AT_ONCE = 1 << 21  # pairs compared at a time
MOST = 10_000_000  # frames that resemble a video, under 1 GB: so many only where everything looks alike
SAMPLES = 3
SCATTER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio (Knuth, "Sorting and Searching", Sec. 6.4)


@dataclass(frozen=True, eq=False)
class Places:
    """Where each video belongs: side_V and group_V as codes, fold_V from 0, -1 where it is in no fold."""

    side_V: Integers
    group_V: Integers
    fold_V: Integers

    def apart(self, one_P: Integers, other_P: Integers) -> NDArray[np.bool_]:
        """Whether two videos are on different sides or in different folds: they should have nothing in common."""
        fold_P, other_fold_P = self.fold_V[one_P], self.fold_V[other_P]
        folds_P = (fold_P != other_fold_P) & (fold_P >= 0) & (other_fold_P >= 0)
        return np.asarray(folds_P | (self.side_V[one_P] != self.side_V[other_P]))

    def units(self) -> Integers:
        """unit_V, a number for each side and recording: videos that share it are never compared."""
        _, unit_V = np.unique(np.stack([self.side_V, self.group_V]), axis=1, return_inverse=True)
        return unit_V.reshape(-1)


@dataclass(frozen=True)
class Alike:
    """Two videos (their places in the list), how many frames of each resemble one of the other, and the closest."""

    videos: tuple[int, int]
    frames: tuple[int, int]
    distance: int
    samples: tuple[tuple[int, int, int], ...]  # frame of the first, frame of the second, bits apart


def find(frames: Frames, places: Places, distance: int, progress: Progress) -> list[Alike]:
    """Pairs of videos that are apart and share frames at most `distance` bits apart; those that share most come first.

    UserError for a distance that is not 0 to 6, or where nearly every frame resembles those of many videos.
    """
    if not 0 <= distance <= FARTHEST:
        raise UserError(f"--distance: expected 0 to {FARTHEST} bits, came {distance}")
    entries = _Entries(frames, places)
    found = _Found(len(places.side_V), distance)
    masks = masks_of(distance)
    for mask in progress(masks, f"compare {len(frames.hash_N):,} frames"):
        for one_P, other_P in entries.sharing(mask):
            bits_P = np.bitwise_count(entries.hash_E[one_P] ^ entries.hash_E[other_P])
            near_P = np.flatnonzero(bits_P <= distance)
            one_P, other_P, bits_P = one_P[near_P], other_P[near_P], bits_P[near_P]
            apart_P = places.apart(entries.video_E[one_P], entries.video_E[other_P])
            one_P, other_P, bits_P = one_P[apart_P], other_P[apart_P], bits_P[apart_P]
            found.add(one_P, entries.video_E[other_P], other_P, bits_P)
            found.add(other_P, entries.video_E[one_P], one_P, bits_P)
    return found.by_videos(entries)


def masks_of(distance: int) -> list[np.uint64]:
    """Bits to agree on: any two hashes at most `distance` bits apart agree on all bits of one of these.

    >>> [len(masks_of(d)) for d in (0, 2, 4, 6)]
    [1, 10, 35, 84]
    """
    edges = [round(i * 64 / (distance + AGREE)) for i in range(distance + AGREE + 1)]
    blocks = [(1 << end) - (1 << start) for start, end in pairwise(edges)]
    return [np.uint64(sum(chosen)) for chosen in combinations(blocks, AGREE)]


class _Entries:
    """A video's equal hashes as one entry, sorted by unit: hash_E, video_E, first frame_E, and count_E of frames."""

    def __init__(self, frames: Frames, places: Places) -> None:
        unit_V = places.units()
        order_N = np.lexsort((frames.frame_N, frames.hash_N, frames.video_N, unit_V[frames.video_N]))
        hash_N, video_N = frames.hash_N[order_N], frames.video_N[order_N]
        first_E = _starts(hash_N, video_N)
        self.hash_E: Hashes = hash_N[first_E]
        self.video_E: Integers = video_N[first_E].astype(np.int64)
        self.frame_E: Integers = frames.frame_N[order_N][first_E].astype(np.int64)
        self.count_E: Integers = np.diff(first_E, append=len(hash_N))
        self._unit_E = unit_V[self.video_E]

    def sharing(self, mask: np.uint64) -> Iterator[tuple[Integers, Integers]]:
        """Pairs of entries of different units that agree on the bits of `mask`, some AT_ONCE at a time.

        The bits agreed on are scattered over the upper part of a number whose lower part is the entry: one plain sort,
        and entries of a unit stay together. Two that meet there by chance are told apart by whoever compares them.
        """
        room = np.uint64(len(self.hash_E).bit_length())
        scattered_E = ((self.hash_E & mask) * SCATTER) >> room
        sorted_E = np.sort(scattered_E << room | np.arange(len(scattered_E), dtype=np.uint64))
        order_E = (sorted_E & ((np.uint64(1) << room) - np.uint64(1))).astype(np.int64)
        key_E, unit_E = sorted_E >> room, self._unit_E[order_E]
        key_end_E, unit_end_E = _ends(key_E), _ends(key_E, unit_E)
        others_E = key_end_E - unit_end_E  # entries of the same key that come after those of the own unit
        at_E = np.flatnonzero(others_E)
        total_E = np.cumsum(others_E[at_E])
        done = 0
        while done < len(at_E):
            already = total_E[done - 1] if done else 0
            stop = max(done + 1, int(np.searchsorted(total_E, already + AT_ONCE, side="right")))
            some_E, many_E = at_E[done:stop], others_E[at_E[done:stop]]
            nth_P = np.arange(many_E.sum()) - np.repeat(np.cumsum(many_E) - many_E, many_E)
            yield order_E[np.repeat(some_E, many_E)], order_E[np.repeat(unit_end_E[some_E], many_E) + nth_P]
            done = stop


class _Found:
    """Which entries resemble which videos: of each such pair the closest partner, kept once."""

    def __init__(self, videos: int, distance: int) -> None:
        self._videos, self._distance = videos, distance
        self._kept: list[NDArray[Any]] = []
        self._size, self._limit = 0, MOST // 4

    def add(self, entry_P: Integers, video_P: Integers, partner_P: Integers, bits_P: NDArray[np.uint8]) -> None:
        """Entries that resemble an entry of another video."""
        rows_P = np.empty(len(entry_P), dtype=[("code", np.int64), ("partner", np.int32), ("bits", np.uint8)])
        rows_P["code"], rows_P["partner"], rows_P["bits"] = entry_P * self._videos + video_P, partner_P, bits_P
        self._kept.append(rows_P)
        self._size += len(rows_P)
        if self._size > self._limit:
            self._settle()
            self._limit = max(self._limit, 2 * self._size)
            if self._size > MOST:
                hint = f"; say --distance {self._distance - 1} or less" if self._distance else ""
                raise UserError(f"Over {MOST:,} frames resemble those of another video at {self._distance} bits{hint}")

    def _settle(self) -> NDArray[Any]:
        """One row for each entry and video."""
        rows_P = np.concatenate([*self._kept, np.empty(0, dtype=self._kept[0].dtype)])
        rows_P = rows_P[np.lexsort((rows_P["partner"], rows_P["bits"], rows_P["code"]))]
        self._kept = [rows_P[_starts(rows_P["code"])]]
        self._size = len(self._kept[0])
        return self._kept[0]

    def by_videos(self, entries: _Entries) -> list[Alike]:
        """The pairs of videos, those with most frames first."""
        if not self._kept:
            return []
        rows_P = self._settle()
        entry_P, video_P = np.divmod(rows_P["code"], self._videos)
        own_P = entries.video_E[entry_P]
        pair_P = np.minimum(own_P, video_P) * self._videos + np.maximum(own_P, video_P)
        order_P = np.argsort(pair_P, kind="stable")
        pairs = np.split(order_P, _starts(pair_P[order_P])[1:]) if len(order_P) else []
        found = [_alike(entries, entry_P[some], rows_P["partner"][some], rows_P["bits"][some]) for some in pairs]
        return sorted(found, key=lambda one: (-sum(one.frames), one.distance, one.videos))


def _alike(entries: _Entries, entry_P: Integers, partner_P: Integers, bits_P: NDArray[np.uint8]) -> Alike:
    """One pair of videos, from its rows in both directions."""
    own_P = entries.video_E[entry_P]
    first, second = np.unique(own_P).tolist()
    frames = [int(entries.count_E[entry_P[own_P == video]].sum()) for video in (first, second)]
    closest = np.flatnonzero((own_P == first) & (bits_P == bits_P.min()))
    spread = closest[np.unique(np.linspace(0, len(closest) - 1, SAMPLES).astype(int))]
    samples = zip(entries.frame_E[entry_P[spread]], entries.frame_E[partner_P[spread]], bits_P[spread], strict=True)
    return Alike(
        (first, second),
        (frames[0], frames[1]),
        int(bits_P.min()),
        tuple(sorted((int(a), int(b), int(bits)) for a, b, bits in samples)),
    )


def _starts(*columns_E: NDArray[Any]) -> Integers:
    """Where a run of equal values (in every column) begins."""
    if not len(columns_E[0]):
        return np.zeros(0, np.int64)
    changes_E = np.any([column[1:] != column[:-1] for column in columns_E], axis=0)
    return np.concatenate([[0], np.flatnonzero(changes_E) + 1])


def _ends(*columns_E: NDArray[Any]) -> Integers:
    """For every place, where its run of equal values ends."""
    starts = _starts(*columns_E)
    ends = np.append(starts[1:], len(columns_E[0])) if len(starts) else starts
    return np.repeat(ends, ends - starts)
