from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.errors import UserError
from harness.types import Encoder, TextInput
from hf_encoders.text import hf_text

TEXTS = ["i am glad", "i am so so sad", "sad"]


def encoder_of(folder: Path, **options):
    encoder = hf_text(str(folder), **options)
    encoder.module.eval()
    return encoder


@pytest.mark.parametrize("pooling", ["mean", "max", "first", "last"])
def test_a_text_does_not_depend_on_its_batch(text: Path, pooling):
    """Decoders' tokenizers pad on the left and have no padding token: both would move the positions."""
    encoder = encoder_of(text, pooling=pooling)
    assert isinstance(encoder, Encoder)
    assert (encoder.modality, encoder.dim, encoder.input) == ("text", 16, TextInput())
    alone_BD = torch.cat([encoder([text]) for text in TEXTS])
    torch.testing.assert_close(encoder(TEXTS), alone_BD, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", [1, "last"])
def test_pooling_of_hidden_states(bert: Path, layer):
    from transformers import BertModel

    ids = torch.tensor([[2, 4, 5, 7, 3]])  # [CLS] i am glad [SEP]
    states = BertModel.from_pretrained(bert).eval()(ids, output_hidden_states=True).hidden_states
    hidden_BND = states[-1 if layer == "last" else layer]
    expected = {"mean": hidden_BND.mean(1), "max": hidden_BND.amax(1)}
    expected |= {"first": hidden_BND[:, 0], "last": hidden_BND[:, -1]}
    for pooling, tokens_BD in expected.items():
        encoder = encoder_of(bert, pooling=pooling, layer=layer)
        torch.testing.assert_close(encoder(["i am glad"]), tokens_BD, rtol=1e-5, atol=1e-5)


def test_long_texts_are_cut_and_empty_ones_have_a_token(text: Path):
    tokens_BD = encoder_of(text)(["so " * 100, "", "  "])
    assert tokens_BD.shape == (3, 16)
    assert tokens_BD.isfinite().all()


def test_lora_changes_nothing_at_the_start_and_then_alone_learns(text: Path):
    plain, adapted = encoder_of(text), encoder_of(text, rank=2, layer="last")
    assert torch.equal(adapted(TEXTS), plain(TEXTS))
    learning = {name: p for name, p in adapted.module.named_parameters() if p.requires_grad}
    assert learning
    assert all("lora_" in name for name in learning)
    adapted(TEXTS).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for name, p in learning.items() if "lora_B" in name)


def test_gradients_reach_the_module(bert: Path):
    encoder = hf_text(str(bert))
    encoder(TEXTS).square().mean().backward()
    assert sum(p.grad is not None for p in encoder.module.parameters()) > 10


def test_an_unknown_pooling_is_refused(bert: Path):
    with pytest.raises(UserError, match="pooling of hf-text: expected mean, max, first, last, got 'sum'"):
        hf_text(str(bert), pooling="sum")
