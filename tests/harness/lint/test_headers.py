from __future__ import annotations

import pytest

from harness.lint.headers import one_header

Cells = list[tuple[str, int]]


def cells(*texts: str) -> Cells:
    """A row as typed: `VA*2` is a cell over two columns."""
    pairs = [text.partition("*") for text in texts]
    return [(text, int(width or 1)) for text, _, width in pairs]


def headed(*rows: Cells) -> list[tuple[str, ...]]:
    return [texts for _, texts in one_header(list(enumerate(rows)))]


BODY = cells("Ours", "1", "2", "3", "4", "2.5")


@pytest.mark.parametrize(
    ("upper", "lower", "names"),
    [
        (("Method", "VA*2", "EXPR*2", "Avg"), ("", "V", "A", "x", "y", ""), ("Method", "V", "A", "x", "y", "Avg")),
        (("", "VA*2", "EXPR*2", ""), ("Method", "V", "A", "x", "y", "Avg"), ("Method", "V", "A", "x", "y", "Avg")),
        (("Method", "AU*4", "Avg"), ("", "1", "2", "4", "6", ""), ("Method", "1", "2", "4", "6", "Avg")),
        (("Method", "Valid*2", "Test*2", "Avg"), ("", "F1", "Acc", "F1", "Acc", ""),
         ("Method", "Valid F1", "Valid Acc", "Test F1", "Test Acc", "Avg")),
        (("Method", "VA*2", "EXPR*2", "Avg"), ("", "V", "", "x", "y", ""), ("Method", "V", "VA", "x", "y", "Avg")),
        (("Method", "VA*2", "x", "y", "Avg"), ("", "V", "A"), ("Method", "V", "A", "x", "y", "Avg")),
    ],
)  # fmt: skip
def test_two_rows_become_one_name_per_column(upper: tuple[str, ...], lower: tuple[str, ...], names: tuple[str, ...]):
    assert headed(cells(*upper), cells(*lower), BODY) == [names, tuple(text for text, _ in BODY)]


def test_the_row_of_names_tells_the_line():
    assert [line for line, _ in one_header([(4, cells("", "AU*2")), (6, cells("m", "1", "2")), (7, BODY)])] == [6, 7]


def test_three_rows_below_a_title():
    rows = [cells("Results*6"), cells("", "Valid*4", ""), cells("", "VA*2", "EXPR*2", ""), cells("m", *"VAxy", "P")]
    assert headed(*rows, BODY) == [("Results", *[""] * 5), ("m", "V", "A", "x", "y", "P"), tuple(t for t, _ in BODY)]


@pytest.mark.parametrize(
    "rows",
    [
        [cells("System*2", "V", "A", "Avg"), cells("Ours", "2024", "1", "3", "2")],
        [cells("Method", "F1*2", "Avg"), cells("Ours", "1", "3", "-")],
        [cells("Method", "F1*2", "Avg"), cells("Ours", "-", "-", "2")],
        [cells("Method", "V", "A", "Avg"), cells("Images alone*4"), cells("Ours", "1", "3", "2")],
        [cells("Images alone*4")],
        [],
    ],
)
def test_rows_below_a_header_of_one_row_stay(rows: list[Cells]):
    """A cell over several columns counts for the first of them."""
    assert headed(*rows) == [tuple(t for text, n in row for t in (text, *[""] * (n - 1))) for row in rows]
