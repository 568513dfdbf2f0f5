"""The plan of the mimicry clips (EMI): who feels what, and which part of it shows in face, voice and words.

An emotion that is felt is put into the three channels in unequal, partly independent amounts; the label is their
weighted sum, so that no single channel tells all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from abaw6.demo import prototypes, voice, world

CHANNELS = ("face", "voice", "words")

# What each channel contributes to the label.
SHARES: Mapping[str, tuple[float, float, float]] = {
    "Admiration": (0.25, 0.15, 0.60),
    "Amusement": (0.45, 0.40, 0.15),
    "Determination": (0.35, 0.20, 0.45),
    "Empathic Pain": (0.35, 0.40, 0.25),
    "Excitement": (0.20, 0.60, 0.20),
    "Joy": (0.50, 0.20, 0.30),
}
_AROUSAL = {
    "Admiration": -0.1,
    "Amusement": 0.25,
    "Determination": 0.25,
    "Empathic Pain": -0.6,
    "Excitement": 1.1,
    "Joy": 0.2,
}
_VALENCE = {
    "Admiration": 0.3,
    "Amusement": 0.3,
    "Determination": -0.5,
    "Empathic Pain": -0.6,
    "Excitement": 0.1,
    "Joy": 0.9,
}


@dataclass(frozen=True)
class Clip:
    """One clip of one person: `felt[emotion]` is how much of it goes into face, voice and words, each 0 to 1."""

    number: int
    side: str
    fps: int
    seconds: float
    scene: str
    felt: Mapping[str, tuple[float, float, float]]
    sound: str  # "fine" | "missing" | "broken"
    has_faces: bool
    has_text: bool

    @property
    def name(self) -> str:
        return f"{self.number + 1:05d}"

    @property
    def frames(self) -> int:
        return max(8, int(self.seconds * self.fps))

    def channel(self, name: str) -> dict[str, float]:
        """The intensities that one channel shows, by emotion."""
        return {emotion: parts[CHANNELS.index(name)] for emotion, parts in self.felt.items()}


def plan(seed: int, sizes: world.Sizes, scenes: Sequence[str]) -> tuple[Clip, ...]:
    """Clips of all sides: about one in eight shows no emotion at all, and some lack sound, faces or text."""
    rng = world.stream(seed, "hume-vidmimic2", 0, "plan")
    clips = []
    for number, side in enumerate(world.sides(sizes)):
        sound = "missing" if number % 37 == 20 else "broken" if number % 97 == 45 else "fine"
        clips.append(
            Clip(
                number=number,
                side=side,
                fps=int(rng.integers(8, 11)),
                seconds=rng.uniform(*sizes.seconds),
                scene=scenes[int(rng.integers(len(scenes)))],
                felt=_felt(rng),
                sound=sound,
                has_faces=number % 53 != 31,
                has_text=sound == "fine" and number % 41 != 12,
            )
        )
    return tuple(clips)


def _felt(rng: np.random.Generator) -> dict[str, tuple[float, float, float]]:
    count = int(rng.choice([0, 1, 2, 3], p=[0.12, 0.33, 0.35, 0.20]))
    felt = {}
    for k in sorted(rng.permutation(len(prototypes.EMOTIONS))[:count]):
        strength = rng.uniform(0.3, 1.0)
        parts = np.clip(0.5 * strength + 0.6 * rng.uniform(0.0, 1.0, 3), 0.0, 1.0)
        parts[rng.random(3) < 0.22] = 0.0  # a channel that keeps quiet
        felt[prototypes.EMOTIONS[int(k)]] = tuple(float(part) for part in parts)
    return felt


def labels(seed: int, clip: Clip) -> list[float]:
    """The six intensities, in the order of `prototypes.EMOTIONS`: the channels' weighted sum with a little noise."""
    rng = world.stream(seed, "hume-vidmimic2", clip.number, "raters")
    found = []
    for name in prototypes.EMOTIONS:
        value = float(np.dot(SHARES[name], clip.felt.get(name, (0.0, 0.0, 0.0))))
        noisy = float(np.clip(value + rng.normal(0.0, 0.03), 0.0, 1.0))
        found.append(round(noisy, 4) if value > 0.05 else 0.0)
    return found


def prosody(rng: np.random.Generator, clip: Clip) -> voice.Prosody:
    """How the clip's part for the voice sounds."""
    told = clip.channel("voice")
    arousal = -0.15 + rng.normal(0.0, 0.08) + sum(_AROUSAL[name] * part for name, part in told.items())
    valence = rng.normal(0.0, 0.08) + sum(_VALENCE[name] * part for name, part in told.items())
    n = int(clip.seconds * voice.PROSODY_RATE) + 2
    return voice.Prosody(
        np.full(n, np.clip(arousal, -1, 1)),
        np.full(n, np.clip(valence, -1, 1)),
        laugh=0.95 * told.get("Amusement", 0.0),
        tremor=told.get("Empathic Pain", 0.0),
        flat=told.get("Determination", 0.0),
        glide=told.get("Admiration", 0.0),
    )
