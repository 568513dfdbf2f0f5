"""Hume-Vidmimic2 as participants have it on disk:

train_split.csv valid_split.csv    Filename and six intensities; test_split.csv    Filename alone
raw/%05d.mp4  audio/%05d.mp3       some clips without sound, some sound that does not decode
face_images/%05d/<int>.jpg         numbered from 1 without zero padding; a few clips have none
transcripts.csv                    Filename,text; and raw/face_boxes.csv (ours; an optional extra)
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from abaw6.demo import dynamics, film, mimicry, prototypes, voice, words, world

NAME = "hume-vidmimic2"


def make_folders(root: Path) -> None:
    """The three media folders, with a stray file."""
    for folder in ("raw", "audio", "face_images"):
        (root / folder).mkdir()
    (root / "face_images" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")


def write_clip(root: Path, seed: int, clip: mimicry.Clip) -> list[film.BoxRow]:
    """Raw video, sound and face images of one clip; the face boxes come back for their table."""
    from abaw6.demo.person import random_person
    from abaw6.demo.scene import random_setting

    def rng(purpose: str) -> np.random.Generator:
        return world.stream(seed, NAME, clip.number, purpose)

    t_F = world.frame_times(rng("clock"), Fraction(clip.fps), clip.frames, False)
    duration = float(t_F[-1]) + 1 / clip.fps
    prosody = mimicry.prosody(rng("prosody"), clip)
    spoken = voice.syllables(rng("words"), prosody, duration)
    sound_S = voice.speak(rng("voice"), voice.Speaker.random(rng("speaker")), spoken, prosody, duration)
    sound_S = sound_S + voice.room(rng("room"), duration, clip.number)[: len(sound_S)]

    act = rng("act")
    au_F12 = _face(act, t_F, clip, voice.mouth(t_F, spoken))
    seen_F = dynamics.absences(act, len(t_F), 0.02)
    centre = (0.5 + act.uniform(-0.06, 0.06), 0.5 + act.uniform(-0.04, 0.04))
    actor = film.Actor(random_person(rng("person")), au_F12, seen_F, centre, act.uniform(0.5, 0.66))
    setting = random_setting(rng("scene"), clip.scene)

    folder = root / "face_images" / clip.name
    if clip.has_faces:
        folder.mkdir()
    rows: list[film.BoxRow] = []
    frames = []
    for i, (frame, boxes) in enumerate(film.play(rng("camera"), setting, [actor], t_F)):
        frames.append(frame)
        rows.append(film.BoxRow(clip.name, i + 1, boxes[0]))
        if clip.has_faces and seen_F[i]:
            film.save_crop(frame, boxes[0], folder / f"{i + 1}.jpg")
    heard_S = sound_S if clip.sound == "fine" else None
    film.save_video(root / "raw" / f"{clip.name}.mp4", frames, t_F, Fraction(clip.fps), heard_S)
    path = root / "audio" / f"{clip.name}.mp3"
    if clip.sound == "fine":
        film.save_sound(path, sound_S)
    elif clip.sound == "broken":
        path.write_bytes(rng("broken").bytes(2000))
    return rows


def _face(rng: np.random.Generator, t_F: dynamics.Array, clip: mimicry.Clip, mouth_F: dynamics.Array) -> dynamics.Array:
    """The part of the emotions that the face shows, held through most of the clip, in this person's style."""
    shown_12 = np.zeros(12)
    for name, part in clip.channel("face").items():
        shown_12 = np.maximum(shown_12, part * prototypes.emotion(name))
    start, end = rng.uniform(-0.3, 0.25), clip.seconds + rng.uniform(-0.4, 0.4)
    envelope_F = dynamics.Segment("", start, end).envelope(t_F) * (1 + 0.12 * dynamics.drift(rng, t_F, 1.5))
    style = dynamics.Style.random(rng)
    rest_F12 = dynamics.face(rng, t_F, (), style, 0.8 * mouth_F, calm=0.35)
    return np.clip(np.maximum(rest_F12, envelope_F[:, None] * shown_12 * style.gain_12), 0.0, 1.0)


def finish(root: Path, clips: Sequence[mimicry.Clip], rows: list[film.BoxRow], seed: int) -> None:
    """The three splits, the transcripts and the face boxes."""
    for side in ("train", "valid", "test"):
        _table(
            root / f"{side}_split.csv",
            ("Filename", *(prototypes.EMOTIONS if side != "test" else ())),
            [(c.name, *(mimicry.labels(seed, c) if side != "test" else ())) for c in clips if c.side == side],
        )
    texts = [
        (c.name, words.sentence(world.stream(seed, NAME, c.number, "text"), c.channel("words")))
        for c in clips
        if c.has_text
    ]
    _table(root / "transcripts.csv", ("Filename", "text"), texts)
    film.save_boxes(root / "raw" / "face_boxes.csv", rows)


def _table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)
