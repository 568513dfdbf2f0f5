"""How long the search for near-duplicate frames takes at the size of a real data set, how much memory, what it finds.

    python tests/near_scale.py --frames 3000000          # Aff-Wild2

Made-up hashes: videos of 5,000 frames, each drifting about a face of its own, all faces leaning the same way (as
aligned faces do, so that strangers' hashes meet now and then). Into twenty videos of the validation side go 100 frames
of a training video each, up to 4 bits changed. The answer is one line of JSON: seconds, `memory_mb` (the peak, over
what the hashes themselves and the libraries take), pairs of videos that share frames, and how many of the twenty were
found whole.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from typing import Any

import numpy as np

from harness.audit.framehash import Frames, Hashes
from harness.audit.near import Places, find
from harness.progress import Progress, shown

LENGTH, PLANTED, COPIED, DISTANCE = 5000, 20, 100, 4


def world(frames: int, seed: int = 0) -> tuple[Frames, Places, list[tuple[int, int]]]:
    """Hashes, where each video belongs (every fifth is of the validation side), and the pairs with planted copies."""
    rng = np.random.default_rng(seed)
    videos = frames // LENGTH
    lean_K = rng.beta(0.5, 0.5, 64)  # of all faces
    hash_VF = np.stack([_video(lean_K, rng) for _ in range(videos)])
    side_V = (np.arange(videos) % 5 == 4).astype(np.int64)
    train, valid = (rng.permutation(np.flatnonzero(side_V == side)) for side in (0, 1))
    pairs = sorted((int(one), int(other)) for one, other in zip(train, valid[:PLANTED], strict=False))
    for one, other in pairs:
        at, to = rng.integers(0, LENGTH - COPIED, 2)
        hash_VF[other, to : to + COPIED] = _changed(hash_VF[one, at : at + COPIED], rng)
    video_N = np.repeat(np.arange(videos, dtype=np.int32), LENGTH)
    frame_N = np.tile(np.arange(LENGTH, dtype=np.int32), videos)
    places = Places(side_V, np.arange(videos), np.full(videos, -1))
    return Frames(hash_VF.reshape(-1), video_N, frame_N), places, pairs


def _video(lean_K: Any, rng: np.random.Generator) -> Hashes:
    """hash_F of one video: some bits of its face change often, most seldom."""
    face_K = rng.random(64) < lean_K
    bits_FK = face_K ^ (rng.random((LENGTH, 64)) < rng.beta(1, 8, 64))
    hash_F: Hashes = np.packbits(bits_FK, axis=1).view(">u8")[:, 0].astype(np.uint64)
    return hash_F


def _changed(hash_F: Hashes, rng: np.random.Generator) -> Hashes:
    for _ in range(DISTANCE):
        hash_F = hash_F ^ (np.uint64(1) << rng.integers(0, 64, len(hash_F), dtype=np.uint64))
    return hash_F


def measure(frames: int, progress: Progress = shown) -> dict[str, Any]:
    """One search, of sides alone."""
    made, places, planted = world(frames)
    before, began = _peak(), time.process_time()
    found = {one.videos: one.frames for one in find(made, places, DISTANCE, progress)}
    whole = [pair for pair in planted if min(found.get((min(pair), max(pair)), (0, 0))) >= COPIED]
    return {
        "frames": len(made.hash_N),
        "seconds": round(time.process_time() - began, 1),
        "memory_mb": round(_peak() - before),
        "video_pairs": len(found),
        "planted": len(planted),
        "found": len(whole),
    }


def _peak() -> float:
    """The most memory this process has taken, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, required=True)
    print(json.dumps(measure(parser.parse_args().frames)))


if __name__ == "__main__":
    main()
