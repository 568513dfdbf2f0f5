"""Audio models of transformers. Shapes: B batch, S samples, N hidden frames, D width."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import UserError
from harness.types import AudioInput, Modality
from hf_encoders.loading import check_layer, encoder_part, hidden, load

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(eq=False)
class HfAudio:
    """samples_BS -> tokens_BD: the mean over the hidden frames of one layer."""

    module: nn.Module
    input: AudioInput
    dim: int
    extractor: Any
    layer: int
    modality: ClassVar[Modality] = "audio"

    def __call__(self, batch: Tensor) -> Tensor:
        features = self.extractor(list(batch.cpu().numpy()), sampling_rate=self.input.rate, return_tensors="pt")
        net: Any = self.module
        inputs = {net.main_input_name: features[net.main_input_name].to(net.device, net.dtype)}
        hidden_BND = hidden(net, self.layer, **inputs)
        padded_to = getattr(self.extractor, "n_samples", batch.shape[1])  # Whisper pads every input to 30 s
        real = math.ceil(hidden_BND.shape[1] * min(1.0, batch.shape[1] / padded_to))
        return hidden_BND[:, :real].mean(dim=1).float()


def hf_audio(model: str, *, layer: int = -1, window: float = 1.0, hop: float = 0.5) -> HfAudio:
    """The transformers audio model in folder or hub name `model` as an encoder.

    One token per `window` seconds every `hop` seconds, from hidden layer `layer` (-1 the last).
    UserError: not an audio model, or no such layer. MissingData: weights that cannot be had here.
    """
    from transformers import AutoFeatureExtractor, AutoModel

    extractor = load(AutoFeatureExtractor, model)
    rate = getattr(extractor, "sampling_rate", None)
    net = encoder_part(load(AutoModel, model))
    if rate is None or net.main_input_name not in ("input_values", "input_features"):
        raise UserError(f"{model!r} is no audio model: it takes {net.main_input_name!r}. For text say hf-text:{model}")
    check_layer(model, net, layer)
    return HfAudio(net, AudioInput(int(rate), window, hop), int(net.config.hidden_size), extractor, layer)
