from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AutoModel, AutoTokenizer

from harness.errors import MissingData, UserError
from harness.types import Encoder, TextInput
from netease_abaw6.text_lora import pool, text_lora

TEXTS = ["I am so happy for you!", "no", "it hurts to see them like this, really it does"]


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return text_lora(model="tiny-random")


def stir(encoder):
    """Give the adapters something to say: peft starts their second factor at zero."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in encoder.module.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5)


def test_it_is_an_encoder(tiny):
    assert isinstance(tiny, Encoder)
    assert (tiny.modality, tiny.dim, tiny.input) == ("text", 64, TextInput())
    tokens_BD = tiny(TEXTS)
    assert (tokens_BD.shape, tokens_BD.dtype) == ((3, 64), torch.float32)


def test_adapters_change_nothing_at_the_start(parity, language_model):
    encoder = text_lora(model=str(language_model), rank=4)
    tokenizer, plain = AutoTokenizer.from_pretrained(language_model), AutoModel.from_pretrained(language_model).eval()
    with torch.no_grad():
        adapted_BD = torch.cat([encoder([text]) for text in TEXTS])
        states = [plain(**tokenizer(text, return_tensors="pt")).last_hidden_state for text in TEXTS]
        plain_BD = torch.cat([hidden_BND.mean(1) for hidden_BND in states])
    difference = (adapted_BD - plain_BD).abs().max()
    parity("LoRA at initialisation", "the model without adapters, by transformers", difference, at_most=0.0)


def test_trained_adapters_change_the_tokens_and_merge_into_the_same(parity, language_model):
    encoder = text_lora(model=str(language_model), rank=4)
    with torch.no_grad():
        before = encoder(TEXTS)
        stir(encoder)
        adapted = encoder(TEXTS)
        encoder.module.merge_adapter()
        merged = encoder(TEXTS)
    assert (adapted - before).abs().max() > 1e-3
    parity("LoRA merged into the weights", "LoRA added", (merged - adapted).abs().max(), at_most=1e-5)


def test_an_adapter_adds_the_scaled_product_of_its_factors(bert):
    encoder = text_lora(model=bert, rank=4, alpha=12)
    stir(encoder)
    layer = encoder.module.base_model.model.encoder.layer[0].attention.self.query
    x_BD = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    a_RD, b_DR = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    torch.testing.assert_close(layer(x_BD), layer.base_layer(x_BD) + 12 / 4 * x_BD @ a_RD.T @ b_DR.T)


def test_alpha_over_rank_scales_the_adapters():
    found = []
    for alpha in (8, 16):
        torch.manual_seed(0)
        encoder = text_lora(model="tiny-random", rank=4, alpha=alpha)
        found.append({m.scaling["default"] for m in encoder.module.modules() if hasattr(m, "lora_A")})
    assert found == [{2.0}, {4.0}]


@pytest.mark.parametrize("pooling", ["mean", "last", "max"])
def test_a_transcript_does_not_depend_on_its_batch(language_model, pooling):
    """Decoders' tokenizers pad on the left and have no padding token: both would move the positions."""
    encoder = text_lora(model=str(language_model), pooling=pooling, concat_plain=True)
    stir(encoder)
    with torch.no_grad():
        alone = torch.cat([encoder([text]) for text in TEXTS])
        torch.testing.assert_close(encoder(TEXTS), alone, atol=1e-5, rtol=1e-5)


def test_a_transcript_of_the_tiny_model_does_not_depend_on_its_batch(tiny):
    with torch.no_grad():
        alone = torch.cat([tiny([text]) for text in TEXTS])
        torch.testing.assert_close(tiny(TEXTS), alone, atol=1e-5, rtol=1e-5)


def test_transcripts_without_words_have_a_finite_token(tiny):
    with torch.no_grad():
        tokens_BD = tiny(["", "   \n", "."])
    assert torch.isfinite(tokens_BD).all()
    torch.testing.assert_close(tokens_BD[:2], tokens_BD[[2, 2]])


def test_all_of_the_tiny_model_learns(tiny):
    assert all(p.requires_grad for p in tiny.module.parameters())
    stir(tiny)
    tiny(TEXTS).square().sum().backward()
    silent = [n for n, p in tiny.module.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert silent == [n for n in silent if "key.bias" in n]  # softmax does not see a key's bias


def test_of_a_pretrained_model_only_adapters_learn(language_model):
    encoder = text_lora(model=str(language_model))
    learning = {name: p for name, p in encoder.module.named_parameters() if p.requires_grad}
    assert learning
    assert all("lora_" in name for name in learning)
    encoder(TEXTS).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for name, p in learning.items() if "lora_B" in name)


def test_plain_features_stand_before_the_adapted_ones():
    torch.manual_seed(0)
    encoder = text_lora(model="tiny-random", concat_plain=True)
    with torch.no_grad():
        first = encoder(TEXTS)
        stir(encoder)
        then = encoder(TEXTS)
    assert encoder.dim == 128
    assert torch.equal(first[:, :64], first[:, 64:])
    assert torch.equal(then[:, :64], first[:, :64])
    assert (then[:, 64:] - first[:, 64:]).abs().max() > 1e-3


def test_it_learns_a_word_from_scratch(tiny):
    texts = [f"{a} {b} {c}" for a in ("we", "they", "you") for b in ("won", "lost") for c in ("today", "again", "!")]
    target = torch.tensor([1.0 if "won" in text else 0.0 for text in texts])
    head = nn.Linear(64, 1)
    optimiser = torch.optim.AdamW([*tiny.module.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(25):
        loss = nn.functional.binary_cross_entropy_with_logits(head(tiny(texts))[:, 0], target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        guess = head(tiny(["nobody won here", "nobody lost here"]))[:, 0]
    assert guess[0] > 0 > guess[1]


# -- pooling ------------------------------------------------------------------------------------

HIDDEN_BND = torch.arange(2 * 3 * 4, dtype=torch.float32).reshape(2, 3, 4)
MASK_BN = torch.tensor([[True, True, False], [True, True, True]])


def test_pooling_leaves_padding_out():
    torch.testing.assert_close(pool(HIDDEN_BND, MASK_BN, "mean")[0], HIDDEN_BND[0, :2].mean(0))
    torch.testing.assert_close(pool(HIDDEN_BND, MASK_BN, "mean")[1], HIDDEN_BND[1].mean(0))
    assert torch.equal(pool(HIDDEN_BND, MASK_BN, "last"), torch.stack([HIDDEN_BND[0, 1], HIDDEN_BND[1, 2]]))


def test_max_is_the_highest_of_each_number_over_the_words():
    hidden_BND = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([hidden_BND[0, :2].amax(0), hidden_BND[1].amax(0)])
    assert torch.equal(pool(hidden_BND, MASK_BN, "max"), expected)


# -- errors -------------------------------------------------------------------------------------


def test_no_model_is_missing_data():
    with pytest.raises(MissingData, match="needs model=PATH"):
        text_lora()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max128"}, "came 'max128'"),
        ({"rank": 0}, "rank >= 1"),
        ({"max_tokens": 0}, "max_tokens >= 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        text_lora(model="tiny-random", **options)
