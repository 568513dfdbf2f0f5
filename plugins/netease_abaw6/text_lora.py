"""The text encoder (paper 3.1): a language model with LoRA adapters, one token per transcript.

The paper names LoRA and not the model below it, so the model is an option and stands in every row.
Shapes: B transcripts, N words or word pieces, D width.
"""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from harness.errors import MissingData, UserError
from harness.types import Modality, TextInput

Pooling = Literal["mean", "last", "max128"]
Tokenize = Callable[[Sequence[str]], Mapping[str, Tensor]]
TINY = "tiny-random"


@dataclass(eq=False)
class LoraText:
    """list of B strings -> tokens_BD, pooled over the words of the last layer.

    `module` is the language model inside peft: of a pretrained one only the adapters learn, of "tiny-random" all of it,
    since nothing in that one is pretrained. At the start the adapters change nothing.
    """

    module: PeftModel
    tokenize: Tokenize
    pooling: Pooling
    concat_plain: bool
    input: TextInput = field(default_factory=TextInput)
    modality: ClassVar[Modality] = "text"

    @property
    def dim(self) -> int:
        width = 128 if self.pooling == "max128" else int(self.module.config.hidden_size)
        return 2 * width if self.concat_plain else width

    def __call__(self, texts: list[str]) -> Tensor:
        """With `concat_plain`, the features without adapters (no gradient) come first, then the adapted ones."""
        device = next(self.module.parameters()).device
        # a transcript without a word still needs a token to pool over
        given = self.tokenize([text if text.strip() else "." for text in texts])
        inputs = {name: tensor.to(device) for name, tensor in given.items()}
        adapted_BD = self._pooled(inputs)
        if not self.concat_plain:
            return adapted_BD
        with torch.no_grad(), self.module.disable_adapter():
            plain_BD = self._pooled(inputs)
        return torch.cat([plain_BD, adapted_BD], dim=1)

    def _pooled(self, inputs: Mapping[str, Tensor]) -> Tensor:
        hidden_BND = self.module(**inputs).last_hidden_state.float()
        return pool(hidden_BND, inputs["attention_mask"].bool(), self.pooling)


def pool(hidden_BND: Tensor, mask_BN: Tensor, pooling: Pooling) -> Tensor:
    """tokens_BD over the unpadded words: their mean, the last one, or the maximum, itself max-pooled to 128 numbers."""
    if pooling == "mean":
        weight_BN1 = mask_BN.unsqueeze(-1).to(hidden_BND)
        return (hidden_BND * weight_BN1).sum(1) / weight_BN1.sum(1)
    if pooling == "last":
        return hidden_BND[torch.arange(len(hidden_BND)), mask_BN.sum(1) - 1]
    highest_BD = hidden_BND.masked_fill(~mask_BN.unsqueeze(-1), float("-inf")).amax(1)
    return nn.functional.adaptive_max_pool1d(highest_BD, 128)


def text_lora(
    *,
    model: str | None = None,
    rank: int = 8,
    alpha: int = 16,
    dropout: float = 0.1,
    targets: str = "",
    pooling: Pooling = "mean",
    concat_plain: bool = False,
    max_tokens: int = 128,
) -> LoraText:
    """A language model with LoRA adapters of `rank`, scaled by alpha / rank.

    `model` is a folder or hub id that transformers' AutoModel reads (float32, no remote code), or "tiny-random": an
    untrained BERT of width 64 with two layers and words hashed to ids, which needs no download. `targets` names the
    adapted layers, separated by commas; empty: those peft has for this sort of model. `concat_plain` puts plain and
    adapted features together, as the lab did. Raises MissingData where no model is given or found, UserError where
    options do not fit it.
    """
    if pooling not in ("mean", "last", "max128"):
        raise UserError(f"pooling: expected mean, last or max128; came {pooling!r}")
    if rank < 1 or max_tokens < 1:
        raise UserError(f"text_lora takes rank >= 1 and max_tokens >= 1, came {rank} and {max_tokens}")
    if model is None:
        raise MissingData(
            "text_lora needs model=PATH or a hub id (the paper does not name its base model; its lab had ChatGLM3-6B), "
            f"or model={TINY}, which is untrained"
        )
    base, tokenize = tiny(max_tokens) if model == TINY else pretrained(model, max_tokens)
    adapted = _with_adapters(base, model, rank=rank, alpha=alpha, dropout=dropout, targets=targets)
    width = int(adapted.config.hidden_size)
    if pooling == "max128" and width < 128:
        raise UserError(f"pooling='max128' needs a model of width 128 or more, {model} has {width}")
    if model == TINY:
        adapted.requires_grad_(True)
    return LoraText(adapted.eval(), tokenize, pooling, concat_plain)


def _with_adapters(base: nn.Module, model: str, *, rank: int, alpha: int, dropout: float, targets: str) -> PeftModel:
    layers = [name.strip() for name in targets.split(",")] if targets else None
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=layers)
    try:
        with warnings.catch_warnings():
            # peft asks transformers by a name that transformers is about to drop
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            # layers of GPT-2's sort: peft puts the flag right by itself
            warnings.filterwarnings("ignore", "fan_in_fan_out is set to False", UserWarning)
            return get_peft_model(base, config)
    except ValueError as error:
        names = sorted({name.rpartition(".")[2] for name, m in base.named_modules() if isinstance(m, nn.Linear)})
        raise UserError(f"LoRA cannot adapt targets={targets!r} of {model}; its layers: {', '.join(names)}") from error


# -- models below the adapters ------------------------------------------------------------------


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


def pretrained(model: str, max_tokens: int) -> tuple[nn.Module, Tokenize]:
    """A language model and its tokenizer, from a folder or the hub."""
    from transformers import AutoModel, AutoTokenizer

    if (model.startswith(("/", ".", "~")) or model.count("/") > 1) and not Path(model).expanduser().is_dir():
        raise MissingData(f"No language model at '{model}': expected a folder that transformers reads")
    place = str(Path(model).expanduser())
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        base = AutoModel.from_pretrained(place, trust_remote_code=False, dtype=torch.float32)
    except OSError as error:
        raise MissingData(f"No language model {model!r}: {_first_line(error)}") from error
    except ValueError as error:
        raise UserError(f"{model} cannot be read (code of its own is not run): {_first_line(error)}") from error
    if base.config.is_encoder_decoder:
        raise UserError(f"{model} is an encoder-decoder; text_lora takes a model with one stack of layers")
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token

    def tokenize(texts: Sequence[str]) -> Mapping[str, Tensor]:
        given = tokenizer(list(texts), padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
        return {name: given[name] for name in ("input_ids", "attention_mask")}

    return base, tokenize


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
