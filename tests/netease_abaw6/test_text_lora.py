from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, PreTrainedTokenizerFast, T5Config, T5Model

from harness.errors import MissingData, UserError
from harness.types import Encoder, TextInput
from netease_abaw6.text_lora import HashedWords, pool, text_lora

TEXTS = ["I am so happy for you!", "no", "it hurts to see them like this, really it does"]
WORDS = ["[PAD]", "[UNK]", "i", "am", "so", "happy", "for", "you", "no", "it", "hurts", "to", "see", "them"]


def save_tokenizer(folder, **special):
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", **special).save_pretrained(folder)


def save_bert(folder, width=64):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=width, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64
    )
    BertModel(config).save_pretrained(folder)
    save_tokenizer(folder, pad_token="[PAD]")
    return str(folder)


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return text_lora(model="tiny-random")


def stir(encoder):
    """Give the adapters something to say: peft starts their second factor at zero."""
    with torch.no_grad():
        for name, parameter in encoder.module.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5)


def test_it_is_an_encoder(tiny):
    assert isinstance(tiny, Encoder)
    assert (tiny.modality, tiny.dim, tiny.input) == ("text", 64, TextInput())
    tokens_BD = tiny(TEXTS)
    assert (tokens_BD.shape, tokens_BD.dtype) == ((3, 64), torch.float32)


def test_adapters_change_nothing_at_the_start(tiny):
    with torch.no_grad():
        adapted = tiny(TEXTS)
        with tiny.module.disable_adapter():
            assert torch.equal(tiny(TEXTS), adapted)


def test_trained_adapters_change_the_tokens_and_merge_into_the_same(tiny):
    with torch.no_grad():
        before = tiny(TEXTS)
        stir(tiny)
        adapted = tiny(TEXTS)
        tiny.module.merge_adapter()
        merged = tiny(TEXTS)
    assert (adapted - before).abs().max() > 1e-3
    torch.testing.assert_close(merged, adapted, atol=1e-5, rtol=1e-5)


def test_alpha_over_rank_scales_the_adapters():
    found = []
    for alpha in (8, 16):
        torch.manual_seed(0)
        encoder = text_lora(model="tiny-random", rank=4, alpha=alpha)
        found.append({m.scaling["default"] for m in encoder.module.modules() if hasattr(m, "lora_A")})
    assert found == [{2.0}, {4.0}]


def test_a_transcript_does_not_depend_on_its_batch(tiny):
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


def test_of_a_pretrained_model_only_adapters_learn(tmp_path):
    encoder = text_lora(model=save_bert(tmp_path))
    learning = [name for name, p in encoder.module.named_parameters() if p.requires_grad]
    assert len(learning) == 4  # two factors for query and for value
    assert all("lora_" in name for name in learning)


def test_a_pretrained_model_starts_with_its_own_features(tmp_path):
    encoder = text_lora(model=save_bert(tmp_path))
    plain = BertModel.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[WORDS.index(word) for word in ("so", "happy", "for", "you")]])
    with torch.no_grad():
        expected = plain(ids).last_hidden_state.mean(1)
        torch.testing.assert_close(encoder(["so happy for you"]), expected, atol=1e-5, rtol=1e-5)


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


def test_max128_is_the_highest_of_words_then_of_neighbouring_numbers():
    hidden_BND = torch.randn(2, 3, 256, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([hidden_BND[0, :2].amax(0), hidden_BND[1].amax(0)]).reshape(2, 128, 2).amax(2)
    assert torch.equal(pool(hidden_BND, MASK_BN, "max128"), expected)


def test_max128_makes_tokens_of_128(tmp_path):
    encoder = text_lora(model=save_bert(tmp_path, width=256), pooling="max128")
    assert encoder.dim == encoder(["no"]).shape[1] == 128


# -- words --------------------------------------------------------------------------------------


def test_hashed_words_are_the_same_everywhere():
    assert HashedWords(10).ids("Hello, World") == [1, 2420, 580, 273]


def test_hashed_words_are_cut_and_padded():
    given = HashedWords(4)(["a b c d e f", "a"])
    assert given["input_ids"].shape == (2, 4)
    assert given["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert given["input_ids"][1, 2:].tolist() == [0, 0]


def test_long_transcripts_are_cut(tiny):
    with torch.no_grad():
        cut = text_lora(model="tiny-random", max_tokens=8)
        torch.testing.assert_close(cut(["word " * 500]), cut(["word " * 7]))
        assert tiny(["word " * 500]).shape == (1, 64)


# -- other models -------------------------------------------------------------------------------


def test_a_tokenizer_without_padding_pads_with_its_end(tmp_path):
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(WORDS), n_embd=32, n_layer=1, n_head=2, n_positions=32)
    GPT2Model(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path, eos_token="[PAD]")
    encoder = text_lora(model=str(tmp_path), targets="c_attn", pooling="last")
    with torch.no_grad():
        alone = torch.cat([encoder([text]) for text in TEXTS])
        torch.testing.assert_close(encoder(TEXTS), alone, atol=1e-5, rtol=1e-5)


def test_an_encoder_decoder_is_refused(tmp_path):
    T5Model(T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)).save_pretrained(tmp_path)
    save_tokenizer(tmp_path, pad_token="[PAD]")
    with pytest.raises(UserError, match="one stack of layers"):
        text_lora(model=str(tmp_path))


def test_layers_to_adapt_are_named_where_they_are_wrong(tmp_path):
    with pytest.raises(UserError, match=r"targets='q_proj' .* its layers: dense, key, query, value"):
        text_lora(model=save_bert(tmp_path), targets="q_proj")


# -- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [None, "./nowhere/model", "/nowhere/model"])
def test_a_missing_model_is_missing_data(model):
    with pytest.raises(MissingData, match=r"language model|needs model=PATH"):
        text_lora(model=model)


def test_a_folder_without_a_model_is_missing_data(tmp_path):
    with pytest.raises((MissingData, UserError), match=str(tmp_path)):
        text_lora(model=str(tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max"}, "came 'max'"),
        ({"rank": 0}, "rank >= 1"),
        ({"max_tokens": 0}, "max_tokens >= 1"),
        ({"pooling": "max128"}, "tiny-random has 64"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        text_lora(model="tiny-random", **options)
