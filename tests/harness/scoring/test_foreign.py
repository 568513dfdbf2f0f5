"""Every format from a file written by hand in the columns that its tool documents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from abaw6.specs import AU, EXPR, TASKS, VA
from harness.scoring.foreign import FORMATS
from harness.scoring.predicted import Predictions, Reading
from harness.types import TaskSpec

OPENFACE_AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
PYFEAT_AUS = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


def openface(path: Path) -> Path:
    """Three frames of FeatureExtraction, the last without a face; old versions put a blank after each comma."""
    head = ["frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x", "pose_Tx", "x_0", "X_0"]
    head += [f"AU{n:02d}_r" for n in OPENFACE_AUS] + [f"AU{n:02d}_c" for n in (*OPENFACE_AUS[:-1], 28, 45)]
    rows = []
    for frame, success, present in ((1, 1, {1, 12}), (2, 1, {26}), (3, 0, set())):
        cells = [frame, 0, 0.033 * (frame - 1), 0.98 * success, success, 0.1, 2.5, 311.4, 12.0]
        cells += [3.21 if n in present else 0.0 for n in OPENFACE_AUS]
        rows.append([*cells, *(float(n in present) for n in (*OPENFACE_AUS[:-1], 28, 45))])
    return table(path, head, rows, ", ")


def pyfeat(path: Path, *, images: bool = False) -> Path:
    """Two frames of a Fex table, counted from 0, the second without a face."""
    head = ["FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore", "x_0", "y_0", "Pitch"]
    head += [*(f"AU{n:02d}" for n in PYFEAT_AUS), *EMOTIONS, "input", "frame", "approx_time"]
    rows = []
    for frame in (0, 1):
        values = ["0.75"] * len(PYFEAT_AUS) + ["0.1", "0.1", "0.1", "0.7", "0", "0", "0"]
        values = [""] * len(values) if frame else values
        source = f"crops/v1/{frame + 8:05d}.jpg" if images else "videos/v1.mp4"
        rows.append([*["1"] * 8, *values, source, frame, "00:00"])
    return table(path, head, rows)


def libreface(path: Path) -> Path:
    """Two frames of save_facial_attributes_video, counted from 0."""
    detected, rated = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24), (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
    head = ["frame_idx", "frame_time_in_ms", "pitch", "yaw", "roll", "lm_mp_0_x"]
    head += [*(f"au_{n}" for n in detected), *(f"au_{n}_intensity" for n in rated), "facial_expression"]
    rows = [
        [0, 0.0, *[0.5] * 4, *(int(n == 4) for n in detected), *[2.5] * 12, "Sadness"],
        [1, 33.3, *[0.5] * 4, *(int(n == 24) for n in detected), *[0.1] * 12, "Contempt"],
    ]
    return table(path, head, rows)


def emotiefflib(path: Path) -> Path:
    """A column per class of predict_emotions, as logits, then valence and arousal of a multi-task model."""
    head = ["video", "frame", "Anger", "Contempt", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise"]
    rows = [
        ["v1", 1, -1.5, 4.0, 0.2, -2.0, 3.1, 0.4, -0.3, 0.0, 0.35, -0.1],
        ["v1", 2, 2.5, -4.0, 0.2, -2.0, 1.1, 0.4, -0.3, 0.0, -0.5, 0.6],
    ]
    return table(path, [*head, "Valence", "Arousal"], rows)


def table(path: Path, head: list[str], rows: list[list[object]], separator: str = ",") -> Path:
    path.write_text("\n".join(separator.join(map(str, cells)) for cells in (head, *rows)) + "\n")
    return path


def read(name: str, path: Path, task: TaskSpec) -> Predictions:
    return FORMATS[name].read(path, task, Reading())


def present(predictions: Predictions, task: TaskSpec, row: int) -> set[str]:
    (one,) = predictions.videos
    return {label for label, value in zip(task.labels, one.scores_NL[row], strict=True) if value >= 0.5}


def test_openface(tmp_path: Path):
    found = read("openface", openface(tmp_path / "v1.csv"), AU)
    (one,) = found.videos
    assert one.video == "v1"
    assert one.frame_N is not None
    assert one.frame_N.tolist() == [0, 1, 2]
    assert [present(found, AU, row) for row in range(3)] == [{"AU1", "AU12"}, {"AU26"}, set()]
    assert np.isnan(one.scores_NL[2]).all()
    assert found.missing == ("AU24",)
    assert found.unused == tuple(f"AU{n:02d}_c" for n in (5, 9, 14, 17, 20, 28, 45))
    assert found.notes == ("1 rows say success 0 and so hold no prediction",)


def test_pyfeat(tmp_path: Path):
    path = pyfeat(tmp_path / "fex.csv")
    found = read("py-feat", path, AU)
    (one,) = found.videos
    assert (one.video, one.frame_N.tolist() if one.frame_N is not None else None) == ("v1", [0, 1])
    assert present(found, AU, 0) == set(AU.labels)
    assert found.missing == ()
    assert np.isnan(one.scores_NL[1]).all()
    found = read("py-feat", path, EXPR)
    assert EXPR.labels[int(np.nanargmax(found.videos[0].scores_NL[0]))] == "Happiness"
    assert found.missing == ("Other",)


def test_pyfeat_on_images_takes_the_frame_from_their_names(tmp_path: Path):
    (one,) = read("py-feat", pyfeat(tmp_path / "fex.csv", images=True), EXPR).videos
    assert (one.video, one.frame_N.tolist() if one.frame_N is not None else None) == ("v1", [7, 8])


def test_libreface(tmp_path: Path):
    path = libreface(tmp_path / "v1.csv")
    found = read("libreface", path, AU)
    assert found.videos[0].frame_N is not None
    assert found.videos[0].frame_N.tolist() == [0, 1]
    assert [present(found, AU, row) for row in (0, 1)] == [{"AU4"}, {"AU24"}]
    assert found.missing == ("AU25", "AU26")  # rated in intensity, but not detected
    found = read("libreface", path, EXPR)
    assert found.decided
    assert [present(found, EXPR, row) for row in (0, 1)] == [{"Sadness"}, set()]
    assert found.notes == ("1 rows decide for Contempt, which is no label of this task: wrong",)


def test_emotiefflib(tmp_path: Path):
    path = emotiefflib(tmp_path / "scores.csv")
    found = read("emotiefflib", path, EXPR)
    contempt_L, anger_L = found.videos[0].scores_NL
    own = [i for i, label in enumerate(EXPR.labels) if label != "Other"]
    assert contempt_L[own].tolist() == [-np.inf] * 7  # as a row that LibreFace decides for Contempt
    assert EXPR.labels[int(np.nanargmax(anger_L))] == "Anger"
    assert (found.missing, found.unused) == (("Other",), ("Valence", "Arousal"))
    assert found.notes == ("1 rows score Contempt highest, which is no label of this task: wrong",)
    found = read("emotiefflib", path, VA)
    assert "Contempt" in found.unused
    assert found.notes == ()
    np.testing.assert_allclose(found.videos[0].scores_NL, [[0.35, -0.1], [-0.5, 0.6]], rtol=1e-6)
    assert found.missing == ()


@pytest.mark.parametrize(
    ("write", "name"),
    [(openface, "openface"), (pyfeat, "py-feat"), (libreface, "libreface"), (emotiefflib, "emotiefflib")],
)
def test_a_tool_is_recognised_by_its_columns_alone(tmp_path: Path, write, name: str):
    path = write(tmp_path / "v1.csv")
    for task in TASKS.values():
        assert {one for one in FORMATS if FORMATS[one].recognises(path, task)} == {"csv", name}
        assert {one for one in FORMATS if FORMATS[one].recognises(tmp_path, task)} == {"csv", name}


def test_other_words_for_an_emotion(tmp_path: Path):
    path = table(tmp_path / "v1.csv", ["frame", "angry", "happy", "sad"], [[1, 0.1, 0.8, 0.1]])
    assert set(EXPR.labels) - set(read("emotiefflib", path, EXPR).missing) == {"Anger", "Happiness", "Sadness"}
