"""What a task's labels mean: loss, squash, decision and metric. Three kinds cover the five tracks.

Shapes: B batch, T frames of a clip, R judged rows, L labels, K classifiers. NaN in a target means unlabelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.types import Floats

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Kind:
    """`one_of`: exactly one label holds. `any_of`: each holds or not. `continuous`: each is a value in [low, high].

    `loss_name` is "ce" (one_of, Eq. 2), "bce" (any_of, Eq. 1), "ccc" (Eq. 4), "pearson" or "mse".
    """

    name: Literal["one_of", "any_of", "continuous"]
    metric: Literal["f1", "ccc", "pearson"]
    loss_name: Literal["ce", "bce", "ccc", "pearson", "mse"]
    low: float = 0.0
    high: float = 1.0

    def squash(self, logits_RL: Tensor) -> Tensor:
        """Logits to scores: softmax, sigmoid, or a scaled tanh / sigmoid into [low, high]."""
        import torch

        if self.name == "one_of":
            return torch.softmax(logits_RL, dim=-1)
        if self.name == "any_of":
            return torch.sigmoid(logits_RL)
        return self.low + (self.high - self.low) * torch.sigmoid(logits_RL)

    def decide(self, scores_RL: Floats) -> Floats:
        """Scores to decisions: the best label one-hot (the first of equals), 1 where >= 0.5, or the value itself."""
        if self.name == "one_of":
            best_RL: Floats = np.eye(scores_RL.shape[1], dtype=np.float32)[scores_RL.argmax(axis=1)]
            return best_RL
        if self.name == "any_of":
            held_RL: Floats = (scores_RL >= 0.5).astype(np.float32)
            return held_RL
        return scores_RL

    def loss(self, logits_RL: Tensor, target_RL: Tensor, weights_L: Tensor) -> Tensor:
        """The training objective over rows with a label (NaN rows or entries are left out); see `harness.losses`."""
        from harness import losses

        return losses.by_name(self.loss_name)(logits_RL, target_RL, weights_L, self)


ONE_OF = Kind("one_of", metric="f1", loss_name="ce")
ANY_OF = Kind("any_of", metric="f1", loss_name="bce")


def continuous(metric: Literal["ccc", "pearson"], low: float, high: float) -> Kind:
    """A kind whose labels are values in [low, high], trained with 1 - metric."""
    return Kind("continuous", metric=metric, loss_name=metric, low=low, high=high)
