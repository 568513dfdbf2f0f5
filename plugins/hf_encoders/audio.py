"""Audio models of transformers. Shapes: B batch, S samples, N hidden frames, D width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from harness.errors import UserError
from harness.types import AudioInput, Modality

if TYPE_CHECKING:
    from torch import Tensor

    from hf_encoders.layers import Layers, Pooling

POOLINGS = ("mean", "max", "last")


@dataclass(eq=False)
class HfAudio:
    """samples_BS -> tokens_BD: one layer's hidden frames, pooled over the window."""

    module: Layers
    input: AudioInput
    dim: int
    extractor: Any
    pooling: Pooling
    modality: ClassVar[Modality] = "audio"

    def __call__(self, batch: Tensor) -> Tensor:
        import torch

        from hf_encoders.layers import pool

        features = self.extractor(list(batch.cpu().numpy()), sampling_rate=self.input.rate, return_tensors="pt")
        name = cast(str, self.module.net.main_input_name)
        hidden_BND = self.module(**{name: features[name].to(self.module.device)})
        padded_to = getattr(self.extractor, "n_samples", batch.shape[1])  # Whisper pads every input to 30 s
        real = math.ceil(hidden_BND.shape[1] * batch.shape[1] / padded_to)
        sounding_BND = hidden_BND[:, :real]
        everywhere_BN = torch.ones(sounding_BND.shape[:2], dtype=torch.bool, device=sounding_BND.device)
        return pool(sounding_BND, everywhere_BN, self.pooling)


def hf_audio(
    model: str,
    *,
    layer: int | str = "last",
    pooling: str = "mean",
    window: float = 1.0,
    hop: float = 0.5,
    rank: int = 0,
    alpha: int = 16,
    targets: str = "",
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> HfAudio:
    """The transformers audio model in folder or hub name `model` as an encoder.

    One token per `window` seconds every `hop` seconds: the "mean", "max" or "last" hidden frame of the window, from
    hidden layer `layer` (an index, "last", or "learned": a sum over all layers whose weights `adapt.audio` learns).
    With `rank`, fine-tuning trains LoRA adapters of that rank (see `lora.add_lora`) instead of the whole model.
    `revision` is the branch, tag or commit of a hub name.
    UserError: not an audio model, or options that do not fit it. MissingData: weights that cannot be had here.
    """
    from transformers import AutoFeatureExtractor

    from hf_encoders.layers import Layers, check_pooling
    from hf_encoders.loading import Checkpoint
    from hf_encoders.lora import add_lora

    check_pooling("hf", pooling, POOLINGS)
    checkpoint = Checkpoint(model, revision, trust_remote_code)
    net: Any = checkpoint.model("audio")
    extractor = checkpoint.load(AutoFeatureExtractor)
    _check_window(model, net.config, extractor, window, hop)
    layers = Layers(net, layer, model)
    add_lora(net, model, rank=rank, alpha=alpha, targets=targets)
    spec = AudioInput(int(extractor.sampling_rate), window, hop)
    return HfAudio(layers, spec, int(net.config.hidden_size), extractor, cast("Pooling", pooling))


def _check_window(model: str, config: Any, extractor: Any, window: float, hop: float) -> None:
    """UserError where a window holds less than one hidden frame, or more than the model takes."""
    shortest, step = 1, 1
    for kernel, stride in zip(getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ()), strict=True):
        shortest += (kernel - 1) * step
        step *= stride
    longest = getattr(extractor, "n_samples", math.inf)
    if hop <= 0 or not shortest <= round(window * extractor.sampling_rate) <= longest:
        bounds = [f"{samples / extractor.sampling_rate:g} s" for samples in (shortest, longest)]
        raise UserError(f"{model!r} takes windows of {' to '.join(bounds)} and hop > 0, came {window} and {hop}")
