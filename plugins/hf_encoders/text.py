"""Text models of transformers. Shapes: B batch, N tokens of a text, D width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import UserError
from harness.types import Modality, TextInput
from hf_encoders.loading import check_layer, encoder_part, hidden, load

if TYPE_CHECKING:
    from torch import Tensor, nn

POOLINGS = ("mean", "first", "last")


@dataclass(eq=False)
class HfText:
    """B strings -> tokens_BD: one layer's hidden states, pooled over the tokens of each text."""

    module: nn.Module
    input: TextInput
    dim: int
    tokenizer: Any
    layer: int
    pooling: str
    longest: int
    modality: ClassVar[Modality] = "text"

    def __call__(self, batch: list[str]) -> Tensor:
        net: Any = self.module
        cut: dict[str, Any] = {"truncation": True, "max_length": self.longest, "padding_side": "right"}
        words = self.tokenizer(list(batch), padding=True, return_tensors="pt", **cut).to(net.device)
        mask_BN = words["attention_mask"]
        hidden_BND = hidden(net, self.layer, input_ids=words["input_ids"], attention_mask=mask_BN).float()
        if self.pooling == "first":
            return hidden_BND[:, 0]
        if self.pooling == "last":
            rows_B = mask_BN.sum(dim=1).clamp(min=1) - 1
            return hidden_BND[range(len(hidden_BND)), rows_B]
        weight_BN1 = mask_BN[..., None].to(hidden_BND.dtype)
        return (hidden_BND * weight_BN1).sum(dim=1) / weight_BN1.sum(dim=1).clamp(min=1)


def hf_text(model: str, *, layer: int = -1, pooling: str = "mean", longest: int = 512) -> HfText:
    """The transformers text model in folder or hub name `model` as an encoder.

    `pooling` is "mean", "first" (BERT's [CLS]) or "last" (decoders); texts are cut after `longest` tokens.
    UserError: not a text model, no such layer or pooling. MissingData: weights that cannot be had here.
    """
    from transformers import AutoModel, AutoTokenizer

    if pooling not in POOLINGS:
        raise UserError(f"pooling of hf-text: expected {', '.join(POOLINGS)}, got {pooling!r}")
    net = encoder_part(load(AutoModel, model))
    if net.main_input_name != "input_ids":
        raise UserError(f"{model!r} is no text model: it takes {net.main_input_name!r}. For audio say hf:{model}")
    tokenizer = load(AutoTokenizer, model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    check_layer(model, net, layer)
    longest = min(longest, int(getattr(net.config, "max_position_embeddings", None) or longest))
    return HfText(net, TextInput(), int(net.config.hidden_size), tokenizer, layer, pooling, longest)
