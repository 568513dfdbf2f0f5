"""What expressions are made of: sets of action units, and what each says about valence and arousal.

The basic prototypes follow EMFACS (Ekman and Friesen), reduced to the 12 units of Aff-Wild2; compound expressions are
the union of two basic ones (Du, Tao and Martinez 2014). Intensities run from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

AUS = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26")
EXPRESSIONS = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise", "Other")
COMPOUNDS = (
    "Fearfully Surprised",
    "Happily Surprised",
    "Sadly Surprised",
    "Disgustedly Surprised",
    "Angrily Surprised",
    "Sadly Fearful",
    "Sadly Angry",
)
EMOTIONS = ("Admiration", "Amusement", "Determination", "Empathic Pain", "Excitement", "Joy")

_PARTS = {
    "Fearfully Surprised": ("Fear", "Surprise"),
    "Happily Surprised": ("Happiness", "Surprise"),
    "Sadly Surprised": ("Sadness", "Surprise"),
    "Disgustedly Surprised": ("Disgust", "Surprise"),
    "Angrily Surprised": ("Anger", "Surprise"),
    "Sadly Fearful": ("Sadness", "Fear"),
    "Sadly Angry": ("Sadness", "Anger"),
}

# Several variants where people differ in how they show it.
_BASIC: Mapping[str, tuple[Mapping[str, float], ...]] = {
    "Neutral": ({},),
    "Anger": ({"AU4": 0.9, "AU7": 0.8, "AU23": 0.8, "AU24": 0.5}, {"AU4": 0.95, "AU7": 0.6, "AU10": 0.4, "AU24": 0.8}),
    "Disgust": (
        {"AU10": 0.95, "AU4": 0.45, "AU7": 0.4, "AU6": 0.3},
        {"AU10": 0.9, "AU15": 0.3, "AU7": 0.5, "AU25": 0.4},
    ),
    "Fear": (
        {"AU1": 0.9, "AU2": 0.6, "AU4": 0.7, "AU7": 0.5, "AU25": 0.7},
        {"AU1": 0.9, "AU4": 0.6, "AU25": 0.7, "AU26": 0.4},
    ),
    "Happiness": ({"AU6": 0.8, "AU12": 0.95, "AU25": 0.6}, {"AU6": 0.6, "AU7": 0.4, "AU12": 0.85}),
    "Sadness": (
        {"AU1": 0.8, "AU4": 0.55, "AU15": 0.8},
        {"AU1": 0.85, "AU4": 0.6, "AU7": 0.3, "AU15": 0.3},
    ),
    "Surprise": (
        {"AU1": 0.85, "AU2": 0.95, "AU25": 0.8, "AU26": 0.9},
        {"AU1": 0.7, "AU2": 0.9, "AU25": 0.6, "AU26": 0.5},
    ),
    # None of the seven: thinking, doubt, embarrassment, weariness.
    "Other": (
        {"AU7": 0.8, "AU24": 0.35, "AU4": 0.3},
        {"AU2": 0.7, "AU10": 0.5, "AU7": 0.3},
        {"AU12": 0.5, "AU24": 0.5, "AU15": 0.25},
        {"AU7": 0.75, "AU25": 0.5, "AU26": 0.55},
    ),
}

# What the face shows of the six mimicked emotions; the voice and the words carry the rest (see `world.SHARES`).
_EMOTION: Mapping[str, Mapping[str, float]] = {
    "Admiration": {"AU1": 0.6, "AU2": 0.7, "AU12": 0.35},
    "Amusement": {"AU6": 0.9, "AU7": 0.5, "AU12": 0.8, "AU25": 0.8, "AU26": 0.5},
    "Determination": {"AU4": 0.7, "AU7": 0.5, "AU23": 0.6, "AU24": 0.8},
    "Empathic Pain": {"AU1": 0.9, "AU4": 0.7, "AU15": 0.7},
    "Excitement": {"AU2": 0.8, "AU25": 0.7, "AU26": 0.9},
    "Joy": {"AU6": 0.7, "AU12": 1.0},
}

# How an action unit moves the felt valence and arousal that the face alone would suggest.
_VALENCE = {
    "AU12": 0.75,
    "AU6": 0.25,
    "AU4": -0.4,
    "AU15": -0.55,
    "AU10": -0.45,
    "AU24": -0.25,
    "AU23": -0.25,
    "AU1": -0.1,
}
_AROUSAL = {"AU2": 0.45, "AU26": 0.35, "AU7": 0.25, "AU4": 0.2, "AU23": 0.25, "AU12": 0.1, "AU15": -0.35, "AU1": 0.05}


def vector(units: Mapping[str, float]) -> NDArray[np.float64]:
    """Intensities by name -> au_12 in the order of `AUS`."""
    return np.array([units.get(name, 0.0) for name in AUS])


def variants(expression: str) -> tuple[NDArray[np.float64], ...]:
    """The ways to show a basic or compound expression, each as au_12."""
    if expression in _BASIC:
        return tuple(vector(units) for units in _BASIC[expression])
    first, second = _PARTS[expression]
    return tuple(np.maximum(a, b) for a, b in zip(variants(first), variants(second), strict=True))


def emotion(name: str) -> NDArray[np.float64]:
    """What the face shows of a mimicked emotion at full intensity, as au_12."""
    return vector(_EMOTION[name])


VALENCE_12 = vector(_VALENCE)
AROUSAL_12 = vector(_AROUSAL)
