from __future__ import annotations

import pytest

from abaw6.submission.check import Finding, check
from abaw6.submission.form import FORMS
from abaw6.submission.template import Template, read_template

VA = "image_location,valence,arousal"
EXPR = FORMS["expr"].header
ROWS = "v/00001.jpg,0.5,-1\nv/00002.jpg,0,1\nw/00001.jpg,-0.25,1e-3\n"


def found(text: str, task: str = "va", template: Template | None = None) -> list[tuple[int, str]]:
    return [(one.line, one.what) for one in check(text.encode(), FORMS[task], template)]


@pytest.fixture
def asked(make_template) -> Template:
    path = make_template("va", "v/00001.jpg", "v/00002.jpg", "w/00001.jpg", "w/00002.jpg")
    return read_template(path, FORMS["va"])


@pytest.mark.parametrize(
    ("task", "row"),
    [
        ("va", "v/00001.jpg,0.5,-1"),
        ("expr", "v/00001.jpg,7"),
        ("au", "v/00001.jpg,0,1,0,0,0,0,0,0,0,0,0,1"),
        ("ce", "01/00001.jpg,6"),
        ("emi", "00072,0,0.5,1,.25,1.,0"),
    ],
)
def test_a_right_file(task: str, row: str) -> None:
    assert found(f"{FORMS[task].header}\n{row}\n", task) == []
    assert found(f"{FORMS[task].header}\n{row}", task) == [(2, "line end")]


@pytest.mark.parametrize(
    ("row", "finding"),
    [
        ("v/00001.jpg,1.01,0", Finding(2, "value", "2 numbers from -1 to 1", "'1.01'")),
        ("v/00001.jpg,nan,inf", Finding(2, "value", "2 numbers from -1 to 1", "'nan', 'inf'")),
        ("v/00001.jpg, 0.5,1_0", Finding(2, "value", "2 numbers from -1 to 1", "' 0.5', '1_0'")),
        ("v/00001.jpg,0.5", Finding(2, "columns", "2 numbers from -1 to 1", "1: '0.5'")),
        ("v/00001.jpg", Finding(2, "columns", "2 numbers from -1 to 1", "none")),
        ("v/1.jpg,0,0", Finding(2, "name", "a row named <video>/00001.jpg, images counted from 1", "'v/1.jpg'")),
        ("", Finding(2, "blank line", "a row", "nothing")),
    ],
)
def test_one_wrong_row(row: str, finding: Finding) -> None:
    assert check(f"{VA}\n{row}\nv/00002.jpg,0,0\n".encode(), FORMS["va"]) == [finding]


@pytest.mark.parametrize(
    ("task", "values", "expected"),
    [
        ("expr", "8", "one class, a whole number from 0 to 7"),
        ("expr", "-1", "one class, a whole number from 0 to 7"),
        ("expr", "3.0", "one class, a whole number from 0 to 7"),
        ("ce", "7", "one class, a whole number from 0 to 6"),
        ("au", "0,1,0,0,0,0,0,0,0,0,0,0.7", "12 values, each 0 or 1"),
        ("emi", "0,0,0,0,0,-0.1", "6 numbers from 0 to 1"),
    ],
)
def test_values_of_each_track(task: str, values: str, expected: str) -> None:
    name = "v/00001.jpg" if FORMS[task].task.level == "frame" else "00001"
    (one,) = check(f"{FORMS[task].header}\n{name},{values}\n".encode(), FORMS[task])
    assert (one.line, one.what, one.expected) == (2, "value", expected)


def test_a_one_hot_row_is_no_class() -> None:
    (one,) = check(f"{EXPR}\nv/00001.jpg,0,0,0,0,1,0,0,0\n".encode(), FORMS["expr"])
    assert str(one) == "line 2: columns: expected one class, a whole number from 0 to 7; got 8: '0,0,0,0,1,0,0,0'"


def test_bytes_and_line_ends() -> None:
    content = b"\xef\xbb\xbf" + f"{VA}\n{ROWS}".replace("\n", "\r\n").encode()
    assert check(content, FORMS["va"]) == [
        Finding(1, "encoding", "no byte-order mark", "one (EF BB BF) before the header"),
        Finding(1, "line end", "LF alone", "CRLF in 4 lines, this one first"),
    ]
    assert [(one.line, one.what) for one in check(f"{VA}\nv\xe9/00001.jpg,0,0\n".encode("latin-1"), FORMS["va"])] == [
        (2, "encoding")
    ]
    assert found(f"{VA}\r{ROWS}") == [(1, "line end")]


@pytest.mark.parametrize("header", ["image_location,arousal,valence", "Image_Location,valence,arousal", f"{VA},"])
def test_a_header_is_exact(header: str) -> None:
    assert check(f"{header}\n{ROWS}".encode(), FORMS["va"]) == [Finding(1, "header", f"{VA!r}", f"{header!r}")]


def test_without_a_header_the_first_line_is_a_row() -> None:
    assert found(ROWS) == [(1, "header")]
    assert found("v/00001.jpg,2,0\n") == [(1, "header"), (1, "value")]


def test_duplicates_name_the_line_before() -> None:
    (one,) = check(f"{VA}\n{ROWS}v/00002.jpg,0,0\n".encode(), FORMS["va"])
    assert one == Finding(5, "duplicate", "each name once", "v/00002.jpg again, after line 3")


def test_the_last_line_has_an_end_too() -> None:
    assert check(f"{VA}\n{ROWS}".rstrip("\n").encode(), FORMS["va"]) == [
        Finding(4, "line end", "LF after the last line too", "none")
    ]
    assert found(f"{VA}\r\nv/00001.jpg,0,0") == [(1, "line end"), (2, "line end")]
    assert found(f"{VA}\n{ROWS}".replace("\n", "\r")) == [(1, "line end")]


def test_gaps_within_a_video_show_without_a_template(make_template) -> None:
    """Rows in any order; a video that begins late or lacks its end is a matter for a template."""
    frames = ("v/00003", "v/00001", "v/00008", "v/00004", "w/00007", "w/00009", "x/00002")
    rows = "".join(f"{frame}.jpg,0,0\n" for frame in frames)
    assert check(f"{VA}\n{rows}".encode(), FORMS["va"]) == [
        Finding(3, "gap", "4 rows of v (v/00002.jpg first) below this line", "none of them"),
        Finding(6, "gap", "w/00008.jpg below this line", "none of them"),
    ]
    template = read_template(make_template("va", *(f"{frame}.jpg" for frame in frames)), FORMS["va"])
    assert found(f"{VA}\n{rows}", template=template) == []
    assert found(f"{FORMS['emi'].header}\n00001,0,0,0,0,0,0\n00003,0,0,0,0,0,0\n", "emi") == []


def test_files_without_rows() -> None:
    assert found("") == [(1, "header")]
    assert found(f"{VA}\n") == [(1, "count")]


def test_missing_rows_by_video(asked: Template) -> None:
    assert check(f"{VA}\nv/00002.jpg,0,0\n".encode(), FORMS["va"], asked) == [
        Finding(1, "missing", "v/00001.jpg below this line", "none of them"),
        Finding(2, "count", "4 rows, as in the template", "1 of different names"),
        Finding(2, "missing", "2 rows of w (w/00001.jpg first) below this line", "none of them"),
    ]


def test_rows_that_are_not_asked_for(asked: Template) -> None:
    text = f"{VA}\n{ROWS}w/00002.jpg,0,0\nw/00003.jpg,0,0\nx/00001.jpg,0,0\nx/00002.jpg,0,0\n"
    assert [one for one in check(text.encode(), FORMS["va"], asked) if one.what != "count"] == [
        Finding(6, "not asked for", "rows of the template alone", "w/00003.jpg"),
        Finding(7, "not asked for", "rows of the template alone", "2 rows of x (x/00001.jpg first)"),
    ]


def test_order_is_the_templates(asked: Template) -> None:
    rows = f"{ROWS}w/00002.jpg,0,0".split("\n")
    assert found("\n".join([VA, *rows, ""]), template=asked) == []
    assert check("\n".join([VA, rows[0], rows[2], rows[1], rows[3], ""]).encode(), FORMS["va"], asked) == [
        Finding(3, "order", "v/00002.jpg, as in the template", "w/00001.jpg; 2 rows stand elsewhere")
    ]


def test_the_header_is_the_templates(make_template) -> None:
    header = "Filename,Admiration,Amusement,Determination,EmpathicPain,Excitement,Joy"
    template = read_template(make_template("emi", "00072", header=header), FORMS["emi"])
    assert found(f"{header}\n00072,0,0,0,0,0,0\n", "emi", template) == []
    assert found(f"{FORMS['emi'].header}\n00072,0,0,0,0,0,0\n", "emi", template) == [(1, "header")]


def test_a_thousand_wrong_rows_are_a_thousand_findings() -> None:
    rows = "".join(f"v/{i:05d}.jpg,9\n" for i in range(1, 1001))
    assert found(f"{EXPR}\n{rows}", "expr") == [(line, "value") for line in range(2, 1002)]
