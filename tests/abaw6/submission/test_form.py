from __future__ import annotations

import pytest

from abaw6.submission.form import FORMS, Place, form_of, form_of_header
from harness.errors import UserError


def test_headers_columns_and_names_of_the_five_files() -> None:
    assert {name: (form.header, form.columns, form.file_name) for name, form in FORMS.items()} == {
        "va": ("image_location,valence,arousal", 2, "va.txt"),
        "expr": ("image_location,Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other", 1, "expr.txt"),
        "au": ("image_location,AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26", 12, "au.txt"),
        "ce": (
            "image_location,Fearfully Surprised,Happily Surprised,Sadly Surprised,Disgustedly Surprised,"
            "Angrily Surprised,Sadly Fearful,Sadly Angry", 1, "ce.txt",
        ),
        "emi": ("Filename,Admiration,Amusement,Determination,Empathic Pain,Excitement,Joy", 6, "emi.csv"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("task", "name", "place"),
    [
        ("va", "video49_left/00001.jpg", Place("video49_left", 0)),
        ("ce", "01/123456.jpg", Place("01", 123455)),
        ("va", "1-30-1280x720/00000.jpg", None),
        ("va", "1-30-1280x720/1.jpg", None),
        ("va", "1-30-1280x720/00001.png", None),
        ("va", "crops/video1/00001.jpg", None),
        ("va", "video1", None),
        ("emi", "00072", Place("00072", 0)),
        ("emi", "72", None),
        ("emi", "00072.mp4", None),
    ],
)
def test_what_a_row_speaks_of(task: str, name: str, place: Place | None) -> None:
    assert form_of(task).place(name) == place


@pytest.mark.parametrize("task", FORMS)
def test_a_form_is_known_by_the_names_in_its_header(task: str) -> None:
    first, *names = FORMS[task].header.split(",")
    assert form_of_header(FORMS[task].header) == FORMS[task]
    assert form_of_header(",".join((first, *reversed(names), "")).upper()) == FORMS[task]
    assert form_of_header(",".join((first, *names[1:]))) is None


def test_a_task_without_a_file() -> None:
    with pytest.raises(UserError, match=r"official submission file is called 'exrp'\. Did you mean 'expr'"):
        form_of("exrp")
