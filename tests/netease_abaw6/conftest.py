from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WORDS = [
    "[PAD]",
    "[UNK]",
    "[END]",
    "i",
    "am",
    "so",
    "happy",
    "for",
    "you",
    "no",
    "it",
    "hurts",
    "to",
    "see",
    "them",
    ".",
]
LANGUAGE_MODELS = ("bert", "gpt2", "llama")


def save_language_model(folder: Path, family: str, *, head: bool = False) -> Path:
    """A tiny untrained checkpoint with its tokenizer; the decoders' pads on the left and has no padding token."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"pad_token": "[PAD]"} if family == "bert" else {"eos_token": "[END]", "padding_side": "left"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", **special).save_pretrained(folder)
    size: dict[str, Any] = {"vocab_size": len(WORDS), "bos_token_id": 2, "eos_token_id": 2}
    if family == "gpt2":
        size |= {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 24}
    else:
        size |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
        size |= {"max_position_embeddings": 24}
    name = {"bert": "Bert", "gpt2": "GPT2", "llama": "Llama"}[family]
    headed = {"bert": "BertForMaskedLM", "gpt2": "GPT2LMHeadModel", "llama": "LlamaForCausalLM"}[family]
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**size)
    getattr(transformers, headed if head else f"{name}Model")(config).save_pretrained(folder)
    return folder


@pytest.fixture(params=LANGUAGE_MODELS)
def language_model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One encoder and two causal models, each from its folder."""
    return save_language_model(tmp_path / request.param, request.param)


@pytest.fixture
def headed_model(tmp_path: Path) -> Callable[[str], Path]:
    """The folder of a model of this family saved with its language-modelling head."""
    return lambda family: save_language_model(tmp_path / f"{family}-lm", family, head=True)


@pytest.fixture
def bert(tmp_path: Path) -> str:
    return str(save_language_model(tmp_path / "bert", "bert"))
