"""Getting a transformers checkpoint from a folder or the hub. Code that comes with one is run only if asked for."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import MissingData, UserError
from harness.weights import hub_or_cache

if TYPE_CHECKING:
    from torch import nn

TAKES = {"audio": ("input_values", "input_features"), "text": ("input_ids",)}
FAMILY = {"audio": "hf", "text": "hf-text"}
NOT_READ = ("pooler.", "masked_spec_embed", "decoder.")  # weights a checkpoint may lack: no token depends on them

# Training habits of speech models that do not fit here: SpecAugment draws from NumPy's global stream and fails on short
# windows; a layer that is dropped for a step is missing among the hidden layers.
STEADY = {"apply_spec_augment": False, "layerdrop": 0.0, "encoder_layerdrop": 0.0}


@dataclass(frozen=True)
class Checkpoint:
    """A folder, or a hub name at a revision; `trust_remote_code` runs the Python files that lie in it."""

    name: str
    revision: str | None = None
    trust_remote_code: bool = False

    def model(self, modality: Literal["audio", "text"]) -> nn.Module:
        """The model in float32, of an encoder-decoder the encoder.

        MissingData: no such folder, or a hub name that cannot be had here. UserError: a model of the other modality,
        of unknown code, or weights that are not those of its configuration.
        """
        import torch
        from transformers import AutoConfig, AutoModel
        from transformers.models.auto.modeling_auto import MODEL_MAPPING

        config = self.load(AutoConfig)
        if type(config) in MODEL_MAPPING:  # told from the configuration, before gigabytes are read
            self._check_modality(MODEL_MAPPING[type(config)], modality)
        for name, value in STEADY.items():
            if hasattr(config, name):
                setattr(config, name, value)
        net, found = self.load(AutoModel, config=config, dtype=torch.float32, output_loading_info=True)
        if config.is_encoder_decoder:
            net = net.get_encoder()
        self._check_modality(net, modality)
        missing = sorted(key for key in found["missing_keys"] if not any(part in key for part in NOT_READ))
        if missing:
            raise UserError(f"{self.name!r} lacks {len(missing)} weights of its own configuration, say {missing[0]}")
        return net

    def load(self, auto: Any, **options: Any) -> Any:
        """`auto.from_pretrained`, its errors as the harness's."""
        folder = Path(self.name).expanduser()
        if not folder.is_dir() and (self.name.startswith(("/", ".", "~")) or self.name.count("/") > 1):
            raise MissingData(f"No folder {self.name!r}: expected one made by save_pretrained, or a hub name")
        if folder.is_dir() and self.revision is not None:
            raise UserError(f"revision={self.revision!r} is of a hub name; {self.name!r} is a folder")
        if not folder.is_dir():
            hub_or_cache()
        place = str(folder) if folder.is_dir() else self.name
        common = {"revision": self.revision or "main", "trust_remote_code": self.trust_remote_code}
        try:
            return auto.from_pretrained(place, **common, **options)
        except OSError as error:
            if folder.is_dir():
                raise MissingData(f"{self.name!r} is not whole: {_first_line(error)}") from error
            at = f" at revision {self.revision!r}" if self.revision else ""
            raise MissingData(
                f"No folder {self.name!r}, and the hub has no such model{at} or cannot be reached "
                f"({type(error).__name__}). Give the path of a folder made by save_pretrained: hf:PATH or hf-text:PATH"
            ) from error
        except (ValueError, KeyError, RuntimeError, ImportError, pickle.UnpicklingError) as error:
            if "trust_remote_code" in str(error):
                raise UserError(
                    f"{self.name!r} brings Python code of its own, which is not run; "
                    "once you have read it, say trust_remote_code=true"
                ) from error
            raise UserError(f"{self.name!r} cannot be read by {auto.__name__}: {_first_line(error)}") from error

    def _check_modality(self, net: Any, modality: Literal["audio", "text"]) -> None:
        if net.main_input_name not in TAKES[modality]:
            fits = [other for other, takes in TAKES.items() if net.main_input_name in takes]
            hint = f". For {fits[0]} say {FAMILY[fits[0]]}:{self.name}" if fits else ""
            raise UserError(f"{self.name!r} is no {modality} model: it takes {net.main_input_name!r}{hint}")


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
