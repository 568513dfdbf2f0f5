"""The fusions by their options; torch is imported when one is built, not when plugins are listed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abaw_baselines.linear import Linear
    from abaw_baselines.prior import Prior


def prior(widths: Mapping[str, int], outputs: int) -> Prior:
    """The fusion `prior`: training share or mean of each label, whatever the tokens are."""
    from abaw_baselines.prior import Prior

    return Prior(widths, outputs)


def linear(
    widths: Mapping[str, int],
    outputs: int,
    *,
    l2: float = 0.01,
    clip_mean: bool = True,
    frames: int = 20,
    rows: int = 50_000,
) -> Linear:
    """The fusion `linear`: ridge or balanced logistic regression; options as `abaw_baselines.linear.Linear`."""
    from abaw_baselines.linear import Linear

    return Linear(widths, outputs, l2=l2, clip_mean=clip_mean, frames=frames, rows=rows)
