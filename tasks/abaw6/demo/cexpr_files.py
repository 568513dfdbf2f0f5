"""C-EXPR-DB with labelled videos of one's own, in the Aff-Wild2 layout (the official release has test videos alone):

    CE_Recognition_Challenge/{Train,Validation}_Set/<video>.txt     header of seven names, one integer a row
    names_of_videos_in_each_test_set/CE_test_set_release.txt
    videos/<video>.mp4  test_videos/01.mp4 ...                      each with face_boxes.csv (ours; an optional extra)
    cropped_aligned/<video>/%05d.jpg                                flat: no sub-folders
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from abaw6.demo import affwild2_files, dynamics, film, prototypes, voice, world

NAME = "c-expr"
LABELS = "CE_Recognition_Challenge"


def make_folders(root: Path) -> None:
    """Every folder that recordings write into, and a stray file."""
    for side in affwild2_files.SIDE_FOLDERS.values():
        (root / LABELS / side).mkdir(parents=True)
    for folder in ("videos", "test_videos", "names_of_videos_in_each_test_set", "cropped_aligned"):
        (root / folder).mkdir()
    (root / LABELS / "Train_Set" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")


def write_recording(root: Path, seed: int, recording: world.Recording) -> list[film.BoxRow]:
    """Raw video, crops and the label file of one recording; the face boxes come back for their table."""
    from abaw6.demo.person import random_person
    from abaw6.demo.scene import random_setting

    def rng(purpose: str) -> np.random.Generator:
        return world.stream(seed, NAME, recording.number, purpose)

    t_F = film.frame_times(rng("clock"), recording.fps, recording.frames, recording.variable)
    duration = float(t_F[-1] + 1 / recording.fps)
    mood = affwild2_files.Mood.random(rng("mood"), duration)
    spoken = voice.syllables(rng("words"), voice.Prosody(mood.arousal_P, mood.valence_P), duration)

    act = rng("act")
    segments = dynamics.arrange(act, duration, recording.wanted)
    au_F12 = dynamics.face(act, t_F, segments, dynamics.Style.random(act), voice.mouth(t_F, spoken), calm=0.6)
    centre = (0.5 + act.uniform(-0.08, 0.08), 0.5 + act.uniform(-0.04, 0.04))
    seen_F = dynamics.absences(act, len(t_F), 0.02)
    actor = film.Actor(random_person(rng("person")), au_F12, seen_F, centre, act.uniform(0.46, 0.62))
    prosody = mood.told(t_F, au_F12)
    sound_S = voice.speak(rng("voice"), voice.Speaker.random(rng("speaker")), spoken, prosody, duration)
    sound_S = sound_S + voice.room(rng("room"), duration, recording.number)[: len(sound_S)]

    if recording.side != "test":
        lines = _rows(rng("annotator"), t_F, segments)
        path = root / LABELS / affwild2_files.SIDE_FOLDERS[recording.side] / f"{recording.name}.txt"
        lines = [",".join(prototypes.COMPOUNDS), *affwild2_files.fit_rows(lines, recording.extra_rows)]
        affwild2_files.save_lines(path, lines, crlf=recording.crlf)
    setting = random_setting(rng("scene"), recording.scene)
    return affwild2_files.shoot(root, rng("camera"), recording, setting, [actor], t_F, sound_S, ("cropped_aligned",))


def _rows(rng: np.random.Generator, t_F: dynamics.Array, segments: tuple[dynamics.Segment, ...]) -> list[str]:
    """One integer per frame; -1 in pauses, between expressions, and where the annotator gave up."""
    names = dynamics.expression_labels(t_F, segments, rng.uniform(0.0, 0.1), rest=None)
    invalid_F = ~dynamics.absences(rng, len(t_F), 0.01)
    return [
        "-1" if invalid_F[i] or name not in prototypes.COMPOUNDS else str(prototypes.COMPOUNDS.index(name))
        for i, name in enumerate(names)
    ]


def finish(root: Path, plan: tuple[world.Recording, ...], rows: list[film.BoxRow]) -> None:
    """Face boxes per raw folder, and the names of the test videos."""
    affwild2_files.save_box_tables(root, plan, rows)
    tests = [recording.name for recording in plan if recording.side == "test"]
    path = root / "names_of_videos_in_each_test_set" / "CE_test_set_release.txt"
    affwild2_files.save_lines(path, tests, crlf=False)
