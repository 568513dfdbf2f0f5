"""Sound as an audio encoder wants it: windows of fixed length with the seconds each one covers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.types import Audio, AudioInput, Floats, Video

if TYPE_CHECKING:
    from torch import Tensor


def windows(audio: Audio | None, spec: AudioInput, video: Video) -> tuple[Tensor, Tensor]:
    """samples_NS and times_N2 (seconds after the first frame), N = 0 without sound.

    Windows start at the first sample, one every `hop` seconds; the last is padded with silence. Those that begin
    after the video has ended are left out.
    """
    import torch

    size = round(spec.window * spec.rate)
    if audio is None or len(audio.samples_S) == 0:
        return torch.zeros(0, size), torch.zeros(0, 2)
    samples_S = _resampled(audio, spec.rate)
    end = video.frames / video.fps - audio.start
    step = spec.hop * spec.rate
    count = max(1, math.ceil((len(samples_S) - size) / step) + 1)
    count = max(1, min(count, math.ceil(end / spec.hop))) if end > 0 else 0
    starts = [round(i * step) for i in range(count)]
    cut = np.zeros((count, size), np.float32)
    for row, at in zip(cut, starts, strict=True):
        piece = samples_S[at : at + size]
        row[: len(piece)] = piece
    begin_N = torch.tensor(starts, dtype=torch.float32) / spec.rate + audio.start
    return torch.from_numpy(cut), torch.stack([begin_N, begin_N + spec.window], dim=1)


def _resampled(audio: Audio, rate: int) -> Floats:
    if audio.rate == rate:
        return audio.samples_S
    import torch
    import torchaudio.functional

    samples_S: Floats = torchaudio.functional.resample(torch.from_numpy(audio.samples_S), audio.rate, rate).numpy()
    return samples_S
