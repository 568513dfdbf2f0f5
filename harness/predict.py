"""From classifiers to one prediction: scores of every part, their vote, and the smoothing along time.

Shapes: K classifiers, R rows of a video, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.metrics import get
from harness.plugins import takes
from harness.types import Floats, PartVote, Smoother, Video, Vote

if TYPE_CHECKING:
    from harness.context import Context
    from harness.kinds import Kind

ScoresOfParts = Mapping[str, Floats]  # video key -> scores_KRL


@dataclass(frozen=True)
class Decider:
    """The last stages of a pipeline: vote, then smooth (or the other way round), with the setting chosen on `inner`."""

    vote: Vote | PartVote
    smoother: Smoother
    order: str
    kind: Kind

    @property
    def asks_part(self) -> bool:
        """Whether the vote depends on the part that a video belongs to."""
        return takes(self.vote, "part")

    def __call__(self, scores_KRL: Floats, video: Video, setting: float, part: int) -> Floats:
        """scores_KRL of one video, which belongs to `part` -> scores_RL."""
        if self.order == "smooth-vote":
            smooth_KRL = np.stack([self.smoother(one_RL, video, setting) for one_RL in scores_KRL])
            return self._voted(smooth_KRL, part)
        return self.smoother(self._voted(scores_KRL, part), video, setting)

    def _voted(self, scores_KRL: Floats, part: int) -> Floats:
        words: dict[str, Any] = {"part": part} if self.asks_part else {}
        return self.vote(scores_KRL, self.kind, **words)


def choose_setting(
    context: Context, decider: Decider, videos: Sequence[Video], scores: ScoresOfParts, parts: Mapping[str, int]
) -> float:
    """The smoother's candidate with the best P on `inner` (the first of equals), logged; 0 without candidates."""
    candidates = decider.smoother.candidates
    if not candidates:
        return 0.0
    targets = context.targets(tuple(videos))
    metric = get(decider.kind.metric)
    tried = []
    for candidate in candidates:
        stats = [
            metric.stats(decider.kind.decide(decider(scores[v.key], v, candidate, parts[v.key])), targets[v.key])
            for v in videos
        ]
        tried.append(float(metric.score(metric.merge(np.stack(stats))).mean()))
    chosen = float(candidates[int(np.argmax(tried))])
    context.choices.append(
        {
            "what": "smoothing",
            "chosen": chosen,
            "by": f"{decider.kind.metric} on inner",
            "candidates": list(candidates),
            "scores": tried,
        }
    )
    return chosen


def predictions_table(
    videos: Sequence[Video], parts: Mapping[str, int], scores: Mapping[str, Floats], kind: Kind, labels: Sequence[str]
) -> Any:
    """Every prediction as a data frame: video, frame, part, a score per label, the decision; never the truth."""
    import pandas as pd

    frames = []
    for video in videos:
        scores_RL = scores[video.key]
        table = pd.DataFrame(scores_RL, columns=[f"score {label}" for label in labels])
        table.insert(0, "part", parts[video.key])
        table.insert(0, "frame", np.arange(1, len(scores_RL) + 1) if len(scores_RL) == video.frames else 0)
        table.insert(0, "video", video.key)
        table["decision"] = decisions(scores_RL, kind, labels)
        frames.append(table)
    return pd.concat(frames, ignore_index=True)


def decisions(scores_RL: Floats, kind: Kind, labels: Sequence[str]) -> list[str]:
    """What is decided in each row, in words: the label, the labels joined by +, or "" where the value is the decision.

    >>> from harness.kinds import ANY_OF
    >>> decisions(np.array([[0.9, 0.7], [0.1, 0.2]], np.float32), ANY_OF, ["AU1", "AU2"])
    ['AU1+AU2', '']
    """
    if kind.name == "continuous":
        return [""] * len(scores_RL)
    held_RL = kind.decide(scores_RL) > 0
    return ["+".join(label for label, held in zip(labels, row_L, strict=True) if held) for row_L in held_RL]
