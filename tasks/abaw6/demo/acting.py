"""What happens in one recording, before anything is drawn: who shows what, what is said, and what is felt.

Valence and arousal come partly from the face; the rest is a mood that only the voice tells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abaw6.demo import dynamics, voice, world
from abaw6.demo.dynamics import Array

# How much of what the face suggests, and of the mood, is felt; the offset is where the rest of people's days lies.
_FELT = {"valence": (0.03, 0.75, 0.36), "arousal": (0.05, 0.60, 0.55)}


@dataclass(frozen=True, eq=False)
class Mood:
    """Valence and arousal of a recording beyond the face, 100 values a second: mostly constant; heard, never seen."""

    valence_P: Array
    arousal_P: Array

    @classmethod
    def random(cls, rng: np.random.Generator, duration: float) -> Mood:
        t_P = np.arange(int(duration * voice.PROSODY_RATE) + 2) / voice.PROSODY_RATE
        level = rng.uniform(-0.9, 0.9, 2)
        curves = [np.clip(m + 0.35 * dynamics.drift(rng, t_P, 6.0), -1.0, 1.0) for m in level]
        return cls(*curves)

    def at(self, t_F: Array) -> tuple[Array, Array]:
        """Valence and arousal at these seconds."""
        return np.interp(t_F, self._times, self.valence_P), np.interp(t_F, self._times, self.arousal_P)

    def told(self, t_F: Array, au_F12: Array) -> voice.Prosody:
        """How the voice sounds: mostly the mood, a little of what the face shows."""
        face = [np.interp(self._times, t_F, curve_F) for curve_F in dynamics.suggested(t_F, au_F12)]
        valence_P = np.clip(self.valence_P + 0.3 * face[0], -1.0, 1.0)
        return voice.Prosody(np.clip(self.arousal_P + 0.3 * face[1], -1.0, 1.0), valence_P)

    @property
    def _times(self) -> Array:
        return np.arange(len(self.valence_P)) / voice.PROSODY_RATE


@dataclass(frozen=True, eq=False)
class Act:
    """What one person does: expressions, the units they move, and the frames in which the face can be found."""

    track: str
    segments: tuple[dynamics.Segment, ...]
    au_F12: Array
    seen_F: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Script:
    """One recording: frame times t_F in seconds, mood, syllables, one act per person, and who of them speaks."""

    t_F: Array
    duration: float
    mood: Mood
    spoken: tuple[voice.Syllable, ...]
    acts: tuple[Act, ...]
    speaker: int


def script(seed: int, dataset: str, recording: world.Recording, calm: float = 1.0) -> Script:
    """The script of a recording; `calm` scales how often single units move for no reason."""

    def rng(purpose: str) -> np.random.Generator:
        return world.stream(seed, dataset, recording.number, purpose)

    t_F = world.frame_times(rng("clock"), recording.fps, recording.frames, recording.variable)
    duration = float(t_F[-1] + 1 / recording.fps)
    mood = Mood.random(rng("mood"), duration)
    spoken = voice.syllables(rng("words"), voice.Prosody(mood.arousal_P, mood.valence_P), duration)
    speaker = recording.number % len(recording.tracks)
    acts = []
    for place, track in enumerate(recording.tracks):
        act = rng(f"act{place}")
        segments = dynamics.arrange(act, duration, recording.wanted)
        mouth_F = voice.mouth(t_F, spoken) if place == speaker else np.zeros(len(t_F))
        au_F12 = dynamics.face(act, t_F, segments, dynamics.Style.random(act), mouth_F, calm)
        acts.append(Act(track, segments, au_F12, dynamics.absences(act, len(t_F), 0.02)))
    return Script(t_F, duration, mood, spoken, tuple(acts), speaker)


def sound(seed: int, dataset: str, recording: world.Recording, scene: Script) -> NDArray[np.float32]:
    """samples_S at 16 kHz: the speaker, over the room."""

    def rng(purpose: str) -> np.random.Generator:
        return world.stream(seed, dataset, recording.number, purpose)

    prosody = scene.mood.told(scene.t_F, scene.acts[scene.speaker].au_F12)
    speech_S = voice.speak(rng("voice"), voice.Speaker.random(rng("speaker")), scene.spoken, prosody, scene.duration)
    return speech_S + voice.room(rng("room"), scene.duration, recording.number)[: len(speech_S)]


def felt(rng: np.random.Generator, t_F: Array, au_F12: Array, mood: Mood) -> Array:
    """valence and arousal as an annotator with a reaction time traces them: value_F2 in [-1, 1]."""
    lag = rng.uniform(0.05, 0.2)
    curves = []
    for (offset, face, heard), face_F, mood_F in zip(
        _FELT.values(), dynamics.suggested(t_F, au_F12), mood.at(t_F), strict=True
    ):
        felt_F = dynamics.delayed(t_F, offset + face * face_F + heard * mood_F, lag)
        curves.append(np.clip(felt_F + 0.03 * dynamics.drift(rng, t_F, 2.0), -1.0, 1.0))
    return np.stack(curves, axis=1)


def active(rng: np.random.Generator, t_F: Array, au_F12: Array) -> NDArray[np.int64]:
    """label_F12: 1 where a coder sees the unit, above a threshold of this coder and with a small delay."""
    lag = rng.uniform(0.0, 0.08)
    steady = [dynamics.delayed(t_F, dynamics.smooth(t_F, au_F12[:, k], 0.06), lag) for k in range(12)]
    return (np.stack(steady, axis=1) > rng.uniform(0.36, 0.46, 12)).astype(np.int64)
