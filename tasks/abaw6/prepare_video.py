"""One raw video to a person's crops, sound and face table, in the layout the readers read; whole or not at all.

Shapes: F frames of the video, B frames of a batch.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness.errors import HarnessError, UserError
from harness.follow import follow
from harness.media import Frame, VideoFile, crop_square
from harness.progress import silent
from harness.rawvideo import detected, faceless, mean_rate
from harness.types import Audio, Detector, Face, Image

if TYPE_CHECKING:
    from collections.abc import Mapping

BATCH = 16
RATE = 16_000


@dataclass(frozen=True)
class Layout:
    """Where a data set keeps a video's parts, below its root; images are numbered from 1.

    `transcripts`: whether its reader reads any.
    """

    crops: str
    image: str
    audio: str
    raw: str
    transcripts: bool = False


LAYOUTS: Mapping[str, Layout] = {
    "aff-wild2": Layout("cropped_aligned", "{:05d}.jpg", "audio", "batch1"),
    "c-expr": Layout("cropped_aligned", "{:05d}.jpg", "audio", "raw"),
    "hume-vidmimic2": Layout("face_images", "{}.jpg", "audio", "raw", transcripts=True),
}
TABLE = "faces/{}.csv"
SUMMARY = "faces/{}.json"
POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")  # left and right as seen
COLUMNS = (
    *("video", "frame", "time", "followed", "x0", "y0", "x1", "y1", "score"),
    *(f"{point}_{axis}" for point in POINTS for axis in "xy"),
)


@dataclass(frozen=True)
class Settings:
    """What a video's crops depend on, beside the file and the detector."""

    layout: str = "aff-wild2"
    person: str = "largest"
    size: int = 224
    margin: float = 1.3
    align: bool = False
    quality: int = 95
    cropper: Literal["pillow", "roi_align"] = "pillow"


@dataclass(frozen=True)
class Prepared:
    """What was made of one video."""

    video: str
    frames: int
    faces: int
    fps: float
    damaged: int
    sound: bool


def name_of(path: Path, person: str) -> str:
    """The id a video gets: its stem, and whom of two was followed, as the data set names them.

    Readers know no other ending that belongs to the same recording, so tracks have none.

    >>> name_of(Path("video49.mp4"), "left"), name_of(Path("video49.mp4"), "largest")
    ('video49_left', 'video49')
    """
    return f"{path.stem}_{person}" if person in ("left", "right") else path.stem


def key_of(path: Path, settings: Settings, detector: Detector) -> str:
    """What a finished video is known by: the file's name, size and time, the settings, the detector's weights."""
    stat = path.stat()
    parts = [path.name, stat.st_size, stat.st_mtime_ns, asdict(settings), detector.name, detector.weights_sha256]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def finished(path: Path, out: Path, settings: Settings, detector: Detector) -> Prepared | None:
    """What an earlier call made of this very file in this very way; None where it must be done."""
    told = _told(out, name_of(path, settings.person))
    if told is None or told["key"] != key_of(path, settings, detector):
        return None
    return Prepared(**told["video"])


def changed(path: Path, out: Path, settings: Settings) -> bool:
    """Whether what a data set holds of a video is of another file, or of this file as it was."""
    told = _told(out, name_of(path, settings.person))
    return told is not None and any(told.get(part) != value for part, value in _version(path).items())


def person_there(path: Path, out: Path, settings: Settings) -> str:
    """Whom a data set follows in a video; who is asked for where it holds nothing of it."""
    told = _told(out, name_of(path, settings.person))
    return settings.person if told is None else str(told["settings"]["person"])


def why(error: Exception) -> str:
    """What is told of a file that failed, in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, HarnessError) else f"{type(error).__name__}: {text}"


def _told(out: Path, name: str) -> dict[str, Any] | None:
    summary = out / SUMMARY.format(name)
    return json.loads(summary.read_text()) if summary.is_file() else None


def _version(path: Path) -> dict[str, str | int]:
    stat = path.stat()
    return {"source": path.name, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def _clear(path: Path, out: Path, name: str) -> None:
    """Remove what is there of a video; its summary last, so that an interrupted call goes on."""
    told = _told(out, name)
    if told is None:
        return
    layout = LAYOUTS[told["settings"]["layout"]]
    if (out / layout.crops / name).exists():
        shutil.rmtree(out / layout.crops / name)
    (out / layout.audio / f"{name}.wav").unlink(missing_ok=True)
    (out / TABLE.format(name)).unlink(missing_ok=True)
    raw = out / layout.raw / told["source"]
    if raw.is_symlink() and not raw.parent.samefile(path.parent):  # there, it is somebody's own
        raw.unlink()
    (out / SUMMARY.format(name)).unlink()


def prepare_video(path: Path, out: Path, settings: Settings, detector: Detector, device: str = "cpu") -> Prepared:
    """Crops, sound and face table of one video; its summary is written last, so that what has a valid one is whole.

    What there is of another version of the file is removed first; of the very same file, done in another way, it stays
    until the new is whole. MissingData where no frame shows a face; UserError where the file is no video.
    """
    from harness.store import write_whole

    layout, name = LAYOUTS[settings.layout], name_of(path, settings.person)
    if changed(path, out, settings):
        _clear(path, out, name)
    version, key = _version(path), key_of(path, settings, detector)  # as it is now, before it is read
    file = VideoFile(path)
    times, found = detected(file, detector, silent)
    if not times:
        raise UserError(f"{path}: not one frame can be decoded")
    followed = follow(found, settings.person)
    if not any(followed):
        raise faceless(path, detector, len(times))
    building = out / layout.crops / f".{name}.building"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for number, image in crops(file, followed, settings, detector, device):
        write_jpeg(building / layout.image.format(number + 1), image, settings.quality)
    sound = file.audio(RATE)
    faces = sum(face is not None for face in followed)
    made = Prepared(name, len(times), faces, round(mean_rate(times, file.rate), 6), file.damaged, sound is not None)
    told = {
        "key": key,
        **version,
        "settings": asdict(settings),
        "detector": {"name": detector.name, "weights_sha256": detector.weights_sha256},
        "video": asdict(made),
    }
    write_whole(out / SUMMARY.format(name), _json({**told, "key": "not yet whole"}))
    shutil.rmtree(out / layout.crops / name, ignore_errors=True)
    building.rename(out / layout.crops / name)
    if sound is not None:
        write_whole(out / layout.audio / f"{name}.wav", wav(sound, len(times) / mean_rate(times, file.rate)))
    write_whole(out / TABLE.format(name), face_table(name, times, found, followed).encode())
    write_whole(out / SUMMARY.format(name), _json(told))
    return made


def _json(told: Mapping[str, Any]) -> bytes:
    return (json.dumps(told, indent=1) + "\n").encode()


def crops(
    file: VideoFile, followed: Sequence[Face | None], settings: Settings, detector: Detector, device: str
) -> Iterator[tuple[int, Image]]:
    """(frame from 0, crop) of every frame with a face; decoded once more, for frames are too big to keep."""
    margin = float(getattr(detector, "crop_margin", settings.margin))
    frames = (frame for frame in file if frame.number < len(followed) and followed[frame.number] is not None)
    if settings.cropper == "roi_align" and not settings.align:
        while batch := list(islice(frames, BATCH)):
            yield from _together(batch, followed, settings.size, margin, device)
        return
    for frame in frames:
        face = followed[frame.number]
        assert face is not None
        if settings.align:
            from harness.align import aligned

            if face.points_52 is None:
                raise UserError(f"--align needs five landmarks, which the detector {detector.name!r} does not give")
            yield frame.number, aligned(frame.image, face.points_52, settings.size, margin)
        else:
            yield frame.number, crop_square(frame.image, face.box, margin, settings.size)


def _together(
    batch: Sequence[Frame], followed: Sequence[Face | None], size: int, margin: float, device: str
) -> Iterator[tuple[int, Image]]:
    import torch

    from harness.crops import crop_squares

    frames_BCHW = torch.from_numpy(np.stack([frame.image for frame in batch])).permute(0, 3, 1, 2).to(device)
    boxes = [face.box for frame in batch if (face := followed[frame.number]) is not None]
    crops_BHWC = crop_squares(frames_BCHW, boxes, size, margin).permute(0, 2, 3, 1).cpu().numpy()
    yield from zip((frame.number for frame in batch), crops_BHWC, strict=True)


def face_table(
    name: str, times: Sequence[float], found: Sequence[Sequence[Face]], followed: Sequence[Face | None]
) -> str:
    """CSV with a row for every face found: video, frame from 1, seconds, whether it is the person followed (1 or 0),
    box and landmarks in pixels (empty where the detector gives none), score.
    """
    lines = [",".join(COLUMNS)]
    for number, (time, faces, own) in enumerate(zip(times, found, followed, strict=True), start=1):
        for face in faces:
            points = [] if face.points_52 is None else np.asarray(face.points_52, float).ravel().tolist()
            box = (face.box.x0, face.box.y0, face.box.x1, face.box.y1)
            cells = [f"{value:.2f}" for value in box] + [f"{face.score:.4f}"]
            cells += [f"{value:.2f}" for value in points] or [""] * 2 * len(POINTS)
            lines.append(",".join([name, str(number), f"{time:.4f}", str(int(face is own)), *cells]))
    return "\n".join(lines) + "\n"


def write_jpeg(path: Path, image: Image, quality: int) -> None:
    """One crop; its folder is renamed when it is whole, so the file itself need not be."""
    from PIL import Image as Pillow

    Pillow.fromarray(image).save(path, format="jpeg", quality=quality, subsampling=0)


def wav(sound: Audio, seconds: float) -> bytes:
    """16-bit PCM whose first sample sounds with the first frame and whose last with the last.

    Sound that starts late is preceded by silence and sound that starts early is cut, so that time alone aligns it.
    """
    import soundfile

    total = max(1, round(seconds * sound.rate))
    laid_S = np.zeros(total, np.float32)
    start = round(sound.start * sound.rate)
    heard_S = sound.samples_S[max(0, -start) :][: max(0, total - max(0, start))]
    laid_S[max(0, start) : max(0, start) + len(heard_S)] = heard_S
    buffer = io.BytesIO()
    soundfile.write(buffer, laid_S, sound.rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
