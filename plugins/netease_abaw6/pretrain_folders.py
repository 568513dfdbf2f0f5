"""Image folders as a source of pre-training: AffectNet, CelebA, IMDB-WIKI, CASIA-WebFace or any other tree.

Names are kept as one block of bytes that worker processes share (a name's length and 10 bytes an image); a shuffled
epoch costs each worker 8 bytes an image. So tens of millions of images fit; hundreds of millions are for shards
(`pretrain_shards`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingData
from netease_abaw6.pretrain_images import SUFFIXES
from netease_abaw6.pretrain_stream import Claim, Sample, Share


class Folders:
    """Every image below `roots`, in any folder, by sorted names; hidden and stray files are passed over, links to
    folders are not followed. Raises MissingData where there is none.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = [str(root) for root in roots]
        names, ends, digest = bytearray(), [0], hashlib.sha256()
        for number, root in enumerate(self._roots):
            for name in _images(root):
                names += f"{number}/".encode() + os.fsencode(name)
                ends.append(len(names))
                digest.update(os.fsencode(name) + f" {_size(os.path.join(root, name))}\n".encode())
        self._names, self._ends_N = np.frombuffer(bytes(names), np.uint8), np.array(ends, np.int64)
        self._fingerprint = digest.hexdigest()
        self.images = self.lanes = len(ends) - 1
        if not self.images:
            raise MissingData(
                f"No images for pre-training below {', '.join(self._roots)}; "
                f"expected {', '.join(sorted(SUFFIXES))} files, or .tar shards"
            )

    def facts(self) -> dict[str, Any]:
        return {"images": self.images, "fingerprint": self._fingerprint}

    def claims(self, seed: int, epoch: int, step: int, batch: int, share: Share) -> Iterator[Claim]:
        order_N = self._order(seed, epoch)
        for begin in range(step * batch, self.images, batch):
            keys_B = order_N[begin : begin + batch]
            lanes_B = np.arange(len(keys_B))
            places_B = share.mine(lanes_B)
            yield Claim(places_B, [self._sample(int(key)) for key in keys_B[places_B]], share.largest(lanes_B))

    def first(self) -> Iterator[Sample]:
        yield from map(self._sample, range(self.images))

    def _order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([seed % 2**63, epoch]).permutation(self.images)

    def _sample(self, key: int) -> Sample:
        number, _, name = os.fsdecode(self._names[self._ends_N[key] : self._ends_N[key + 1]].tobytes()).partition("/")
        path = Path(self._roots[int(number)], name)
        return Sample(key, str(path), partial(Path.read_bytes, path))


def _size(path: str) -> int:
    """In bytes; -1 of a link that leads nowhere, which is named as unreadable when its turn comes."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def _images(root: str) -> Iterator[str]:
    """Names below `root`, folder by folder."""
    for folder, folders, files in os.walk(root):
        folders.sort()
        inside = os.path.relpath(folder, root)
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                yield name if inside == "." else os.path.join(inside, name)
