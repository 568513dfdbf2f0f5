"""How a face moves in time: expressions with onset, apex and offset, spontaneous units, speech, head and eyes.

Everything is a function of seconds, so that odd and variable frame rates sample the same smooth movement. Suffixes:
F frames, 12 action units in the order of `prototypes.AUS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abaw6.demo import prototypes

Array = NDArray[np.float64]

# Events per ten seconds outside expressions: common units are common for their own sake, rare ones stay rare.
_SPONTANEOUS = np.array([0.30, 0.20, 0.40, 0.8, 1.5, 1.2, 0.6, 0.08, 0.08, 0.08, 0.6, 0.15])
_AU25, _AU26, _AU12 = (prototypes.AUS.index(name) for name in ("AU25", "AU26", "AU12"))


@dataclass(frozen=True)
class Segment:
    """One expression shown from `start` to `end` seconds; `variant` counts through `prototypes.variants`."""

    expression: str
    start: float
    end: float
    variant: int = 0
    strength: float = 1.0

    def envelope(self, t_F: Array) -> Array:
        """0 outside, 1 at the apex, smooth in between; a rise takes about 0.25 s, a fall 0.35 s."""
        length = self.end - self.start
        rise, fall = min(0.25, 0.3 * length), min(0.35, 0.35 * length)
        return smoothstep((t_F - self.start) / rise) * smoothstep((self.end - t_F) / fall)


@dataclass(frozen=True)
class Style:
    """How one person uses the face: a gain per unit, the overall expressivity, and units never quite at rest."""

    gain_12: Array
    rest_12: Array
    restless: float  # spontaneous events, relative to the average person

    @classmethod
    def random(cls, rng: np.random.Generator) -> Style:
        expressivity = rng.uniform(0.82, 1.08)
        gain_12 = np.clip(expressivity * rng.normal(1.0, 0.07, 12), 0.7, 1.2)
        return cls(gain_12, np.clip(rng.normal(0.02, 0.05, 12), 0.0, 0.14), rng.uniform(0.6, 1.4))


def smoothstep(x: Array) -> Array:
    """3x^2 - 2x^3 between 0 and 1, constant outside."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def drift(rng: np.random.Generator, t_F: Array, seconds: float) -> Array:
    """A smooth random curve of mean 0 and variance about 1 whose swings take about `seconds`."""
    frequency = rng.uniform(0.25, 1.0, 6) / seconds
    phase, weight = rng.uniform(0.0, 2 * np.pi, 6), rng.normal(0.0, 1.0, 6)
    weight *= np.sqrt(2.0 / np.sum(weight**2))
    return np.sin(2 * np.pi * np.outer(t_F, frequency) + phase) @ weight


def arrange(rng: np.random.Generator, duration: float, wanted: Sequence[tuple[str, float]]) -> tuple[Segment, ...]:
    """The wanted (expression, seconds) in random order, stretched or shrunk to fill `duration`."""
    order = rng.permutation(len(wanted))
    scale = duration / sum(seconds for _, seconds in wanted)
    segments, start = [], 0.0
    for k in order:
        name, seconds = wanted[k]
        end = start + seconds * scale
        variant = int(rng.integers(len(prototypes.variants(name))))
        segments.append(Segment(name, start, end, variant, rng.uniform(0.82, 1.05)))
        start = end
    return tuple(segments)


def spontaneous(rng: np.random.Generator, t_F: Array, rate_12: Array) -> Array:
    """au_F12 of single units that come and go for no reason; `rate_12` in events per second."""
    au_F12 = np.zeros((len(t_F), 12))
    duration = float(t_F[-1]) + 0.1
    for unit, rate in enumerate(rate_12):
        for _ in range(rng.poisson(rate * duration)):
            start, length = rng.uniform(-0.5, duration), rng.uniform(0.6, 2.2)
            event = Segment("", start, start + length).envelope(t_F) * rng.uniform(0.45, 0.95)
            au_F12[:, unit] = np.maximum(au_F12[:, unit], event)
    return au_F12


def face(
    rng: np.random.Generator, t_F: Array, segments: Sequence[Segment], style: Style, mouth_F: Array, calm: float = 1.0
) -> Array:
    """au_F12 in [0, 1]: the strongest of expression and spontaneous movement, through the person's style.

    `mouth_F` is how far speech opens the mouth (0 to 1); `calm` scales the spontaneous rate.
    """
    au_F12 = spontaneous(rng, t_F, _SPONTANEOUS / 10.0 * style.restless * calm)
    for segment in segments:
        shape_12 = prototypes.variants(segment.expression)[segment.variant] * segment.strength
        au_F12 = np.maximum(au_F12, segment.envelope(t_F)[:, None] * shape_12)
    au_F12[:, _AU25] = np.maximum(au_F12[:, _AU25], 0.85 * mouth_F)
    au_F12[:, _AU26] = np.maximum(au_F12[:, _AU26], 0.25 * mouth_F)
    tremble_F12 = np.stack([drift(rng, t_F, 0.6) for _ in range(12)], axis=1)
    return np.clip(au_F12 * style.gain_12 + style.rest_12 + 0.025 * tremble_F12, 0.0, 1.0)


def suggested(t_F: Array, au_F12: Array) -> tuple[Array, Array]:
    """Valence and arousal that the face alone suggests: linear in the units, smoothed over about half a second."""
    return smooth(t_F, au_F12 @ prototypes.VALENCE_12, 0.35), smooth(t_F, au_F12 @ prototypes.AROUSAL_12, 0.35)


def smooth(t_F: Array, x_F: Array, seconds: float) -> Array:
    """Gaussian average over time stamps, `seconds` its standard deviation."""
    weight_FF = np.exp(-0.5 * ((t_F[:, None] - t_F[None, :]) / seconds) ** 2)
    return weight_FF @ x_F / weight_FF.sum(1)


def delayed(t_F: Array, x_F: Array, seconds: float) -> Array:
    """What an annotator with this reaction time writes down at each frame."""
    return np.interp(t_F - seconds, t_F, x_F)


def expression_labels(t_F: Array, segments: Sequence[Segment], lag: float, rest: str | None) -> list[str | None]:
    """The expression shown at each frame, after the annotator's lag; `rest` where it is too weak to tell."""
    shown_SF = np.stack([segment.envelope(t_F - lag) for segment in segments])
    best_F = shown_SF.argmax(0)
    return [segments[k].expression if shown_SF[k, i] > 0.2 else rest for i, k in enumerate(best_F)]


def blinks(rng: np.random.Generator, t_F: Array) -> Array:
    """How far the lids are closed, 0 to 1; about one blink in four seconds, 0.2 s each."""
    closed_F = np.zeros(len(t_F))
    for _ in range(1 + rng.poisson(float(t_F[-1]) / 4.0)):
        centre = rng.uniform(0.0, float(t_F[-1]) + 0.1)
        closed_F = np.maximum(closed_F, np.exp(-0.5 * ((t_F - centre) / 0.07) ** 2))
    return closed_F


def absences(rng: np.random.Generator, frames: int, share: float) -> NDArray[np.bool_]:
    """seen_F: False in a few short runs, about `share` of all frames, when no detector would find the face."""
    seen_F = np.ones(frames, dtype=bool)
    for _ in range(rng.poisson(share * frames / 4.0)):
        start = int(rng.integers(frames))
        seen_F[start : start + int(rng.integers(1, 8))] = False
    return seen_F
