from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abaw6.affectnet import AffectNet
from abaw6.specs import EXPR
from harness.errors import MissingData, UserError

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"


def line(name: str, value: int, box: str = "0,0,8,8") -> str:
    return f"{name},{box},1;2;3;4,{value},0.1,-0.2"


def labels(reader: AffectNet) -> dict[str, str]:
    return {v.id: EXPR.labels[int(reader.targets(v).argmax())] for v in reader.videos()}


def test_the_csv_layout(disk: Any) -> None:
    names = [f"{100 + value}/{value}.jpg" for value in range(11)]
    disk.text(
        "Manually_Annotated_file_lists/training.csv",
        HEADER,
        *(line(n, v) for v, n in enumerate(names)),
        line("1/gone.jpg", 6),
    )
    disk.text("Manually_Annotated_file_lists/validation.csv", line("9/held.jpg", 6))
    for name in names:
        disk.image(f"Manually_Annotated/Manually_Annotated_Images/{name}")
    assert labels(AffectNet(disk.root, EXPR)) == {
        "100/0.jpg": "Neutral",
        "101/1.jpg": "Happiness",
        "102/2.jpg": "Sadness",
        "103/3.jpg": "Surprise",
        "104/4.jpg": "Fear",
        "105/5.jpg": "Disgust",
        "106/6.jpg": "Anger",
    }


def test_the_face_s_box_is_cut_out(disk: Any) -> None:
    from PIL import Image

    disk.text("training.csv", HEADER, line("1/a.jpg", 6, "20,10,10,10"), line("1/b.jpg", 6, "0,0,0,0"))
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:20, 20:30] = 200
    for name in ("a", "b"):
        disk.image(f"1/{name}.jpg")
        Image.fromarray(image).save(disk.root / "1" / f"{name}.jpg", quality=95)
    reader = AffectNet(disk.root, EXPR)
    a, b = reader.videos()
    cut, whole = reader.view().images(a, [0])[0], reader.view().images(b, [0])[0]
    assert (cut.shape, whole.shape) == ((13, 13, 3), (40, 60, 3))
    assert cut.mean() > 100 > whole.mean()


def test_the_npy_layout(disk: Any) -> None:
    (disk.root / "AffectNet" / "train_set" / "annotations").mkdir(parents=True)
    for name, value in (("3", "6"), ("12", "7"), ("7", "4"), ("8", "5")):
        np.save(disk.root / "AffectNet" / "train_set" / "annotations" / f"{name}_exp.npy", np.array(value))
        np.save(disk.root / "AffectNet" / "train_set" / "annotations" / f"{name}_val.npy", np.array("0.5"))
        if name != "8":
            disk.image(f"AffectNet/train_set/images/{name}.jpg", grey=40)
    reader = AffectNet(disk.root, EXPR)
    assert labels(reader) == {"3": "Anger", "7": "Fear"}
    assert int(reader.view().images(reader.videos()[0], [0])[0].mean()) == 40
    assert labels(AffectNet(disk.root / "AffectNet" / "train_set", EXPR)) == {"3": "Anger", "7": "Fear"}
    assert len(reader.fingerprint()) == 64


@pytest.mark.parametrize("value", ["11", "x", ""])
def test_a_malformed_line_is_named(disk: Any, value: str) -> None:
    path = disk.text("training.csv", HEADER, f"1/a.jpg,0,0,8,8,,{value},0,0")
    with pytest.raises(UserError) as error:
        AffectNet(disk.root, EXPR).videos()
    assert str(error.value) == f"{path}, line 2: expected a class from 0 to 10, got {value!r}"


def test_a_list_without_its_columns_and_no_list_at_all(disk: Any) -> None:
    with pytest.raises(MissingData, match=r"holds no AffectNet: expected 'training\.csv'"):
        AffectNet(disk.root, EXPR).videos()
    path = disk.text("training.csv", "1/a.jpg,0,0,8,8,,6,0,0")
    with pytest.raises(UserError, match=f"{path}, line 1: expected the columns subDirectory_filePath, expression"):
        AffectNet(disk.root, EXPR).videos()


def test_a_path_out_of_its_folder_is_not_followed(disk: Any) -> None:
    disk.image("1/a.jpg")
    disk.text("lists/training.csv", HEADER, line("../1/a.jpg", 6))
    assert AffectNet(disk.root, EXPR).videos() == ()
