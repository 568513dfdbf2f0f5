from __future__ import annotations

import math
import zlib

import pytest
import torch

from abaw_baselines.words import hashed_words
from harness.errors import UserError
from harness.types import Encoder, TextInput


def test_words_fall_into_bins_by_their_hash():
    encoder = hashed_words(dim=64)
    assert isinstance(encoder, Encoder)
    assert (encoder.dim, encoder.module, encoder.input) == (64, None, TextInput())
    tokens_BD = encoder(["So glad, so GLAD so", "", "unlike"])
    bins = {word: zlib.crc32(word.encode()) % 64 for word in ("so", "glad")}
    assert bins["so"] != bins["glad"]
    expected_D = torch.zeros(64)
    expected_D[bins["so"]], expected_D[bins["glad"]] = math.log(4), math.log(3)
    torch.testing.assert_close(tokens_BD[0], expected_D / expected_D.norm())
    assert torch.equal(tokens_BD[1], torch.zeros(64))
    assert tokens_BD[2].norm().item() == pytest.approx(1)


def test_errors():
    with pytest.raises(UserError, match="expected at least 1, got 0"):
        hashed_words(dim=0)
