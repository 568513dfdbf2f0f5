from __future__ import annotations

import itertools

import numpy as np

from abaw6.demo import prototypes, words


def _counts(told: dict[str, float], n: int = 200) -> dict[str, float]:
    """Mean number of each emotion's words in a sentence."""
    sentences = [words.sentence(np.random.default_rng(seed), told).split() for seed in range(n)]
    return {name: sum(w in lexicon for s in sentences for w in s) / n for name, lexicon in words.LEXICON.items()}


def test_every_emotion_has_words_of_its_own() -> None:
    assert tuple(words.LEXICON) == prototypes.EMOTIONS
    for a, b in itertools.combinations([*words.LEXICON.values(), words.FILLER], 2):
        assert set(a) & set(b) == set()


def test_more_of_an_emotion_is_more_of_its_words() -> None:
    some, much = _counts({"Joy": 0.4}), _counts({"Joy": 1.0})
    assert 1.0 < some["Joy"] < 2.0 < 3.0 < much["Joy"] < 4.5
    assert sum(much.values()) == much["Joy"]


def test_nothing_felt_is_filler_alone() -> None:
    assert sum(_counts({}).values()) == 0.0
    assert 10 < np.mean([len(words.sentence(np.random.default_rng(s), {}).split()) for s in range(20)]) < 16


def test_a_sentence_repeats_by_seed() -> None:
    told = {"Admiration": 0.7, "Amusement": 0.5}
    assert words.sentence(np.random.default_rng(3), told) == words.sentence(np.random.default_rng(3), told)
