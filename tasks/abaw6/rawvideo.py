"""Raw recordings through PyAV: what they hold, some whole frames, and their sound.

Shapes: S audio samples. Times are seconds after the first video frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.types import Audio, Floats, Image

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

RATE = 16_000  # Hz
LONGEST = 600.0  # seconds of sound kept: one file of Hume-Vidmimic2 is 21 minutes long


@dataclass(frozen=True)
class Probe:
    """Frames and mean rate of a video's picture; zeros where it has none or cannot be opened."""

    frames: int
    fps: float


def probe(path: str) -> Probe:
    """Frames of a file and frames / duration; where the rate varies, the mean one. Nothing is decoded."""
    import av

    try:
        with av.open(path) as container:
            if not container.streams.video:
                return Probe(0, 0.0)
            stream = container.streams.video[0]
            if stream.frames > 0 and stream.duration and stream.time_base:
                return Probe(stream.frames, stream.frames / float(stream.duration * stream.time_base))
            return _counted(times(container))
    except av.FFmpegError:
        return Probe(0, 0.0)


def _counted(seconds: Sequence[float]) -> Probe:
    """The same from the frames' times, for containers that do not write their number of frames."""
    if len(seconds) < 2 or seconds[-1] <= seconds[0]:
        return Probe(len(seconds), 0.0)
    return Probe(len(seconds), (len(seconds) - 1) / (seconds[-1] - seconds[0]))


def times(container: InputContainer) -> list[float]:
    """The time of every video packet that will be shown, in order of showing."""
    stream = container.streams.video[0]
    stamps = [p.pts if p.pts is not None else p.dts for p in container.demux(stream) if p.size]
    return sorted(float(stamp * stream.time_base) for stamp in stamps if stamp is not None and stream.time_base)


def frames_at(path: str, n: int) -> list[tuple[int, Image]]:
    """At most n whole frames, evenly spread, as (index from 0, RGB image); empty where there is no picture.

    Frames are told by their time stamps, so a varying rate does not matter.
    """
    import av

    try:
        with av.open(path) as container:
            if not container.streams.video or n < 1:
                return []
            seconds = times(container)
            if not seconds:
                return []
            count = min(n, len(seconds))
            wanted = sorted({int((k + 0.5) * len(seconds) / count) for k in range(count)})
            return [(i, image) for i in wanted if (image := _frame(container, seconds[i])) is not None]
    except av.FFmpegError:
        return []


def _frame(container: InputContainer, second: float) -> Image | None:
    """The first frame shown at `second` or after, decoded from the key frame before it."""
    stream = container.streams.video[0]
    assert stream.time_base is not None
    tick = float(stream.time_base)
    container.seek(max(0, int(second / tick)) if second >= 0 else int(second / tick), stream=stream)
    last = None
    for last in container.decode(stream):
        if last.time is not None and last.time >= second - tick / 2:
            break
    return None if last is None else last.to_ndarray(format="rgb24")


def sound(path: str) -> Audio | None:
    """The first audio stream as mono samples at 16 kHz, at most ten minutes; None where absent or undecodable.

    A file that breaks off keeps what came before. `start` is the sound's first time stamp minus the picture's.
    """
    import av

    try:
        with av.open(path) as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            samples_S, first = _decoded(container, stream)
            if samples_S.size == 0:
                return None
            return Audio(samples_S, RATE, first - _picture_start(container))
    except av.FFmpegError:
        return None


def _decoded(container: InputContainer, stream: Stream) -> tuple[Floats, float]:
    import av

    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    parts: list[Floats] = []
    first: float | None = None
    length = 0
    try:
        for frame in container.decode(stream):
            if first is None:
                first = frame.time or 0.0
            for part in resampler.resample(frame):
                parts.append(part.to_ndarray().reshape(-1))
                length += parts[-1].size
            if length >= LONGEST * RATE:
                break
        parts += [part.to_ndarray().reshape(-1) for part in resampler.resample(None)]
    except av.FFmpegError:
        pass  # what was decoded before the damage is kept, as the docstring of `sound` says
    if not parts:
        return np.empty(0, np.float32), 0.0
    samples_S = np.concatenate(parts)[: int(LONGEST * RATE)]
    return np.ascontiguousarray(samples_S, dtype=np.float32), first or 0.0


def _picture_start(container: InputContainer) -> float:
    if not container.streams.video:
        return 0.0
    stream = container.streams.video[0]
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)
