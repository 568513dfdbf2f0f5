"""The smallest component of each sort, as a plugin like any other.

Shapes: K classifiers, R rows, L labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError
from harness.hookspecs import hookimpl
from harness.kinds import Kind
from harness.types import Floats, Partition, PartVote, Scenes, Smoother, Video, View, Vote

if TYPE_CHECKING:
    from torch import Tensor

    from harness.scoring.predicted import Format

# -- votes --------------------------------------------------------------------------------------


def mean(scores_KRL: Floats, kind: Kind) -> Floats:
    """The mean score of K classifiers."""
    mean_RL: Floats = scores_KRL.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean_RL


def majority(scores_KRL: Floats, kind: Kind) -> Floats:
    """The label most classifiers decide for (paper 3.3), ties by mean score, as scores that say so when decided on.

    scores = (votes + mean score) / (K + 1). The mean score lies in [0, 1], so it never outweighs a vote; and where
    each label holds or not, the result is >= 0.5 just when more than half vote for it, or half do and the mean score
    is >= 0.5. Scores are float32: mean scores closer than about 1e-6 count as equal. Needs labels to decide on:
    UserError for continuous kinds.
    """
    if kind.name == "continuous":
        raise UserError("Vote 'majority' needs labels to count, this task's are continuous values; use --vote mean")
    votes_RL = np.sum([kind.decide(scores_RL) for scores_RL in scores_KRL], axis=0, dtype=np.float64)
    mean_RL = scores_KRL.mean(axis=0, dtype=np.float64)
    shares_RL: Floats = ((votes_RL + mean_RL) / (len(scores_KRL) + 1)).astype(np.float32)
    return shares_RL


def routed(scores_KRL: Floats, kind: Kind, part: int) -> Floats:
    """No vote: the scores of the classifier of the video's own part, the control of the vote of all (paper 3.3)."""
    own_RL: Floats = scores_KRL[part]
    return own_RL


# -- partitions ---------------------------------------------------------------------------------


@dataclass
class Whole:
    """One part that holds every video: a single classifier."""

    k: int = 1
    source: str = "none"

    def fit(self, videos: Sequence[Video], view: View, seed: int) -> Scenes:
        return self

    def assign(self, video: Video, view: View) -> int:
        return 0

    def state(self) -> Mapping[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> Scenes:
        return self


def whole() -> Partition:
    """No division: one classifier learns from every training video."""
    return Whole()


@dataclass
class RandomParts:
    """Parts drawn at random; a recording seen in `fit` keeps its part, any other gets one from its name's hash."""

    k: int
    seed: int
    part_of: Mapping[str, int]
    source: str = "random"

    def assign(self, video: Video, view: View) -> int:
        if video.group in self.part_of:
            return self.part_of[video.group]
        digest = hashlib.sha256(f"{self.seed} {video.group}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.k

    def state(self) -> Mapping[str, Tensor]:
        """The seed, in halves that fit a signed integer: a new recording's part follows from it and from its name."""
        import torch

        return {"k": torch.tensor(self.k), "seed": torch.tensor([self.seed >> 32, self.seed & 0xFFFFFFFF])}


@dataclass(frozen=True)
class RandomK:
    """The partition `random_k`: what scenes must beat, since it has as many parts and no idea of the background."""

    k: int

    def fit(self, videos: Sequence[Video], view: View, seed: int) -> Scenes:
        """Recordings in random order, each into the part with the fewest frames so far; never cuts a recording."""
        frames: dict[str, int] = {}
        for video in videos:
            frames[video.group] = frames.get(video.group, 0) + video.frames
        if len(frames) < self.k:
            raise UserError(f"Partition 'random_k' needs at least k={self.k} training recordings, got {len(frames)}")
        load_K = [0] * self.k
        taken_K = [0] * self.k
        part_of: dict[str, int] = {}
        for group in np.random.default_rng(seed).permutation(sorted(frames)).tolist():
            # by recordings where frames are equal, so that no part stays empty
            part = min(range(self.k), key=lambda k: (load_K[k], taken_K[k], k))
            part_of[group] = part
            load_K[part] += frames[group]
            taken_K[part] += 1
        return RandomParts(self.k, seed, part_of)

    def restore(self, state: Mapping[str, Tensor]) -> Scenes:
        """Recordings that were seen in `fit` are not known by name any more: they were trained on."""
        high, low = state["seed"].tolist()
        return RandomParts(int(state["k"]), high << 32 | low, {})


def random_k(k: int = 4) -> Partition:
    """k parts of about equally many frames, drawn by seed: the control of an ablation of scenes."""
    if k < 1:
        raise UserError(f"Partition 'random_k' takes k >= 1, got {k}")
    return RandomK(k)


# -- postprocessors -----------------------------------------------------------------------------


@dataclass
class Untouched:
    """Hands scores on as they are."""

    candidates: tuple[float, ...] = ()

    def __call__(self, scores_RL: Floats, video: Video, setting: float) -> Floats:
        return scores_RL


def none() -> Smoother:
    """No refinement along time."""
    return Untouched()


# -- hooks --------------------------------------------------------------------------------------


@hookimpl
def provide_votes() -> Mapping[str, Vote | PartVote]:
    return {"majority": majority, "mean": mean, "routed": routed}


@hookimpl
def provide_partitions() -> Mapping[str, Callable[..., Partition]]:
    return {"whole": whole, "random_k": random_k}


@hookimpl
def provide_postprocessors() -> Mapping[str, Callable[..., Smoother]]:
    return {"none": none}


@hookimpl
def provide_formats() -> Mapping[str, Format]:
    from harness.scoring.foreign import FORMATS

    return FORMATS
