from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.errors import UserError
from harness.types import AudioInput, Encoder
from hf_encoders.audio import hf_audio


def samples_BS(rate: int, seconds: float = 1.0, seed: int = 0) -> torch.Tensor:
    return torch.rand(2, int(rate * seconds), generator=torch.Generator().manual_seed(seed)) * 2 - 1


def encoder_of(folder: Path, **options: Any):
    encoder = hf_audio(str(folder), **options)
    encoder.module.eval()
    return encoder


def hidden_states(folder: Path, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What transformers says, on input normalised by hand."""
    from transformers import Wav2Vec2Model

    x = batch.numpy()
    normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-7)
    with torch.no_grad():
        net = Wav2Vec2Model.from_pretrained(folder).eval()
        return net(torch.from_numpy(normal), output_hidden_states=True).hidden_states


@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
def test_tokens_are_pooled_over_hidden_frames(wav2vec2: Path, pooling: str):
    encoder = encoder_of(wav2vec2, window=0.5, hop=0.25, pooling=pooling)
    assert isinstance(encoder, Encoder)
    assert (encoder.modality, encoder.dim, encoder.input) == ("audio", 16, AudioInput(8000, 0.5, 0.25))
    batch = samples_BS(8000, 0.5)
    hidden_BND = hidden_states(wav2vec2, batch)[-1]
    expected = {"mean": hidden_BND.mean(1), "max": hidden_BND.amax(1), "last": hidden_BND[:, -1]}
    torch.testing.assert_close(encoder(batch), expected[pooling], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("layer", [0, 1, 2, -1, "last"])
def test_layer_is_chosen_by_index(wav2vec2: Path, layer: int | str):
    batch = samples_BS(8000)
    hidden_BND = hidden_states(wav2vec2, batch)[-1 if layer == "last" else int(layer)]
    torch.testing.assert_close(encoder_of(wav2vec2, layer=layer)(batch), hidden_BND.mean(1), rtol=1e-5, atol=1e-5)


def test_learned_layers_start_as_their_mean_and_learn(wav2vec2: Path):
    encoder, batch = encoder_of(wav2vec2, layer="learned"), samples_BS(8000)
    stacked_KBND = torch.stack(hidden_states(wav2vec2, batch))
    torch.testing.assert_close(encoder(batch), stacked_KBND.mean((0, 2)), rtol=1e-5, atol=1e-5)
    encoder(batch)[0, 0].backward()
    assert bool((encoder.module.mix_K.grad.abs() > 0).all())
    with torch.no_grad():
        encoder.module.mix_K.copy_(torch.tensor([0.0, 50.0, 0.0]))
    torch.testing.assert_close(encoder(batch), stacked_KBND[1].mean(1), rtol=1e-5, atol=1e-5)


def test_only_the_encoder_of_whisper_and_only_the_sounding_part(whisper: Path):
    from transformers import WhisperFeatureExtractor, WhisperModel

    encoder, batch = encoder_of(whisper), samples_BS(16000, 0.5)
    assert encoder.input.rate == 16000
    extractor = WhisperFeatureExtractor.from_pretrained(whisper)
    features = extractor(list(batch.numpy()), sampling_rate=16000, return_tensors="pt").input_features
    hidden_BND = WhisperModel.from_pretrained(whisper).eval().get_encoder()(features).last_hidden_state
    assert hidden_BND.shape[1] == 100
    torch.testing.assert_close(encoder(batch), hidden_BND[:, :25].mean(1), rtol=1e-5, atol=1e-5)


def test_a_window_does_not_depend_on_its_batch(audio: Path):
    encoder = encoder_of(audio, layer="learned")
    batch = samples_BS(encoder.input.rate)
    alone_BD = torch.cat([encoder(row[None]) for row in batch])
    torch.testing.assert_close(encoder(batch), alone_BD, rtol=1e-5, atol=1e-5)


def test_lora_changes_nothing_at_the_start_and_then_alone_learns(audio: Path):
    plain, adapted = encoder_of(audio), encoder_of(audio, rank=2)
    batch = samples_BS(plain.input.rate)
    torch.testing.assert_close(adapted(batch), plain(batch), rtol=0, atol=1e-6)  # WavLM sums in another order
    learning = {name: p for name, p in adapted.module.named_parameters() if p.requires_grad}
    assert learning
    assert all("lora_" in name for name in learning)
    adapted(batch).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for name, p in learning.items() if "lora_B" in name)


def test_training_keeps_every_layer_and_draws_from_torch_alone(audio: Path):
    """Left to themselves, these models drop layers at random, and SpecAugment draws from NumPy's global stream."""
    encoder = hf_audio(str(audio), window=0.02, layer="learned")
    batch = samples_BS(encoder.input.rate, 0.02)
    found = []
    for seed in (1, 2):
        np.random.seed(seed)
        torch.manual_seed(0)
        encoder.module.train()
        found.append(encoder(batch))
    assert torch.equal(*found)


def test_gradients_reach_the_module(wav2vec2: Path):
    encoder = encoder_of(wav2vec2)
    encoder(samples_BS(8000)).square().mean().backward()
    assert sum(p.grad is not None and bool(p.grad.any()) for p in encoder.module.parameters()) > 10


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("wav2vec2", {"layer": 7}, "expected -3 to 2, last or learned; got 7"),
        ("wav2vec2", {"layer": "first"}, "expected -3 to 2, last or learned; got 'first'"),
        ("wav2vec2", {"pooling": "sum"}, "pooling of hf: expected mean, max, last, got 'sum'"),
        ("wav2vec2", {"window": 44 / 8000}, r"windows of 0\.005625 s to inf s and hop > 0, came 0\.0055 and 0\.5"),
        ("wav2vec2", {"hop": 0}, "hop > 0, came 1.0 and 0"),
        ("whisper", {"window": 2.5}, "to 2 s and hop > 0, came 2.5"),
        ("wav2vec2", {"rank": -1}, "rank >= 0"),
        ("wav2vec2", {"targets": "q_proj"}, "needs a rank of 1 or more"),
        ("wav2vec2", {"rank": 2, "targets": "c_attn"}, r"cannot adapt c_attn of .*; its layers: .*k_proj"),
        (
            "wavlm",
            {"rank": 2, "targets": "q_proj,v_proj"},
            "adapters at q_proj, v_proj have no effect in a wavlm model",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(saved, family: str, options: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        hf_audio(str(saved(family)), **options)


def test_the_shortest_window_gives_a_token(wav2vec2: Path):
    assert encoder_of(wav2vec2, window=45 / 8000)(samples_BS(8000, 45 / 8000)).shape == (2, 16)
