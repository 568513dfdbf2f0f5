"""Puts a plan on disk: frames through the drawn scene into a raw video, face crops into JPEG, sound into its track."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from abaw6.demo import dynamics, voice, world
from harness.types import Box, Image

if TYPE_CHECKING:
    from abaw6.demo.person import Person
    from abaw6.demo.scene import Setting

WIDTH, HEIGHT, CROP = 256, 192, 112
JPEG_QUALITY = 92


@dataclass(frozen=True, eq=False)
class Actor:
    """One person in front of the camera: what the face does, and where frames without a found face are."""

    person: Person
    au_F12: NDArray[np.float64]
    seen_F: NDArray[np.bool_]
    centre: tuple[float, float]
    scale: float


def play(
    rng: np.random.Generator, setting: Setting, actors: Sequence[Actor], t_F: NDArray[np.float64]
) -> Iterator[tuple[Image, list[Box]]]:
    """Every frame with one face box per actor; heads turn far away where a face is not to be found."""
    from abaw6.demo.face import Pose
    from abaw6.demo.scene import compose

    moves = [_moves(rng, actor, t_F) for actor in actors]
    for i, t in enumerate(t_F):
        cast = []
        for actor, (pose_F6, sway_F2) in zip(actors, moves, strict=True):
            centre = (actor.centre[0] + sway_F2[i, 0], actor.centre[1] + sway_F2[i, 1])
            cast.append((actor.person, actor.au_F12[i], Pose(*map(float, pose_F6[i])), centre, actor.scale))
        yield compose(setting, cast, float(t), rng, WIDTH, HEIGHT)


def _moves(
    rng: np.random.Generator, actor: Actor, t_F: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    def wander(size: float, seconds: float) -> NDArray[np.float64]:
        return size * dynamics.drift(rng, t_F, seconds)

    yaw_F = rng.normal(0.0, 6.0) + wander(6.0, 2.5)
    away_F = dynamics.smooth(t_F, (~actor.seen_F).astype(float), 0.08)
    yaw_F = np.clip(yaw_F, -24, 24) + 45.0 * away_F * (1 if rng.random() < 0.5 else -1)
    pose_F6 = np.stack(
        [
            yaw_F,
            np.clip(rng.normal(0.0, 3.0) + wander(3.0, 2.0), -12, 12),
            np.clip(rng.normal(0.0, 2.0) + wander(2.5, 2.0), -10, 10),
            np.clip(dynamics.blinks(rng, t_F), 0, 1),
            np.clip(wander(0.35, 1.0), -1, 1),
            np.clip(wander(0.25, 1.0), -1, 1),
        ],
        axis=1,
    )
    return pose_F6, np.stack([wander(0.012, 3.0), wander(0.010, 2.5)], axis=1)


def save_crop(frame: Image, box: Box, path: Path) -> None:
    """The face of this box as a JPEG of 112 x 112 pixels."""
    from abaw6.demo.scene import crop

    save_jpeg(crop(frame, box, CROP), path)


def save_jpeg(image: Image, path: Path) -> None:
    from PIL import Image as Pillow

    Pillow.fromarray(image).save(path, "JPEG", quality=JPEG_QUALITY)


def save_video(
    path: Path, frames: Iterable[Image], t_F: NDArray[np.float64], fps: Fraction, sound_S: NDArray[np.float32] | None
) -> None:
    """MP4 (H.264 + AAC) with the time stamps t_F, or AVI (MPEG-4 + PCM) at the constant `fps`.

    One thread, so that the bytes do not depend on the machine's load; no MP3 in AVI, since its encoder delay would
    shift the first frame.
    """
    import av

    avi = path.suffix == ".avi"
    clock = fps if avi else Fraction(world.CLOCK)
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4" if avi else "libx264", rate=fps)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        picture.thread_count = 1
        picture.codec_context.time_base = 1 / clock
        if avi:
            picture.bit_rate = 900_000
        else:
            picture.options = {"preset": "ultrafast", "crf": "24", "threads": "1"}
        voice_track = None
        if sound_S is not None:
            voice_track = container.add_stream("pcm_s16le" if avi else "aac", rate=voice.RATE, layout="mono")
            if not avi:
                voice_track.bit_rate = 48_000
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = i if avi else round(float(t_F[i]) * world.CLOCK)
            frame.time_base = 1 / clock
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if voice_track is not None and sound_S is not None:
            _mux_sound(container, voice_track, sound_S)


def save_sound(path: Path, sound_S: NDArray[np.float32]) -> None:
    """Mono MP3 at 16 kHz."""
    import av

    with av.open(str(path), "w", format="mp3") as container:
        track = container.add_stream("libmp3lame", rate=voice.RATE, layout="mono")
        track.bit_rate = 48_000
        _mux_sound(container, track, sound_S)


def _mux_sound(container: object, track: object, sound_S: NDArray[np.float32]) -> None:
    import av

    block = 1152 * 64
    for first in range(0, len(sound_S), block):
        frame = av.AudioFrame.from_ndarray(sound_S[None, first : first + block], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = voice.RATE, first, Fraction(1, voice.RATE)
        container.mux(track.encode(frame))  # type: ignore[attr-defined]
    container.mux(track.encode(None))  # type: ignore[attr-defined]


@dataclass(frozen=True)
class BoxRow:
    """One face in one raw frame: the video's file name without suffix, the 1-based frame, the box in pixels."""

    video: str
    frame: int
    box: Box


def save_boxes(path: Path, rows: Sequence[BoxRow]) -> None:
    """`face_boxes.csv`: `video,frame,x0,y0,x1,y1`, one row per face, so several rows for a frame with several."""
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("video", "frame", "x0", "y0", "x1", "y1"))
        for row in rows:
            corners = (row.box.x0, row.box.y0, row.box.x1, row.box.y1)
            table.writerow((row.video, row.frame, *(f"{v:.1f}" for v in corners)))
