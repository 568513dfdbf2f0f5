"""LoRA adapters inside a transformers model (Hu et al. 2021), by peft."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch import nn

from harness.errors import UserError

ATTENTION = ("q_proj", "v_proj")  # wav2vec2, HuBERT, Whisper and most decoders
# WavLM's attention reads the weights of its projections past the layers, so adapters there would be deaf
FEED_FORWARD: Mapping[str, tuple[str, ...]] = {"wavlm": ("intermediate_dense", "output_dense")}
DEAF: Mapping[str, frozenset[str]] = {"wavlm": frozenset({"q_proj", "k_proj", "v_proj", "out_proj"})}


def add_lora(net: nn.Module, name: str, *, rank: int, alpha: int, targets: str) -> None:
    """Put adapters of `rank`, scaled by alpha / rank, into `net`: only they learn from then on, and change nothing yet.

    `targets` are names of linear layers, separated by commas; empty: query and value of the attention, or what peft
    knows better for this sort of model. rank 0 leaves `net` as it is. UserError: no such layers, or a negative rank.
    """
    if rank < 0 or alpha < 1:
        raise UserError(f"LoRA takes rank >= 0 (0: none) and alpha >= 1, came {rank} and {alpha}")
    if rank == 0:
        if targets:
            raise UserError(f"targets={targets!r} needs a rank of 1 or more")
        return
    from peft import LoraConfig, inject_adapter_in_model

    layers = [target.strip() for target in targets.split(",")] if targets else usual_targets(net)
    sort = str(getattr(net.config, "model_type", ""))
    deaf = sorted(DEAF.get(sort, frozenset()) & set(layers))
    if deaf:
        raise UserError(f"adapters at {', '.join(deaf)} have no effect in a {sort} model: its attention passes them by")
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=layers)
    try:
        with warnings.catch_warnings():
            # peft asks transformers by a name that transformers is about to drop
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            # layers of GPT-2's sort: peft puts the flag right by itself
            warnings.filterwarnings("ignore", "fan_in_fan_out is set to False", UserWarning)
            inject_adapter_in_model(config, net)
    except ValueError as error:
        there = sorted({path.rpartition(".")[2] for path, m in net.named_modules() if isinstance(m, nn.Linear)})
        raise UserError(f"LoRA cannot adapt {', '.join(layers)} of {name!r}; its layers: {', '.join(there)}") from error


def usual_targets(net: nn.Module) -> list[str]:
    """Layers adapted where nobody names any."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    config: Any = net.config
    return list(FEED_FORWARD.get(config.model_type) or KNOWN.get(config.model_type) or ATTENTION)
