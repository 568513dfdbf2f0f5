"""C-EXPR-DB with labelled videos of one's own, in the Aff-Wild2 layout (the official release has test videos alone):

CE_Recognition_Challenge/{Train,Validation}_Set/<video>.txt     header of seven names, one integer a row
names_of_videos_in_each_test_set/CE_test_set_release.txt
videos/<video>.mp4  test_videos/01.mp4 ...                      each with face_boxes.csv (ours; an optional extra)
cropped_aligned/<video>/%05d.jpg                                flat: no sub-folders
"""

from __future__ import annotations

from pathlib import Path

from abaw6.demo import acting, affwild2_files, dynamics, film, prototypes, world

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
    scene = script(seed, recording)
    if recording.side != "test":
        path = root / LABELS / affwild2_files.SIDE_FOLDERS[recording.side] / f"{recording.name}.txt"
        lines = [",".join(prototypes.COMPOUNDS), *label_lines(seed, recording, scene)]
        affwild2_files.save_lines(path, lines, crlf=recording.crlf)
    return affwild2_files.shoot(root, seed, NAME, recording, scene, "cropped_aligned")


def script(seed: int, recording: world.Recording) -> acting.Script:
    """What happens in the recording: fewer stray movements than in Aff-Wild2, since expressions are posed."""
    return acting.script(seed, NAME, recording, calm=0.6)


def label_lines(seed: int, recording: world.Recording, scene: acting.Script) -> list[str]:
    """One integer per frame; -1 in pauses, between expressions, and where the annotator gave up."""
    rng = world.stream(seed, NAME, recording.number, "annotator")
    names = dynamics.expression_labels(scene.t_F, scene.acts[0].segments, rng.uniform(0.0, 0.1), rest=None)
    valid_F = dynamics.absences(rng, len(scene.t_F), 0.01)
    rows = [
        str(prototypes.COMPOUNDS.index(name)) if ok and name in prototypes.COMPOUNDS else "-1"
        for ok, name in zip(valid_F, names, strict=True)
    ]
    return affwild2_files.fit_rows(rows, recording.extra_rows)


def finish(root: Path, plan: tuple[world.Recording, ...], rows: list[film.BoxRow]) -> None:
    """Face boxes per raw folder, and the names of the test videos."""
    affwild2_files.save_box_tables(root, plan, rows)
    tests = [recording.name for recording in plan if recording.side == "test"]
    path = root / "names_of_videos_in_each_test_set" / "CE_test_set_release.txt"
    affwild2_files.save_lines(path, tests, crlf=False)
