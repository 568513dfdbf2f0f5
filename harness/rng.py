"""Random streams: one for every (seed, stage, split, part), so that no stage's draws depend on another's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager


def derive(seed: int, *names: object) -> int:
    """A 63-bit seed from the run's seed and the names of the place that draws.

    >>> derive(0, "fit", "official", 1) == derive(0, "fit", "official", 1) != derive(0, "fit", "official", 2)
    True
    """
    text = "\0".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextmanager
def stream(seed: int) -> Iterator[None]:
    """Run a block on its own global torch stream (dropout, initial weights), leaving the outer one as it was."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
