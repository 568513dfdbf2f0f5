"""Speech-like sound: a glottal pulse train through moving formants, cut into syllables, with bursts of noise.

Arousal raises pitch, loudness and syllable rate; valence opens the vocal tract (formants up, as lips spread) and
brightens the voice; what a person feels is heard, whether or not the face shows it. Arrays end in S (samples) or P
(prosody, 100 values a second).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RATE = 16_000
PROSODY_RATE = 100

# First three formants in hertz of a, e, i, o, u and schwa for an average tract.
_VOWELS = np.array(
    [[730, 1090, 2440], [530, 1840, 2480], [270, 2290, 3010], [570, 840, 2410], [300, 870, 2240], [500, 1500, 2500]]
)
_BANDWIDTHS = (80.0, 110.0, 160.0)
_GAINS = (1.0, 0.9, 0.7)


@dataclass(frozen=True)
class Speaker:
    """Base pitch in hertz, tract length (1: average; women and children above), loudness and breathiness."""

    pitch: float
    tract: float
    loudness: float
    breath: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Speaker:
        high = rng.random() < 0.5
        pitch = rng.uniform(165, 235) if high else rng.uniform(95, 140)
        tract = rng.uniform(1.03, 1.12) if high else rng.uniform(0.93, 1.02)
        return cls(pitch, tract, 10 ** (rng.normal(0.0, 1.2) / 20), rng.uniform(0.02, 0.08))


@dataclass(frozen=True)
class Prosody:
    """How something is said: arousal_P and valence_P in [-1, 1], and four manners from 0 to 1."""

    arousal_P: Array
    valence_P: Array
    laugh: float = 0.0  # breathy beats five times a second
    tremor: float = 0.0  # pitch and loudness tremble at 6 Hz
    flat: float = 0.0  # even pitch, hard onsets
    glide: float = 0.0  # slow falling pitch on long vowels

    def at(self, seconds: float) -> tuple[float, float]:
        """Arousal and valence at this time."""
        p = min(int(seconds * PROSODY_RATE), len(self.arousal_P) - 1)
        return float(self.arousal_P[p]), float(self.valence_P[p])


@dataclass(frozen=True)
class Syllable:
    start: float
    seconds: float
    vowel: int
    burst: bool


def syllables(rng: np.random.Generator, prosody: Prosody, duration: float) -> tuple[Syllable, ...]:
    """When the speaker says something: phrases of syllables with pauses, 2.5 to 6.5 syllables a second."""
    found, now = [], rng.uniform(0.05, 0.5)
    while now < duration - 0.15:
        for _ in range(int(rng.integers(4, 12))):
            arousal, _ = prosody.at(now)
            seconds = rng.uniform(0.85, 1.15) * (1 + 0.5 * prosody.glide) / (4.3 + 1.9 * arousal)
            if now + seconds > duration - 0.05:
                break
            found.append(Syllable(now, seconds, int(rng.integers(len(_VOWELS))), bool(rng.random() < 0.55)))
            now += seconds
        arousal, _ = prosody.at(now)
        now += rng.uniform(0.25, 0.9) * (1.0 - 0.4 * arousal)
    return tuple(found)


def mouth(t_F: Array, spoken: Sequence[Syllable]) -> Array:
    """How far speech opens the mouth at each time, 0 to 1: half open through a phrase, a beat on each syllable."""
    open_F = np.zeros(len(t_F))
    for syllable in spoken:
        x_F = (t_F - syllable.start) / syllable.seconds
        inside_F = (x_F > -0.2) & (x_F < 1.2)
        beat_F = np.sin(np.pi * np.clip(x_F, 0.0, 1.0)) * (0.6 if syllable.vowel in (2, 4) else 1.0)
        open_F = np.maximum(open_F, inside_F * (0.4 + 0.6 * beat_F))
    return open_F


def speak(
    rng: np.random.Generator, speaker: Speaker, spoken: Sequence[Syllable], prosody: Prosody, duration: float
) -> NDArray[np.float32]:
    """samples_S in [-1, 1] at 16 kHz, silent between syllables."""
    sound_S = np.zeros(int(duration * RATE))
    for k, syllable in enumerate(spoken):
        piece_S = _syllable(rng, speaker, syllable, prosody, place=(k % 8) / 8)
        first = int(syllable.start * RATE)
        piece_S = piece_S[: max(0, len(sound_S) - first)]
        sound_S[first : first + len(piece_S)] += piece_S
    return np.clip(sound_S, -1.0, 1.0).astype(np.float32)


def room(rng: np.random.Generator, duration: float, scene: int) -> NDArray[np.float32]:
    """The background of a scene: hum, hiss, rumble or near silence, by the scene's number."""
    from scipy.signal import lfilter

    n = int(duration * RATE)
    t_S, white_S = np.arange(n) / RATE, rng.normal(size=n)
    level = rng.uniform(0.6, 1.2)
    if scene % 4 == 0:
        sound_S = 0.0015 * np.sin(2 * np.pi * 100 * t_S) + 0.0006 * white_S
    elif scene % 4 == 1:
        sound_S = 0.004 * white_S
    elif scene % 4 == 2:
        sound_S = 0.0012 * lfilter([1.0], [1.0, -0.97], white_S)
    else:
        sound_S = 0.0003 * white_S
    return (level * sound_S).astype(np.float32)


def _syllable(rng: np.random.Generator, speaker: Speaker, syllable: Syllable, prosody: Prosody, place: float) -> Array:
    from scipy.signal import lfilter

    n = max(int(syllable.seconds * RATE), 64)
    t_S = np.arange(n) / RATE
    arousal, valence = prosody.at(syllable.start)
    x_S = t_S / syllable.seconds
    semitones_S = 7.0 * arousal + (1 - prosody.flat) * (2.5 * valence * (x_S - 0.3) - 2.0 * place + rng.normal(0, 0.8))
    semitones_S = semitones_S - 5.0 * prosody.glide * x_S
    semitones_S = semitones_S + 1.5 * prosody.tremor * np.sin(2 * np.pi * 6.0 * (t_S + syllable.start))
    phase_S = np.cumsum(speaker.pitch * 2 ** (semitones_S / 12)) / RATE
    pulse_S = (1.0 - (phase_S % 1.0)) ** 4 - 0.2
    breath = speaker.breath + 0.25 * prosody.laugh + 0.12 * max(0.0, -valence)
    source_S = pulse_S + breath * rng.normal(size=n)

    # Negative valence: a dark, close voice; positive and aroused: a bright one.
    dark = np.clip(0.5 - 0.45 * valence - 0.1 * arousal, 0.02, 0.93)
    source_S = lfilter([1.0, -0.94], [1.0, -dark], source_S)  # lips radiate high tones better
    formants = _VOWELS[syllable.vowel] * speaker.tract * (1.0 + np.array([0.05, 0.13, 0.11]) * valence)
    gains = np.array(_GAINS) * 10 ** (np.array([0.0, 7.0, 9.0]) * valence / 20)
    voiced_S = np.zeros(n)
    for frequency, width, gain in zip(formants, _BANDWIDTHS, gains, strict=True):
        radius = np.exp(-np.pi * width / RATE)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2]
        voiced_S += gain * lfilter([1.0 - radius], poles, source_S)
    voiced_S /= np.sqrt(np.mean(voiced_S**2)) + 1e-9

    if syllable.burst:
        burst = min(n, int(0.03 * RATE))
        voiced_S[:burst] += 0.7 * np.diff(rng.normal(size=burst + 1)) * np.hanning(burst)
    attack = 0.12 - 0.08 * prosody.flat
    shape_S = np.minimum(1.0, x_S / attack) * np.minimum(1.0, (1.0 - x_S) / 0.35)
    if prosody.laugh:
        beat_S = 0.5 + 0.5 * np.cos(2 * np.pi * 5.0 * (t_S + syllable.start))
        shape_S = shape_S * (1 - prosody.laugh + prosody.laugh * beat_S**2)
    if prosody.tremor:
        shape_S = shape_S * (1 + 0.35 * prosody.tremor * np.sin(2 * np.pi * 6.0 * (t_S + syllable.start)))
    loudness = 0.045 * speaker.loudness * 10 ** (8.0 * arousal / 20)
    return loudness * shape_S * voiced_S
