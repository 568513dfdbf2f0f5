"""The text encoder (paper 3.1): a language model with LoRA adapters, one token per transcript.

The paper names LoRA and not the model below it, so the model is an option and stands in every row.
Shapes: B transcripts, N words or word pieces, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from peft import PeftModel
from torch import Tensor

from harness.errors import MissingData, UserError
from harness.types import Modality, TextInput
from netease_abaw6.text_adapters import new_adapters, saved_adapters
from netease_abaw6.text_models import Tokenize, pretrained, tiny

Pooling = Literal["mean", "last", "max"]
TINY = "tiny-random"


@dataclass(eq=False)
class LoraText:
    """list of B strings -> tokens_BD, pooled over the words of the last layer.

    `module` is the language model inside peft: of a pretrained one only the adapters learn, of "tiny-random" all of it,
    since nothing in that one is pretrained. At the start new adapters change nothing.
    """

    module: PeftModel
    tokenize: Tokenize
    pooling: Pooling
    concat_plain: bool
    input: TextInput = field(default_factory=TextInput)
    modality: ClassVar[Modality] = "text"

    @property
    def dim(self) -> int:
        width = int(self.module.config.hidden_size)
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
    """tokens_BD over the unpadded words, which stand first: their mean, the last one, or the maximum of each number."""
    if pooling == "mean":
        weight_BN1 = mask_BN.unsqueeze(-1).to(hidden_BND)
        return (hidden_BND * weight_BN1).sum(1) / weight_BN1.sum(1)
    if pooling == "last":
        return hidden_BND[torch.arange(len(hidden_BND)), mask_BN.sum(1) - 1]
    return hidden_BND.masked_fill(~mask_BN.unsqueeze(-1), float("-inf")).amax(1)


def text_lora(
    *,
    model: str | None = None,
    adapter: str | None = None,
    rank: int = 8,
    alpha: int = 16,
    dropout: float = 0.1,
    targets: str = "",
    pooling: Pooling = "mean",
    concat_plain: bool = False,
    max_tokens: int = 128,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> LoraText:
    """A language model with LoRA adapters of `rank`, scaled by alpha / rank, trained by `adapt.text`.

    `model` is a folder or hub name (at `revision`) that transformers' AutoModel reads in float32, causal or not, or
    "tiny-random": an untrained BERT of width 64 with two layers and words hashed to ids, which needs no download.
    `targets` names the adapted layers, separated by commas; empty: those peft has for this sort of model. `adapter` is
    a folder of peft's with trained adapters, whose own rank, alpha and layers then hold; `adapt.text` trains them on,
    with `adapt.text=none` they stay. `pooling` "max" takes each number's maximum over the first `max_tokens` tokens,
    128 in the lab's code. `concat_plain` puts plain and adapted features together, as the lab did. Raises MissingData
    where no model or adapter is given or found, UserError where options do not fit it.
    """
    if pooling not in ("mean", "last", "max"):
        raise UserError(f"pooling: expected mean, last or max; came {pooling!r}")
    if rank < 1 or max_tokens < 1:
        raise UserError(f"text_lora takes rank >= 1 and max_tokens >= 1, came {rank} and {max_tokens}")
    if model is None:
        raise MissingData(
            "text_lora needs model=PATH or a hub id (the paper does not name its base model; its lab had ChatGLM3-6B), "
            f"or model={TINY}, which is untrained"
        )
    if model == TINY:
        base, tokenize = tiny(max_tokens)
    else:
        base, tokenize = pretrained(model, max_tokens, revision=revision, trust_remote_code=trust_remote_code)
    if adapter is not None:
        adapted = saved_adapters(base, model, adapter)
    else:
        adapted = new_adapters(base, model, rank=rank, alpha=alpha, dropout=dropout, targets=targets)
    if model == TINY:
        adapted.requires_grad_(True)
    return LoraText(adapted.eval(), tokenize, pooling, concat_plain)
