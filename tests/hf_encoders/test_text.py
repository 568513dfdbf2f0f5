from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.errors import MissingData, UserError
from harness.types import Encoder, TextInput
from hf_encoders.text import hf_text

TEXTS = ["i am glad", "i am so so sad"]


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_padding_does_not_change_a_text(bert: Path, pooling):
    encoder = hf_text(str(bert), pooling=pooling)
    assert isinstance(encoder, Encoder)
    assert (encoder.modality, encoder.dim, encoder.input) == ("text", 16, TextInput())
    encoder.module.eval()
    alone_BD = torch.cat([encoder([text]) for text in TEXTS])
    torch.testing.assert_close(encoder(TEXTS), alone_BD, rtol=1e-5, atol=1e-5)


def test_pooling_of_hidden_states(bert: Path):
    from transformers import BertModel

    ids = torch.tensor([[2, 4, 5, 7, 3]])  # [CLS] i am glad [SEP]
    hidden_BND = BertModel.from_pretrained(bert).eval()(ids).last_hidden_state
    expected = {"mean": hidden_BND.mean(1), "first": hidden_BND[:, 0], "last": hidden_BND[:, -1]}
    for pooling, tokens_BD in expected.items():
        encoder = hf_text(str(bert), pooling=pooling)
        encoder.module.eval()
        torch.testing.assert_close(encoder(["i am glad"]), tokens_BD, rtol=1e-5, atol=1e-5)


def test_long_texts_are_cut_and_empty_ones_have_a_token(bert: Path):
    encoder = hf_text(str(bert))
    encoder.module.eval()
    tokens_BD = encoder(["so " * 100, ""])
    assert tokens_BD.shape == (2, 16)
    assert tokens_BD.isfinite().all()


def test_gradients_reach_the_module(bert: Path):
    encoder = hf_text(str(bert))
    encoder(TEXTS).square().mean().backward()
    assert sum(p.grad is not None for p in encoder.module.parameters()) > 10


def test_errors(bert: Path, wav2vec2: Path):
    with pytest.raises(UserError, match="pooling of hf-text: expected mean, first, last, got 'max'"):
        hf_text(str(bert), pooling="max")
    with pytest.raises(UserError, match="is no text model"):
        hf_text(str(wav2vec2))
    with pytest.raises(MissingData, match="cannot be reached"):
        hf_text("nobody/such-model")
