"""LoRA adapters of a language model (Hu et al. 2021): new ones, or trained ones from a folder of peft's."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from peft.utils import load_peft_weights
from torch import Tensor, nn

from harness.errors import MissingData, UserError

FILES = ("adapter_model.safetensors", "adapter_model.bin")


def new_adapters(base: nn.Module, model: str, *, rank: int, alpha: int, dropout: float, targets: str) -> PeftModel:
    """`base` inside peft, with adapters that change nothing yet; `targets` empty: those peft has for this model."""
    layers = [name.strip() for name in targets.split(",")] if targets else None
    return _adapted(base, LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=layers), model)


def saved_adapters(base: nn.Module, model: str, adapter: str) -> PeftModel:
    """`base` inside peft with the adapters of a folder that `save_pretrained` of peft wrote.

    They may have been trained below a head (`AutoModelForCausalLM` and its kind): the head's name is taken off, and
    what belongs to the head is left out, since hidden states do not depend on it. MissingData: no such folder.
    UserError: other adapters than LoRA, or those of another model.
    """
    folder = Path(adapter).expanduser()
    wanted = ("adapter_config.json", FILES[0])
    if not (folder / wanted[0]).is_file() or not any((folder / name).is_file() for name in FILES):
        raise MissingData(f"No adapter at '{adapter}': expected a folder with {' and '.join(wanted)}")
    try:
        config = PeftConfig.from_pretrained(str(folder))
        weights = load_peft_weights(str(folder), device="cpu")
    except (ValueError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise UserError(f"{adapter} cannot be read as an adapter: {_first_line(error)}") from error
    if not isinstance(config, LoraConfig):
        raise UserError(f"{adapter} holds adapters of the sort {config.peft_type}; text_lora takes LoRA")
    config.task_type = config.modules_to_save = None  # there is no head
    config.base_model_name_or_path = None  # names and shapes are compared instead: the same model lies anywhere
    config.inference_mode = False
    adapted = _adapted(base, config, model)
    try:
        found = set_peft_model_state_dict(adapted, _without_head(weights, base))
    except RuntimeError as error:
        raise UserError(f"{adapter} does not fit {model}: {_first_line(error)}") from error
    wrong = sorted([*found.unexpected_keys, *(name for name in found.missing_keys if ".lora_" in name)])
    if wrong:
        raise UserError(f"{adapter} does not fit {model}: {len(wrong)} adapters differ, say {wrong[0]}")
    return adapted


def _without_head(weights: dict[str, Tensor], base: nn.Module) -> dict[str, Tensor]:
    """Weights under the names of a model without a head, `model.layers.0` or `bert.encoder` becoming `layers.0`."""
    root, below = "base_model.model.", f"base_model.model.{getattr(base, 'base_model_prefix', '')}."
    renamed = {root + name.removeprefix(below) if name.startswith(below) else name: w for name, w in weights.items()}
    parts = {name for name, _ in base.named_children()}
    return {name: w for name, w in renamed.items() if name.removeprefix(root).partition(".")[0] in parts}


def _adapted(base: nn.Module, config: LoraConfig, model: str) -> PeftModel:
    try:
        with warnings.catch_warnings():
            # peft asks transformers by a name that transformers is about to drop
            warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
            # layers of GPT-2's sort: peft puts the flag right by itself
            warnings.filterwarnings("ignore", "fan_in_fan_out is set to False", UserWarning)
            return get_peft_model(base, config)
    except ValueError as error:
        names = sorted({name.rpartition(".")[2] for name, m in base.named_modules() if isinstance(m, nn.Linear)})
        targets = ",".join(sorted(config.target_modules or []))
        raise UserError(f"LoRA cannot adapt targets={targets!r} of {model}; its layers: {', '.join(names)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
