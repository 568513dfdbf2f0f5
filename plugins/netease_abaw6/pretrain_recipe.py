"""The numbers of masked pre-training (paper 3.1 and 4.3; He et al. 2022, appendix A.1)."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class PretrainRecipe:
    """The published recipe; the learning rate used is `base_lr * batch / 256`, cosine to zero after warm-up."""

    width: int = 768
    depth: int = 12
    heads: int = 12
    patch: int = 16
    image: int = 224
    decoder_width: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16
    epochs: int = 800
    batch: int = 4096
    base_lr: float = 1.5e-4
    warmup_epochs: int = 40
    weight_decay: float = 0.05  # not of norms and biases
    beta1: float = 0.9
    beta2: float = 0.95
    mask_ratio: float = 0.75
    smallest_crop: float = 0.2  # share of the image's area

    def facts(self) -> dict[str, int | float]:
        """Every number, for keys and sidecars."""
        return asdict(self)

    def learning_rate(self, epoch: float) -> float:
        """At a point of the training, counted in epochs."""
        peak = self.base_lr * self.batch / 256
        warmup = min(self.warmup_epochs, self.epochs)
        if epoch < warmup:
            return peak * epoch / warmup
        return peak * 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / max(1, self.epochs - warmup)))
