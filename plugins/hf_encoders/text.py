"""Text models of transformers. Shapes: B batch, N tokens of a text, D width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from harness.errors import UserError
from harness.types import Modality, TextInput

if TYPE_CHECKING:
    from torch import Tensor

    from hf_encoders.layers import Layers, Pooling

POOLINGS = ("mean", "max", "first", "last")


@dataclass(eq=False)
class HfText:
    """B strings -> tokens_BD: one layer's hidden states, pooled over the tokens of each text.

    Texts are padded on the right whatever the tokenizer says: positions then count from each text's first token, and a
    text's numbers do not depend on its neighbours.
    """

    module: Layers
    input: TextInput
    dim: int
    tokenizer: Any
    pooling: Pooling
    longest: int
    modality: ClassVar[Modality] = "text"

    def __call__(self, batch: list[str]) -> Tensor:
        from hf_encoders.layers import pool

        spoken = [text if text.strip() else "." for text in batch]  # a text without a word still needs a token
        cut: dict[str, Any] = {"truncation": True, "max_length": self.longest, "padding_side": "right"}
        words = self.tokenizer(spoken, padding=True, return_tensors="pt", **cut).to(self.module.device)
        mask_BN = words["attention_mask"]
        hidden_BND = self.module(input_ids=words["input_ids"], attention_mask=mask_BN)
        return pool(hidden_BND, mask_BN.bool(), self.pooling)


def hf_text(
    model: str,
    *,
    layer: int | str = "last",
    pooling: str = "mean",
    longest: int = 512,
    rank: int = 0,
    alpha: int = 16,
    targets: str = "",
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> HfText:
    """The transformers text model in folder or hub name `model` as an encoder.

    `pooling` is "mean", "max", "first" (BERT's [CLS]) or "last" (decoders) over hidden layer `layer` (an index, "last",
    or "learned": a sum over all layers whose weights `adapt.text` learns); texts are cut after `longest` tokens.
    With `rank`, fine-tuning trains LoRA adapters of that rank (see `lora.add_lora`) instead of the whole model.
    `revision` is the branch, tag or commit of a hub name.
    UserError: not a text model, or options that do not fit it. MissingData: weights that cannot be had here.
    """
    from transformers import AutoTokenizer

    from hf_encoders.layers import Layers, check_pooling
    from hf_encoders.loading import Checkpoint
    from hf_encoders.lora import add_lora

    check_pooling("hf-text", pooling, POOLINGS)
    checkpoint = Checkpoint(model, revision, trust_remote_code)
    net: Any = checkpoint.model("text")
    tokenizer = checkpoint.load(AutoTokenizer)
    if tokenizer.pad_token is None:  # the mask hides it, so any token does
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise UserError(f"the tokenizer of {model!r} has neither a padding, an end nor an unknown token to pad with")
    layers = Layers(net, layer, model)
    add_lora(net, model, rank=rank, alpha=alpha, targets=targets)
    longest = min(longest, tokenizer.model_max_length, getattr(net.config, "max_position_embeddings", longest))
    return HfText(layers, TextInput(), int(net.config.hidden_size), tokenizer, cast("Pooling", pooling), longest)
