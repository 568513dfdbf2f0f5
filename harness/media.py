"""Decoding video and sound, cropping faces. Container headers are never believed.

Shapes: H W image planes, S audio samples.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from harness.errors import MissingData, UserError
from harness.types import Audio, Box, Image

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)


class Frame(NamedTuple):
    """One decoded frame: its number from 0, seconds since the first, RGB pixels as displayed (rotation applied)."""

    number: int
    time: float
    image: Image


class VideoFile:
    """A video read frame by frame: `for number, time, image in VideoFile(path)`; never held in memory.

    Each iteration decodes anew. Times come from the frames, so a variable frame rate is kept; packets that cannot be
    decoded are logged, counted in `damaged` and left out, as players do. MissingData where there is no such file,
    UserError where it holds no video (a cover picture is none) or FFmpeg cannot decode its kind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        with _open(path) as container:
            self._stream(container)

    def __iter__(self) -> Iterator[Frame]:
        import av
        from av.video.reformatter import Interpolation, VideoReformatter

        reformatter = VideoReformatter()  # one for all frames: two to three times faster than frame.to_ndarray
        for number, (time, frame) in enumerate(self._decode()):
            with _told_of(self.path):
                rgb: av.VideoFrame = reformatter.reformat(
                    frame, format="rgb24", interpolation=Interpolation.FAST_BILINEAR
                )
            image: Image = rgb.to_ndarray().astype(np.uint8, copy=False)
            turns = round(getattr(frame, "rotation", 0) / 90) % 4
            yield Frame(number, time, np.ascontiguousarray(np.rot90(image, turns)) if turns else image)

    @cached_property
    def times(self) -> tuple[float, ...]:
        """Seconds of every frame that decodes, since the first; their number is the true number of frames."""
        return tuple(time for time, _ in self._decode())

    @cached_property
    def start(self) -> float:
        """The first frame's own time stamp, in seconds of the container's clock; UserError where no frame decodes."""
        with _open(self.path) as container, _told_of(self.path):
            first = next(_frames(container, self._stream(container)), None)
        if first is None:
            raise UserError(f"{self.path}: not one frame can be decoded")
        return float(first.time or 0.0)

    @cached_property
    def rate(self) -> float:
        """Frames per second according to the header: only for what has no times of its own."""
        with _open(self.path) as container:
            return float(self._stream(container).average_rate or 25)

    def audio(self, rate: int = 16_000) -> Audio | None:
        """The sound, mono; its `start` counts from the first video frame. None where absent or undecodable."""
        sound = read_audio(self.path, rate)
        return None if sound is None else Audio(sound.samples_S, rate, sound.start - self.start)

    def _stream(self, container: InputContainer) -> VideoStream:
        stream = _video_stream(container)
        if stream is None:
            raise UserError(f"{self.path} holds no video: expected at least one video stream (a cover picture is none)")
        return stream

    def _decode(self) -> Iterator[tuple[float, Any]]:
        self.damaged = 0
        first = self.start
        with _open(self.path) as container, _told_of(self.path):
            stream = self._stream(container)
            stream.thread_type = "AUTO"
            step = 1 / self.rate
            time = -step
            for frame in _frames(container, stream, self):
                time = time + step if frame.time is None else float(frame.time) - first
                yield time, frame
        if self.damaged:
            log.warning("%s: %d damaged packets left out", self.path, self.damaged)


def read_audio(path: Path, rate: int = 16_000) -> Audio | None:
    """The first sound track of any file, mono at `rate` Hz; `start` is in seconds of the container's clock.

    None, with a warning in the log, where there is no sound or nothing of it can be decoded.
    """
    import av
    from av.audio.resampler import AudioResampler

    parts: list[Any] = []
    start: float | None = None
    with _open(path) as container:
        if not container.streams.audio:
            return None
        resampler = AudioResampler(format="fltp", rate=rate)  # its own mix to mono would be up to 3 dB too loud
        try:
            for frame in _frames(container, container.streams.audio[0]):
                start = float(frame.time or 0.0) if start is None else start
                frame.pts = None  # the resampler counts by itself; a broken time stamp must not stop it
                parts += [part.to_ndarray().mean(axis=0) for part in resampler.resample(frame)]
            if start is not None:
                parts += [part.to_ndarray().mean(axis=0) for part in resampler.resample(None)]
        except (av.FFmpegError, ValueError) as error:
            log.warning("%s: the sound breaks off: %s", path, error)
    if not parts or start is None:
        log.warning("%s: nothing of the sound can be decoded", path)
        return None
    samples_S = np.concatenate(parts).astype(np.float32, copy=False)
    return Audio(samples_S.clip(-1, 1), rate, start)  # resampling may overshoot


def _open(path: Path) -> InputContainer:
    import av

    if not path.is_file():
        raise MissingData(f"No such file: {path}")
    with _told_of(path):
        return av.open(str(path))


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    """FFmpeg's errors as one line with the file's name."""
    import av

    try:
        yield
    except av.FFmpegError as error:
        raise UserError(f"{path} cannot be read as video or sound: {error.strerror or error}") from None


def _video_stream(container: InputContainer) -> VideoStream | None:
    from av.stream import Disposition

    real = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    return real[0] if real else None


def _frames(container: InputContainer, stream: Any, counter: VideoFile | None = None) -> Iterator[Any]:
    """Every frame that decodes; damaged packets are counted, not fatal."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:  # a file cut off in the middle
            log.warning("%s: reading stops early: %s", container.name, error)
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            if counter is not None:
                counter.damaged += 1
            continue
        yield from frames


def crop_square(image: Image, box: Box, margin: float = 1.3, size: int | None = None) -> Image:
    """The square around a box, `margin` times its longer side, no rotation (paper 4.1: "normalize to 224x224").

    What lies outside the frame repeats the frame's edge. `size` None keeps the pixels as they are.
    """
    from PIL import Image as Pillow

    side = max(margin * max(box.x1 - box.x0, box.y1 - box.y0), 1.0)
    left, top = (box.x0 + box.x1 - side) / 2, (box.y0 + box.y1 - side) / 2
    if size is None:
        side, left, top = float(round(side)), float(round(left)), float(round(top))
    height, width = image.shape[:2]
    rows = np.arange(int(np.floor(top)), int(np.ceil(top + side))).clip(0, height - 1)
    columns = np.arange(int(np.floor(left)), int(np.ceil(left + side))).clip(0, width - 1)
    cut: Image = image[rows[:, None], columns]
    if size is None:
        return cut
    x, y = left - np.floor(left), top - np.floor(top)
    resized = Pillow.fromarray(cut).resize((size, size), Pillow.Resampling.BILINEAR, box=(x, y, x + side, y + side))
    return np.asarray(resized)
