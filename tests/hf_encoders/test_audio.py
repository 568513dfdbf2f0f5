from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.errors import MissingData, UserError
from harness.types import AudioInput, Encoder
from hf_encoders.audio import hf_audio


def samples_BS(rate: int, seconds: float = 1.0, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, int(rate * seconds), generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_tokens_are_the_mean_over_hidden_frames(wav2vec2: Path):
    from transformers import Wav2Vec2Model

    encoder = hf_audio(str(wav2vec2), window=0.5, hop=0.25)
    assert isinstance(encoder, Encoder)
    assert (encoder.modality, encoder.dim, encoder.input) == ("audio", 16, AudioInput(8000, 0.5, 0.25))
    encoder.module.eval()
    batch = samples_BS(8000, 0.5)
    x = batch.numpy()
    normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-7)
    reference = Wav2Vec2Model.from_pretrained(wav2vec2).eval()
    expected_BD = reference(torch.from_numpy(normal)).last_hidden_state.mean(1)
    torch.testing.assert_close(encoder(batch), expected_BD, rtol=1e-5, atol=1e-5)


def test_layer_is_chosen_by_index(wav2vec2: Path):
    tokens = []
    for layer in (0, 1, 2, -1):
        encoder = hf_audio(str(wav2vec2), layer=layer)
        encoder.module.eval()
        tokens.append(encoder(samples_BS(8000)))
    assert not torch.equal(tokens[0], tokens[1])
    torch.testing.assert_close(tokens[2], tokens[3])


def test_gradients_reach_the_module(wav2vec2: Path):
    encoder = hf_audio(str(wav2vec2))
    encoder.module.eval()
    encoder(samples_BS(8000)).square().mean().backward()
    assert sum(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in encoder.module.parameters()) > 10


def test_only_the_encoder_of_whisper_and_only_the_sounding_part(whisper: Path):
    from transformers import WhisperFeatureExtractor, WhisperModel

    encoder = hf_audio(str(whisper))
    encoder.module.eval()
    assert encoder.input.rate == 16000
    batch = samples_BS(16000, 0.5)
    extractor = WhisperFeatureExtractor.from_pretrained(whisper)
    features = extractor(list(batch.numpy()), sampling_rate=16000, return_tensors="pt").input_features
    reference = WhisperModel.from_pretrained(whisper).eval().get_encoder()
    hidden_BND = reference(features).last_hidden_state
    assert hidden_BND.shape[1] == 100
    torch.testing.assert_close(encoder(batch), hidden_BND[:, :25].mean(1), rtol=1e-5, atol=1e-5)


def test_errors(wav2vec2: Path, bert: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"layer of .*: expected -3 to 2, got 7"):
        hf_audio(str(wav2vec2), layer=7)
    with pytest.raises((UserError, MissingData)):
        hf_audio(str(bert))
    with pytest.raises(MissingData, match="hub has no such model or cannot be reached"):
        hf_audio("nobody/such-model")
