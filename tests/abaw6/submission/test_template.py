from __future__ import annotations

from pathlib import Path

import pytest

from abaw6.submission.form import FORMS, Place
from abaw6.submission.template import fits, read_template
from harness.errors import MissingData, UserError

HEADER = FORMS["va"].header


def test_rows_in_order_and_examples_beside_them_unread(make_template) -> None:
    path = make_template("va", "b/00002.jpg,0.1,0.2", "b/00001.jpg,", "a/00001.jpg")
    template = read_template(path, FORMS["va"])
    assert template.names == ("b/00002.jpg", "b/00001.jpg", "a/00001.jpg")
    assert template.places == (Place("b", 1), Place("b", 0), Place("a", 0))
    assert template.header == "image_location,valence,arousal"


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("Filename", FORMS["emi"].header),
        ("Filename,", FORMS["emi"].header),
        ("Filename,admiration,Amusement,Determination,EmpathicPain,Excitement,Joy", None),
    ],
)
def test_the_organisers_spelling_stays_where_it_is_whole(make_template, header: str, kept: str | None) -> None:
    assert read_template(make_template("emi", "00072", header=header), FORMS["emi"]).header == (kept or header)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADER], "expected rows below the header, got none"),
        ([HEADER, "v/00001.jpg", "v/00001.jpg"], "line 3: v/00001.jpg came before, in line 2"),
        ([HEADER, "v/00000.jpg"], "line 2: expected a row named <video>/00001.jpg"),
        ([FORMS["expr"].header, "v/00001.jpg"], rf"line 1: expected a template of va \({HEADER}\)"),
        (["v/00001.jpg,0,0"], "line 1: expected a template of va"),
        ([], "got 'an empty file'"),
    ],
)
def test_what_is_no_template(tmp_path: Path, lines: list[str], said: str) -> None:
    path = tmp_path / "template.txt"
    path.write_text("\n".join(lines))
    with pytest.raises(UserError, match=said):
        read_template(path, FORMS["va"])


def test_no_template_there(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="No template at"):
        read_template(tmp_path / "none.txt", FORMS["va"])


def test_which_track_a_template_is_of() -> None:
    assert [name for name, form in FORMS.items() if fits(FORMS["au"].header, form)] == ["au"]
    assert [name for name, form in FORMS.items() if fits("image_location", form)] == ["va", "expr", "au", "ce"]
