"""VGGish's front end: log-mel patches of 0.975 s, equal to the reference in float64.

Shapes: B batch, S samples, M frames of the spectrogram (96), F mel bands (64), W samples of a frame, K FFT bins.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

RATE = 16_000
FRAME, STEP, FFT = 400, 160, 512
FRAMES, BANDS = 96, 64
LOW, HIGH = 125.0, 7500.0  # Hz
SAMPLES = (FRAMES - 1) * STEP + FRAME


def log_mel(samples_BS: Tensor) -> Tensor:
    """samples_BS at 16 kHz in [-1, 1] -> log-mel patches_B1MF, float32, without gradients.

    Frames are left-aligned, not centred; periodic Hann window; magnitudes of a 512-point FFT; 64 HTK mel bands;
    log(x + 0.01). Fewer than 15,600 samples are padded with silence, more are a ValueError. In float64 inside: beside a
    loud tone, float32 leaves errors of 1e-3 in quiet bands.
    """
    if samples_BS.shape[1] > SAMPLES:
        raise ValueError(f"expected at most {SAMPLES} samples (0.975 s at 16 kHz), got {samples_BS.shape[1]}")
    with torch.no_grad():
        window, bands = _front_end(str(samples_BS.device))
        padded_BS = nn.functional.pad(samples_BS.double(), (0, SAMPLES - samples_BS.shape[1]))
        frames_BMW = padded_BS.unfold(1, FRAME, STEP) * window
        magnitude_BMK = torch.fft.rfft(frames_BMW, FFT).abs()
        return torch.log(magnitude_BMK @ bands + 0.01).float().unsqueeze(1)


@lru_cache(maxsize=4)
def _front_end(device: str) -> tuple[Tensor, Tensor]:
    """Window of 400 and mel filters (257 x 64), float64."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    return torch.from_numpy(window).to(device), torch.from_numpy(mel_filters()).to(device)


def mel_filters() -> np.ndarray:
    """Triangles, linear in mel between 125 and 7500 Hz, over 257 FFT bins: array of 257 x 64, its DC row 0."""
    edges = np.linspace(_mel(LOW), _mel(HIGH), BANDS + 2)
    bins = _mel(np.linspace(0.0, RATE / 2, FFT // 2 + 1))[:, None]
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters = np.maximum(0.0, np.minimum(rise, fall))
    filters[0] = 0.0
    return filters


def _mel(hertz: float | np.ndarray) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)
