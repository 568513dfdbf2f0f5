"""Tiny untrained checkpoints of the usual families, saved as their owners save them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

SPEECH: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "conv_dim": (8, 8),
    "conv_stride": (5, 4), "conv_kernel": (10, 8), "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2, "layerdrop": 0.9,
}  # fmt: skip
AUDIO = ("wav2vec2", "hubert", "wavlm", "whisper")
TEXT = ("bert", "gpt2", "llama")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "i", "am", "so", "glad", "sad", "."]


def save_speech(folder: Path, family: str) -> None:
    import transformers

    names = {"wav2vec2": "Wav2Vec2", "hubert": "Hubert", "wavlm": "WavLM"}
    config = getattr(transformers, f"{names[family]}Config")(**SPEECH)
    getattr(transformers, f"{names[family]}Model")(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(folder)


def save_whisper(folder: Path) -> None:
    """An encoder-decoder that pads its input to two seconds."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    config = WhisperConfig(
        vocab_size=20, num_mel_bins=8, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, max_source_positions=100,
        max_target_positions=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1, begin_suppress_tokens=None, encoder_layerdrop=0.9,
    )  # fmt: skip
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=8, chunk_length=2).save_pretrained(folder)


def save_text(folder: Path, family: str) -> None:
    """BERT with its special tokens; decoders with no padding token, and a tokenizer that pads on the left."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, LlamaConfig, LlamaModel
    from transformers import PreTrainedTokenizerFast as Fast

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    if family == "bert":
        words.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
        special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    else:
        special = {"eos_token": "[SEP]", "padding_side": "left"}
    Fast(tokenizer_object=words, unk_token="[UNK]", **special).save_pretrained(folder)
    size: dict[str, Any] = {"vocab_size": len(WORDS), "bos_token_id": 2, "eos_token_id": 3}
    net: Any
    if family == "gpt2":
        net = GPT2Model(GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=12, **size))
    else:
        size |= {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
        size |= {"max_position_embeddings": 12}
        net = BertModel(BertConfig(**size)) if family == "bert" else LlamaModel(LlamaConfig(**size))
    net.save_pretrained(folder)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's checkpoint, written when first asked for."""
    folders: dict[str, Path] = {}

    def of(family: str) -> Path:
        if family not in folders:
            folders[family] = tmp_path_factory.mktemp(family)
            torch.manual_seed(0)
            if family in TEXT:
                save_text(folders[family], family)
            elif family == "whisper":
                save_whisper(folders[family])
            else:
                save_speech(folders[family], family)
        return folders[family]

    return of


@pytest.fixture(params=AUDIO)
def audio(request: pytest.FixtureRequest, saved: Callable[[str], Path]) -> Path:
    return saved(request.param)


@pytest.fixture(params=TEXT)
def text(request: pytest.FixtureRequest, saved: Callable[[str], Path]) -> Path:
    return saved(request.param)


@pytest.fixture
def wav2vec2(saved: Callable[[str], Path]) -> Path:
    return saved("wav2vec2")


@pytest.fixture
def whisper(saved: Callable[[str], Path]) -> Path:
    return saved("whisper")


@pytest.fixture
def bert(saved: Callable[[str], Path]) -> Path:
    return saved("bert")
