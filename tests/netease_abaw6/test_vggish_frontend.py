from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from transformers.audio_utils import mel_filter_bank, spectrogram

from netease_abaw6.vggish_frontend import SAMPLES, log_mel, mel_filters

TIME_S = np.arange(SAMPLES) / 16_000
NOISE = np.random.default_rng(0).normal(size=SAMPLES)
SOUNDS = {
    "noise": 0.1 * NOISE,
    "full-scale noise": np.clip(NOISE, -1, 1),
    "loud tone": np.sin(2 * np.pi * 440 * TIME_S),
    "sweep": 0.5 * np.sin(2 * np.pi * (100 + 3000 * TIME_S) * TIME_S),
    "whisper": 1e-5 * NOISE,
    "silence": np.zeros(SAMPLES),
    "offset": np.full(SAMPLES, 0.7),
    "click": np.eye(1, SAMPLES, 8000)[0],
}


def by_transformers(samples_S):
    filters = mel_filter_bank(257, 64, 125, 7500, 16_000, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    bands = spectrogram(samples_S, window, 400, 160, 512, power=1.0, center=False, mel_filters=filters, mel_floor=0.0)
    return np.log(bands.T + 0.01)


def by_definition(samples_S):
    """Every frame, bin and band by its formula, in float64."""
    n, k = np.arange(400), np.arange(257)
    window = np.array([0.5 - 0.5 * math.cos(2 * math.pi * i / 400) for i in range(400)])
    waves = np.exp(-2j * np.pi * np.outer(n, k) / 512)
    mel = [1127 * math.log(1 + f / 700) for f in 8000 * k / 256]
    low, high = (1127 * math.log(1 + f / 700) for f in (125, 7500))
    edge = [low + i * (high - low) / 65 for i in range(66)]
    filters = np.zeros((257, 64))
    for band in range(64):
        left, middle, right = edge[band : band + 3]
        for b in range(1, 257):
            if left < mel[b] <= middle:
                filters[b, band] = (mel[b] - left) / (middle - left)
            elif middle < mel[b] < right:
                filters[b, band] = (right - mel[b]) / (right - middle)
    rows = [np.abs((samples_S[160 * m : 160 * m + 400] * window) @ waves) @ filters for m in range(96)]
    return np.log(np.stack(rows) + 0.01)


def tensor(samples_S):
    return torch.from_numpy(samples_S).float()[None]


def float32(samples_S):
    return samples_S.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize(
    ("reference", "name"),
    [(by_transformers, "`transformers.audio_utils`"), (by_definition, "each bin and band by its formula, float64")],
)
@pytest.mark.parametrize("sound", SOUNDS)
def test_log_mel_equals_the_reference(parity, sound, reference, name):
    got = log_mel(tensor(SOUNDS[sound]))
    assert (got.shape, got.dtype) == ((1, 1, 96, 64), torch.float32)
    difference = np.abs(got[0, 0].numpy() - reference(float32(SOUNDS[sound]))).max()
    parity("VGGish log-mel", name, difference, at_most=1e-6)


def test_log_mel_on_a_gpu_is_that_of_the_cpu(gpu):
    samples_BS = 0.3 * torch.randn(3, SAMPLES, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(log_mel(samples_BS.to(gpu)).cpu(), log_mel(samples_BS), atol=1e-5, rtol=0)


def test_silence_is_the_floor():
    torch.testing.assert_close(log_mel(torch.zeros(2, SAMPLES)), torch.full((2, 1, 96, 64), math.log(0.01)))


def test_a_batch_is_its_rows():
    samples_BS = torch.from_numpy(np.stack(list(SOUNDS.values()))).float()
    rows = torch.cat([log_mel(row[None]) for row in samples_BS])
    torch.testing.assert_close(log_mel(samples_BS), rows, atol=1e-6, rtol=0)


def test_windows_every_096_seconds_are_the_patches_of_one_long_spectrogram():
    long = 0.1 * np.random.default_rng(1).normal(size=3 * 15_360 + 240).astype(np.float32)
    whole = by_transformers(long.astype(np.float64))
    windows = np.stack([long[15_360 * i : 15_360 * i + SAMPLES] for i in range(3)])
    assert whole.shape == (3 * 96, 64)
    got = log_mel(torch.from_numpy(windows)).reshape(3 * 96, 64)
    np.testing.assert_allclose(got.numpy(), whole, atol=1e-5)


def test_short_windows_are_padded_with_silence():
    short = tensor(SOUNDS["noise"])[:, :9000]
    assert torch.equal(log_mel(short), log_mel(nn.functional.pad(short, (0, SAMPLES - 9000))))


def test_long_windows_are_refused():
    with pytest.raises(ValueError, match="at most 15600 samples"):
        log_mel(torch.zeros(1, SAMPLES + 1))


def test_mel_filters_are_the_published_bank():
    reference = mel_filter_bank(
        257, 64, 125, 7500, 16_000, norm=None, mel_scale="kaldi", triangularize_in_mel_space=True
    )
    np.testing.assert_allclose(mel_filters(), reference, atol=1e-12)
    assert not mel_filters()[0].any()
