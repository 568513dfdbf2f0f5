"""Gaussian smoothing of scores along time (paper 3.4, Eq. 5). Shapes: R rows of a video, L labels."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UserError
from harness.types import Floats, Smoother, Video


@dataclass
class Gaussian:
    """A Gaussian filter along the rows of one video; the edge rows repeat beyond its ends.

    Eq. 5 is the least-squares distance between the result y and the scores f weighted by a Gaussian: the factor
    sqrt(2) / (2 sqrt(pi) sigma) is the normal density's 1 / (sqrt(2 pi) sigma). What minimises it is the projection,
    that is y(mu) = sum over x of f(x) N(x; mu, sigma): the filter itself, so a filter is the implementation.
    """

    candidates: tuple[float, ...]

    def __call__(self, scores_RL: Floats, video: Video, setting: float) -> Floats:
        """`setting` is sigma in frames of this video; 0 leaves scores as they are, and so does a single row.

        Weights are positive and sum to 1, so probabilities of a row still do, and values stay in their bounds.
        """
        from scipy.ndimage import gaussian_filter1d

        if setting == 0 or len(scores_RL) < 2:
            return scores_RL
        smooth_RL: Floats = gaussian_filter1d(scores_RL, setting, axis=0, mode="nearest")
        return smooth_RL


def gaussian(*, sigmas: str | float = "0,1,2,4,8,16") -> Smoother:
    """The candidates among which the core chooses on `inner`: sigmas in frames, separated by commas.

    The paper tunes sigma for each task and does not give it. One sigma alone leaves nothing to choose.
    """
    try:
        candidates = tuple(float(sigma) for sigma in str(sigmas).split(","))
    except ValueError:
        raise UserError(f"sigmas: expected numbers separated by commas, say 0,2,8; came {sigmas!r}") from None
    if not all(0 <= sigma < float("inf") for sigma in candidates):
        raise UserError(f"sigmas: expected numbers of frames from 0 on, came {sigmas!r}")
    return Gaussian(candidates)
