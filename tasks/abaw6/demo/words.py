"""What people say in the mimicry clips: everyday filler with words that give an emotion away.

A word belongs to one emotion; how many of them are said grows with the part of the emotion that is put into words.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

LEXICON: Mapping[str, tuple[str, ...]] = {
    "Admiration": ("amazing", "brilliant", "respect", "inspiring", "impressive", "talented", "wow", "gifted"),
    "Amusement": ("hilarious", "funny", "joke", "silly", "laughing", "ridiculous", "comedy", "haha", "prank"),
    "Determination": ("must", "never", "fight", "finish", "goal", "stronger", "focus", "push", "prove"),
    "Empathic Pain": ("sorry", "hurts", "awful", "suffering", "poor", "painful", "loss", "heartbreaking", "ouch"),
    "Excitement": ("incredible", "finally", "tonight", "ready", "unbelievable", "fast", "yes", "thrilled", "adventure"),
    "Joy": ("happy", "lovely", "smile", "sunshine", "wonderful", "love", "delight", "blessed", "cheerful"),
}
# fmt: off
FILLER = (
    "i", "you", "we", "they", "it", "that", "this", "there", "so", "and", "but", "then", "just", "like",
    "really", "maybe", "when", "because", "about", "with", "the", "a", "to", "of", "in", "on", "was", "is",
    "are", "have", "had", "said", "went", "know", "think", "see", "look", "thing", "time", "people", "today",
    "home", "again", "right", "okay", "well", "now", "some",
)
# fmt: on

_MOST = 4  # emotion words at full intensity


def sentence(rng: np.random.Generator, told: Mapping[str, float]) -> str:
    """A transcript for emotions told with these intensities (0 to 1), as a speech recogniser writes it down."""
    said = []
    for name, lexicon in LEXICON.items():
        count = int(np.floor(_MOST * told.get(name, 0.0) + rng.uniform(0.15, 0.85)))
        said += [lexicon[int(k)] for k in rng.integers(len(lexicon), size=count)]
    filler = [FILLER[int(k)] for k in rng.integers(len(FILLER), size=max(5, 13 - len(said)))]
    words = [*said, *filler]
    words = [words[int(k)] for k in rng.permutation(len(words))]
    # A recogniser mishears one word in thirty.
    return " ".join(FILLER[int(rng.integers(len(FILLER)))] if rng.random() < 0.03 else word for word in words)
