"""A raw video as the core sees any video: faces found, one person followed, crops laid aside, sound decoded.

Shapes: F frames of the video.
"""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from harness.errors import MissingData
from harness.follow import follow
from harness.media import VideoFile, crop_square
from harness.progress import Progress, silent
from harness.types import Audio, Detector, Face, Image, SceneFrame, Video

CROP = 224  # pixels (paper 4.1)
MARGIN = 1.3
BATCH = 16
JPEG_QUALITY = 95  # crops of the data sets are JPEG, too


@dataclass(frozen=True, eq=False)
class RawVideo:
    """One file as `video` and `view`; `faces_F`: the followed face per frame, `times_F`: seconds since the first."""

    video: Video
    view: RawView
    faces_F: tuple[Face | None, ...]
    times_F: tuple[float, ...]

    def __enter__(self) -> RawVideo:
        return self

    def __exit__(self, *error: object) -> None:
        self.view.close()

    @property
    def faceless(self) -> list[tuple[int, int]]:
        """Stretches of frames without a face, as (first, last)."""
        return stretches([face is not None for face in self.faces_F])


def read(
    path: Path,
    detector: Detector,
    *,
    person: str = "largest",
    transcript: str | None = None,
    progress: Progress = silent,
) -> RawVideo:
    """Decode, detect and follow one person (see `harness.follow`): `with read(path, detector) as raw: ...`.

    MissingData where no frame shows a face.

    The file is decoded twice: who is followed is known only when all faces are, and frames are too big to keep.
    """
    file = VideoFile(path)
    times, found = detected(file, detector, progress)
    followed = follow(found, person)
    if not any(followed):
        raise faceless(path, detector, len(times))
    margin = float(getattr(detector, "crop_margin", MARGIN))
    crops = Crops(progress(_crops(file, followed, margin), "crop faces", total=sum(f is not None for f in followed)))
    view = RawView(file, crops, tuple(map(tuple, found)), file.audio(), transcript)
    face_F = np.array([face is not None for face in followed])
    video = Video(path.stem, path.stem, "test", len(times), mean_rate(times, file.rate), face_F)
    return RawVideo(video, view, tuple(followed), tuple(times))


def detected(file: VideoFile, detector: Detector, progress: Progress) -> tuple[list[float], list[list[Face]]]:
    """Of every frame that decodes, its time (seconds since the first) and its faces."""
    times: list[float] = []
    found: list[list[Face]] = []
    frames = iter(progress(file, f"detect faces with {detector.name}", total=None))
    while batch := list(islice(frames, BATCH)):
        times += [frame.time for frame in batch]
        found += detector([frame.image for frame in batch])
    return times, found


def faceless(path: Path, detector: Detector, frames: int) -> MissingData:
    """What is said of a clip without any face."""
    return MissingData(
        f"{path}: the detector {detector.name!r} finds no face in any of its {frames} frames. "
        "Where the clip is a face crop already: --detector full_frame"
    )


def mean_rate(times_F: Sequence[float], header_rate: float) -> float:
    """Frames per second from the frames' own times; the header's rate where there is only one frame."""
    span = times_F[-1] - times_F[0]
    return (len(times_F) - 1) / span if span > 0 else header_rate


def stretches(seen_F: Sequence[bool]) -> list[tuple[int, int]]:
    """Runs of False as (first, last) index.

    >>> stretches([True, False, False, True, False])
    [(1, 2), (4, 4)]
    """
    runs = [(seen, [index for index, _ in run]) for seen, run in groupby(enumerate(seen_F), key=lambda pair: pair[1])]
    return [(indices[0], indices[-1]) for seen, indices in runs if not seen]


def _crops(file: VideoFile, followed: Sequence[Face | None], margin: float) -> Iterator[tuple[int, Image]]:
    for frame in file:
        face = followed[frame.number]
        if face is not None:
            yield frame.number, crop_square(frame.image, face.box, margin, CROP)


class Crops:
    """Face crops in one temporary file, until `close`; an hour of video does not fit in memory."""

    def __init__(self, crops: Iterator[tuple[int, Image]]) -> None:
        from PIL import Image as Pillow

        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this object
        self._lock = threading.Lock()
        self._spans: dict[int, tuple[int, int]] = {}
        for index, image in crops:
            at = self._file.tell()
            Pillow.fromarray(image).save(self._file, format="jpeg", quality=JPEG_QUALITY, subsampling=0)
            self._spans[index] = (at, self._file.tell() - at)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def __getitem__(self, index: int) -> Image:
        from PIL import Image as Pillow

        at, size = self._spans[index]
        with self._lock:  # the core decodes ahead in a thread
            self._file.seek(at)
            content = self._file.read(size)
        return np.asarray(Pillow.open(io.BytesIO(content)))


class RawView:
    """The `harness.types.View` of one raw video; `video` arguments are of that video."""

    def __init__(
        self,
        file: VideoFile,
        crops: Crops,
        found: tuple[tuple[Face, ...], ...],
        audio: Audio | None,
        transcript: str | None,
    ) -> None:
        self._file, self._crops, self._found, self._audio, self._transcript = file, crops, found, audio, transcript

    def close(self) -> None:
        """Give the crops' file back; `images` works no longer."""
        self._crops.close()

    def images(self, video: Video, indices: Sequence[int]) -> list[Image]:
        return [self._crops[int(index)] for index in indices]

    def audio(self, video: Video) -> Audio | None:
        return self._audio

    def text(self, video: Video) -> str | None:
        return self._transcript

    def scene(self, video: Video, n: int) -> list[SceneFrame]:
        wanted = {int(index) for index in np.linspace(0, len(self._found) - 1, num=min(n, len(self._found))).round()}
        picked = []
        for frame in self._file:
            if frame.number in wanted:
                picked.append(SceneFrame(frame.image, tuple(face.box for face in self._found[frame.number])))
            if len(picked) == len(wanted):
                break
        return picked
