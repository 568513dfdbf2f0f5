"""Raw recordings through PyAV: what they hold, some whole frames, and their sound. Nothing is known of labels."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import UserError
from harness.media import read_audio
from harness.types import Audio, Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.container import InputContainer
    from av.video.stream import VideoStream

RATE = 16_000  # Hz
LONGEST = 600.0  # seconds of sound kept: one file of Hume-Vidmimic2 is 21 minutes long


@dataclass(frozen=True)
class Probe:
    """Frames and mean rate of a file's picture, and its length; zeros where it has none or cannot be opened."""

    frames: int
    fps: float
    seconds: float


def probe(path: str) -> Probe:
    """Frames and frames / duration as the container tells; where it does not, packets are counted. Decodes nothing."""
    import av

    try:
        with av.open(path) as container:
            seconds = float(container.duration or 0) / av.time_base
            stream = _picture(container)
            if stream is None:
                return Probe(0, 0.0, seconds)
            if stream.frames > 0 and stream.duration and stream.time_base:
                length = float(stream.duration * stream.time_base)
                return Probe(stream.frames, stream.frames / length, length)
            shown = [time for time, _ in _packets(container, stream)]
            span = shown[-1] - shown[0] if len(shown) > 1 else 0.0
            fps = (len(shown) - 1) / span if span > 0 else 0.0
            return Probe(len(shown), fps, len(shown) / fps if fps else seconds)
    except av.FFmpegError:
        return Probe(0, 0.0, 0.0)


def frames_at(path: str, n: int) -> list[tuple[int, Image]]:
    """At most n whole frames, evenly spread, as (index from 0, RGB image); empty where there is no picture.

    Frames are told apart by their time stamps, so a varying rate does not matter; each is decoded at most once.
    """
    import av

    try:
        with av.open(path) as container:
            stream = _picture(container)
            packets = _packets(container, stream) if stream is not None and n > 0 else []
            if stream is None or not packets:
                return []
            count = min(n, len(packets))
            wanted = sorted({int((k + 0.5) * len(packets) / count) for k in range(count)})
            return _decode(container, stream, packets, wanted)
    except av.FFmpegError:
        return []


def sound(path: str) -> Audio | None:
    """A file's sound, mono, 16 kHz, its first ten minutes; None where there is none or nothing can be decoded.

    `start` is the sound's first time stamp minus the picture's; the sound alone starts with the picture.
    """
    import av

    try:
        heard = read_audio(Path(path), RATE)
        with av.open(path) as container:
            stream = _picture(container)
            if heard is None:
                return None
            start = heard.start - _start(stream) if stream is not None else 0.0
            return Audio(heard.samples_S[: int(LONGEST * RATE)], RATE, start)
    except (UserError, av.FFmpegError):  # not a media file at all: the same as no sound, as the contract says
        return None


def _picture(container: InputContainer) -> VideoStream | None:
    from av.stream import Disposition

    real = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    return real[0] if real else None


def _start(stream: VideoStream) -> float:
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)


def _packets(container: InputContainer, stream: VideoStream) -> list[tuple[float, bool]]:
    """(time shown, key frame?) of every packet, in order of showing."""
    found = []
    for packet in container.demux(stream):
        stamp = packet.pts if packet.pts is not None else packet.dts
        if packet.size and stamp is not None and stream.time_base is not None:
            found.append((float(stamp * stream.time_base), packet.is_keyframe))
    return sorted(found)


def _decode(
    container: InputContainer, stream: VideoStream, packets: Sequence[tuple[float, bool]], wanted: Sequence[int]
) -> list[tuple[int, Image]]:
    assert stream.time_base is not None
    stream.thread_type = "AUTO"
    half_tick = float(stream.time_base) / 2
    keys = [index for index, (_, key) in enumerate(packets) if key] or [0]
    images: list[tuple[int, Image]] = []
    decoding: Any = None
    at = -1  # the last frame decoded
    for index in wanted:
        key = keys[max(0, bisect_right(keys, index) - 1)]
        if decoding is None or key > at:  # else going on from here is shorter than starting at the key frame
            container.seek(round(packets[key][0] / float(stream.time_base)), stream=stream)
            decoding = container.decode(stream)
        for frame in decoding:
            if frame.time is not None and frame.time >= packets[index][0] - half_tick:
                images.append((index, _upright(frame)))
                break
        at = index
    return images


def _upright(frame: Any) -> Image:
    image: Image = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
