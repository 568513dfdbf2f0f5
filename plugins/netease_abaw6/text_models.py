"""Language models below the adapters: one from a folder or the hub, or a tiny one that needs no download.

Shapes: B transcripts, N words or word pieces.
"""

from __future__ import annotations

import pickle
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from harness.errors import MissingData, UserError
from harness.weights import hub_or_cache

Tokenize = Callable[[Sequence[str]], Mapping[str, Tensor]]


def tiny(max_tokens: int) -> tuple[nn.Module, Tokenize]:
    """BERT of width 64 with two layers, its weights drawn from torch's global stream, and hashed words."""
    from transformers import BertConfig, BertModel

    words = HashedWords(max_tokens)
    config = BertConfig(
        vocab_size=words.vocabulary,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=max_tokens,
        pad_token_id=words.PAD,
    )
    return BertModel(config, add_pooling_layer=False), words


@dataclass(frozen=True)
class HashedWords:
    """Lower-case words and punctuation marks to ids by CRC-32, after one start token: no vocabulary to learn or load.

    Two words may share an id; with 4,094 ids and a few hundred words few do.
    """

    max_tokens: int
    vocabulary: int = 4096
    PAD: ClassVar[int] = 0
    START: ClassVar[int] = 1

    def ids(self, text: str) -> list[int]:
        """
        >>> HashedWords(4).ids("Yes, yes!") == HashedWords(4).ids("yes , YES")
        True
        """
        words = re.findall(r"[\w']+|[^\w\s]", text.lower())
        hashed = [2 + zlib.crc32(word.encode()) % (self.vocabulary - 2) for word in words]
        return [self.START, *hashed][: self.max_tokens]

    def __call__(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        ids = [self.ids(text) for text in texts]
        longest = max(map(len, ids))
        padded = [row + [self.PAD] * (longest - len(row)) for row in ids]
        mask = [[1] * len(row) + [0] * (longest - len(row)) for row in ids]
        return {"input_ids": torch.tensor(padded), "attention_mask": torch.tensor(mask)}


def pretrained(
    model: str, max_tokens: int, *, revision: str | None = None, trust_remote_code: bool = False
) -> tuple[nn.Module, Tokenize]:
    """A language model in float32 and its tokenizer, from a folder or the hub (at `revision`).

    Transcripts are padded on the right whatever the tokenizer says: positions then count from each one's first token,
    also in decoders, and a transcript's numbers do not depend on its batch. MissingData: no such folder, or a hub name
    that cannot be had here. UserError: two stacks of layers, code of its own, or weights that are not whole.
    """
    from transformers import AutoModel, AutoTokenizer

    folder = Path(model).expanduser()
    if not folder.is_dir() and (model.startswith(("/", ".", "~")) or model.count("/") > 1):
        raise MissingData(f"No language model at '{model}': expected a folder that transformers reads")
    if folder.is_dir() and revision is not None:
        raise UserError(f"revision={revision!r} is of a hub name; {model} is a folder")
    if not folder.is_dir():
        hub_or_cache()
    place = str(folder) if folder.is_dir() else model
    options: dict[str, Any] = {"revision": revision or "main", "trust_remote_code": trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **options)
        base, found = AutoModel.from_pretrained(place, dtype=torch.float32, output_loading_info=True, **options)
    except OSError as error:
        raise MissingData(f"No language model {model!r}: {_first_line(error)}") from error
    except (ValueError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
        way_out = "; once you have read its code, say trust_remote_code=true" if "remote_code" in str(error) else ""
        raise UserError(f"{model} cannot be read: {_first_line(error)}{way_out}") from error
    if base.config.is_encoder_decoder:
        raise UserError(f"{model} is an encoder-decoder; text_lora takes a model with one stack of layers")
    missing = sorted(name for name in found["missing_keys"] if not name.startswith("pooler."))  # no token is read there
    if missing:
        raise UserError(f"{model} lacks {len(missing)} weights of its own configuration, say {missing[0]}")
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:  # the mask hides it, so any token does
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise UserError(f"the tokenizer of {model} has neither a padding, an end nor an unknown token to pad with")
    longest = min(max_tokens, tokenizer.model_max_length, getattr(base.config, "max_position_embeddings", max_tokens))

    def tokenize(texts: Sequence[str]) -> Mapping[str, Tensor]:
        given = tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        return {name: given[name] for name in ("input_ids", "attention_mask")}

    return base, tokenize


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
