"""Aff-Wild2 as participants have it on disk, with the quirks of the real files:

    6th_ABAW_Annotations/{VA_Estimation,EXPR_Recognition,AU_Detection}_Challenge/{Train,Validation}_Set/<track>.txt
    names_of_videos_in_each_test_set/{VA,EXPR,AU}_test_set_release.txt
    batch1/ batch2/ new_vids/                    raw .mp4 and .avi, and face_boxes.csv (ours; an optional extra)
    cropped_aligned/cropped_aligned/<track>/%05d.jpg    and  cropped_aligned/cropped_aligned_new_50_vids/<track>/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abaw6.demo import dynamics, film, prototypes, voice, world

NAME = "aff-wild2"
ANNOTATIONS = "6th_ABAW_Annotations"
FOLDERS = {"VA": "VA_Estimation_Challenge", "EXPR": "EXPR_Recognition_Challenge", "AU": "AU_Detection_Challenge"}
SIDE_FOLDERS = {"train": "Train_Set", "valid": "Validation_Set"}
CROPS = ("cropped_aligned", "cropped_aligned_new_50_vids")
HEADERS = {"VA": "valence,arousal", "EXPR": ",".join(prototypes.EXPRESSIONS), "AU": ",".join(prototypes.AUS)}

Array = NDArray[np.float64]

# What the voice alone knows of the affect: a person's mood, which the face does not show.
_FACE_SHARE = {"valence": 0.75, "arousal": 0.6}
_MOOD_SHARE = {"valence": 0.36, "arousal": 0.55}


@dataclass(frozen=True, eq=False)
class Mood:
    """Valence and arousal of a recording beyond the face: mostly constant, slowly changing; heard, never seen."""

    valence_P: Array
    arousal_P: Array

    @classmethod
    def random(cls, rng: np.random.Generator, duration: float) -> Mood:
        t_P = np.arange(int(duration * voice.PROSODY_RATE) + 2) / voice.PROSODY_RATE
        level = rng.uniform(-0.9, 0.9, 2)
        curves = [np.clip(m + 0.35 * dynamics.drift(rng, t_P, 6.0), -1.0, 1.0) for m in level]
        return cls(*curves)

    def at(self, t_F: Array) -> tuple[Array, Array]:
        return np.interp(t_F, self._t_P, self.valence_P), np.interp(t_F, self._t_P, self.arousal_P)

    def told(self, t_F: Array, au_F12: Array) -> voice.Prosody:
        """How the voice sounds: mostly the mood, a little of what the face shows."""
        face = [np.interp(self._t_P, t_F, curve_F) for curve_F in dynamics.suggested(t_F, au_F12)]
        valence_P = np.clip(self.valence_P + 0.3 * face[0], -1.0, 1.0)
        return voice.Prosody(np.clip(self.arousal_P + 0.3 * face[1], -1.0, 1.0), valence_P)

    @property
    def _t_P(self) -> Array:
        return np.arange(len(self.valence_P)) / voice.PROSODY_RATE


def make_folders(root: Path) -> None:
    """Every folder that recordings write into, and stray files as other systems leave them."""
    for folder in FOLDERS.values():
        for side in SIDE_FOLDERS.values():
            (root / ANNOTATIONS / folder / side).mkdir(parents=True)
    for folder in ("batch1", "batch2", "new_vids", "names_of_videos_in_each_test_set", *(f"{CROPS[0]}/{c}" for c in CROPS)):
        (root / folder).mkdir(parents=True)
    for stray in (f"{CROPS[0]}/{CROPS[0]}/.DS_Store", "batch1/.DS_Store", f"{ANNOTATIONS}/.DS_Store"):
        (root / stray).write_bytes(b"\0\0\0\1Bud1")
    (root / CROPS[0] / CROPS[1] / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")


def write_recording(root: Path, seed: int, recording: world.Recording) -> list[film.BoxRow]:
    """Raw video, crops and label files of one recording; the face boxes come back for their table."""
    from abaw6.demo.person import random_person
    from abaw6.demo.scene import random_setting

    def rng(purpose: str) -> np.random.Generator:
        return world.stream(seed, NAME, recording.number, purpose)

    t_F = film.frame_times(rng("clock"), recording.fps, recording.frames, recording.variable)
    duration = float(t_F[-1] + 1 / recording.fps)
    mood = Mood.random(rng("mood"), duration)
    spoken = voice.syllables(rng("words"), voice.Prosody(mood.arousal_P, mood.valence_P), duration)
    setting = random_setting(rng("scene"), recording.scene)

    actors = []
    for place, track in enumerate(recording.tracks):
        act = rng(f"act{place}")
        segments = dynamics.arrange(act, duration, recording.wanted)
        speaks = place == recording.number % len(recording.tracks)
        mouth_F = voice.mouth(t_F, spoken) if speaks else np.zeros(len(t_F))
        style = dynamics.Style.random(act)
        au_F12 = dynamics.face(act, t_F, segments, style, mouth_F)
        seen_F = dynamics.absences(act, len(t_F), 0.02)
        centre_x = (0.5,) if len(recording.tracks) == 1 else (0.29, 0.71)
        scale = act.uniform(0.46, 0.62) * (1.0 if len(recording.tracks) == 1 else 0.8)
        centre = (centre_x[place] + act.uniform(-0.04, 0.04), 0.5 + act.uniform(-0.04, 0.04))
        actors.append(film.Actor(random_person(rng(f"person{place}")), au_F12, seen_F, centre, scale))
        if recording.side != "test":
            _write_labels(root, rng(f"annotator{place}"), recording, track, t_F, au_F12, segments, mood)

    prosody = mood.told(t_F, actors[recording.number % len(actors)].au_F12)
    sound_S = voice.speak(rng("voice"), voice.Speaker.random(rng("speaker")), spoken, prosody, duration)
    sound_S = sound_S + voice.room(rng("room"), duration, recording.number)[: len(sound_S)]
    return shoot(root, rng("camera"), recording, setting, actors, t_F, sound_S, CROPS)


def shoot(
    root: Path,
    rng: np.random.Generator,
    recording: world.Recording,
    setting: object,
    actors: list[film.Actor],
    t_F: Array,
    sound_S: NDArray[np.float32],
    crops: tuple[str, ...],
) -> list[film.BoxRow]:
    """The raw video with sound, and the crops of every frame in which the face is found, numbered from 1."""
    folders = []
    for track in recording.tracks:
        folder = root / crops[0] / (crops[1] if recording.new_crops else crops[0]) / track if len(crops) > 1 else root / crops[0] / track
        folder.mkdir()
        folders.append(folder)
    rows: list[film.BoxRow] = []

    def frames():  # type: ignore[no-untyped-def]
        for i, (frame, boxes) in enumerate(film.play(rng, setting, actors, t_F)):  # type: ignore[arg-type]
            for actor, folder, box in zip(actors, folders, boxes, strict=True):
                rows.append(film.BoxRow(recording.name, i + 1, box))
                if actor.seen_F[i]:
                    film.save_crop(frame, box, folder / f"{i + 1:05d}.jpg")
            yield frame

    film.save_video(root / recording.folder / f"{recording.name}{recording.suffix}", frames(), t_F, recording.fps, sound_S)
    return rows


def _write_labels(
    root: Path,
    rng: np.random.Generator,
    recording: world.Recording,
    track: str,
    t_F: Array,
    au_F12: Array,
    segments: tuple[dynamics.Segment, ...],
    mood: Mood,
) -> None:
    rows = {
        "VA": _va_rows(rng, t_F, au_F12, mood),
        "EXPR": _expr_rows(rng, t_F, segments),
        "AU": _au_rows(rng, t_F, au_F12, recording.partly_invalid),
    }
    for kind, lines in rows.items():
        sides = ("train", "valid") if kind == "EXPR" and recording.both_sides else (recording.side,)
        for side in sides:
            path = root / ANNOTATIONS / FOLDERS[kind] / SIDE_FOLDERS[side] / f"{track}.txt"
            save_lines(path, [HEADERS[kind], *fit_rows(lines, recording.extra_rows)], crlf=recording.crlf)


def fit_rows(lines: list[str], extra: int) -> list[str]:
    """The label rows with `extra` more (the last one repeated) or fewer, as label files and decoders disagree."""
    return lines[:extra] if extra < 0 else lines + lines[-1:] * extra


def save_lines(path: Path, lines: list[str], *, crlf: bool) -> None:
    end = "\r\n" if crlf else "\n"
    path.write_bytes((end.join(lines) + end).encode())


def _va_rows(rng: np.random.Generator, t_F: Array, au_F12: Array, mood: Mood) -> list[str]:
    face = dict(zip(("valence", "arousal"), dynamics.suggested(t_F, au_F12), strict=True))
    heard = dict(zip(("valence", "arousal"), mood.at(t_F), strict=True))
    lag = rng.uniform(0.05, 0.2)
    value = {}
    for name, offset in (("valence", 0.03), ("arousal", 0.05)):
        felt_F = offset + _FACE_SHARE[name] * face[name] + _MOOD_SHARE[name] * heard[name]
        felt_F = dynamics.delayed(t_F, felt_F, lag) + 0.03 * dynamics.drift(rng, t_F, 2.0)
        value[name] = np.clip(felt_F, -1.0, 1.0)
    invalid_F = ~dynamics.absences(rng, len(t_F), 0.01)
    return [
        "-5,-5" if invalid_F[i] else f"{value['valence'][i]:.3f},{value['arousal'][i]:.3f}" for i in range(len(t_F))
    ]


def _expr_rows(rng: np.random.Generator, t_F: Array, segments: tuple[dynamics.Segment, ...]) -> list[str]:
    names = dynamics.expression_labels(t_F, segments, rng.uniform(0.0, 0.12), rest="Neutral")
    invalid_F = ~dynamics.absences(rng, len(t_F), 0.02)
    return ["-1" if invalid_F[i] else str(prototypes.EXPRESSIONS.index(str(name))) for i, name in enumerate(names)]


def _au_rows(rng: np.random.Generator, t_F: Array, au_F12: Array, partly_invalid: bool) -> list[str]:
    lag = rng.uniform(0.0, 0.08)
    seen_F12 = np.stack([dynamics.delayed(t_F, dynamics.smooth(t_F, au_F12[:, k], 0.06), lag) for k in range(12)], axis=1)
    label_F12 = (seen_F12 > rng.uniform(0.36, 0.46, 12)).astype(int)
    label_F12[~dynamics.absences(rng, len(t_F), 0.01)] = -1
    if partly_invalid:
        for unit in rng.permutation(12)[:2]:
            label_F12[~dynamics.absences(rng, len(t_F), 0.05), unit] = -1
    return [",".join(map(str, row)) for row in label_F12]


def finish(root: Path, plan: tuple[world.Recording, ...], rows: list[film.BoxRow]) -> None:
    """Tables over all recordings: face boxes per raw folder, test ids per task."""
    save_box_tables(root, plan, rows)
    tests = [track for recording in plan if recording.side == "test" for track in recording.tracks]
    for kind in FOLDERS:
        save_lines(root / "names_of_videos_in_each_test_set" / f"{kind}_test_set_release.txt", tests, crlf=False)


def save_box_tables(root: Path, plan: tuple[world.Recording, ...], rows: list[film.BoxRow]) -> None:
    folder_of = {recording.name: recording.folder for recording in plan}
    for folder in sorted(set(folder_of.values())):
        film.save_boxes(root / folder / "face_boxes.csv", [row for row in rows if folder_of[row.video] == folder])
