from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lint.check import Printed, PrintedRow, judge, lint
from harness.lint.tables import read_tables

NOT_THE_MEAN = "not the mean of the printed digits"


def row(average: str, *values: str) -> PrintedRow:
    labelled = tuple((f"l{i}", Printed.of(value)) for i, value in enumerate(values))
    return PrintedRow(1, "r", labelled, Printed.of(average))


@pytest.mark.parametrize(
    ("average", "values", "verdict", "could"),
    [
        ("0.6805", ("0.6591", "0.7019"), None, None),
        ("0.6801", ("0.6591", "0.7019"), "impossible", ("0.6804", "0.6806")),
        ("56.60", ("56.60", "56.61"), None, None),  # a mean half-way is rounded either way
        ("56.61", ("56.60", "56.61"), None, None),
        ("56.62", ("56.60", "56.61"), "impossible", ("56.60", "56.61")),
        ("57", ("56.4", "56.5"), NOT_THE_MEAN, ("56", "56")),
        ("-0.2", ("-0.1", "-0.1", "-0.1"), NOT_THE_MEAN, ("-0.1", "-0.1")),
        ("0.38443136724140", ("0.38443136724141", "0.38443136724141"), None, None),  # noise of binary numbers
    ],
)
def test_verdicts(average: str, values: tuple[str, ...], verdict: str | None, could: tuple[str, str] | None) -> None:
    found = judge(row(average, *values))
    assert (found and found.verdict, found and found.could) == (verdict, could)


def test_percent_and_fractions_in_one_row() -> None:
    values = (("a", Printed.of("55.29", percent=True)), ("b", Printed.of("0.5529")))
    assert judge(PrintedRow(1, "r", values, Printed.of("55.29", percent=True))) is None
    found = judge(PrintedRow(1, "r", values, Printed.of("55.31", percent=True)))
    assert found is not None
    assert (found.verdict, found.could) == ("impossible", ("55.28", "55.30"))


def test_what_a_finding_says() -> None:
    impossible, unlike = lint([row("0.6801", "0.6591", "0.7019"), row("0.5", "0.5", "0.5"), row("57", "56.4", "56.5")])
    assert str(impossible) == (
        "line 1: r: impossible: 0.6801 is printed, but values that round to the 2 printed (l0, l1) have a "
        "mean of 0.6804 to 0.6806"
    )
    assert str(unlike) == (
        "line 1: r: not the mean of the printed digits: 57 is printed, the mean of the 2 printed values (l0, l1) is "
        "56; rounding could explain it"
    )


@pytest.mark.parametrize("text", ["", "nan", "1e-3", "0.5 ", "1,000", "five"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="expected a number, got"):
        Printed.of(text)


def test_the_published_tables(repository: Path) -> None:
    """Of the paper's 24 rows 21 add up, and so do the 11 of the test set; all others have an average alone."""
    tables = read_tables(repository / "leaderboards" / "published.csv")
    findings = lint(tables.rows)
    assert len(tables.rows) == 35
    assert len([one for one in tables.rows if "netease_abaw6" in one.name]) == 24
    assert {tuple(one.row.name.split(", ")[i] for i in (0, 1, 3)): one.verdict for one in findings} == {
        ("au", "netease_abaw6", "fold-2"): NOT_THE_MEAN,
        ("au", "netease_abaw6", "fold-5"): NOT_THE_MEAN,
        ("va", "netease_abaw6", "fold-5"): "impossible",
    }
    assert len(findings) == 3


HUNDREDTHS = st.integers(-10_000, 10_000)


@settings(deadline=None)
@given(st.lists(st.tuples(HUNDREDTHS, st.integers(-500, 500)), min_size=2, max_size=12))
def test_no_honest_table_is_called_impossible(values: list[tuple[int, int]]) -> None:
    """Values anywhere within half a unit of the printed ones, averaged, then rounded: at most "not the mean"."""
    mean = sum(n + Fraction(shift, 1000) for n, shift in values) / len(values)
    found = judge(row(_printed(round(mean)), *(_printed(n) for n, _ in values)))
    assert found is None or found.verdict == NOT_THE_MEAN


@settings(deadline=None)
@given(st.lists(HUNDREDTHS, min_size=2, max_size=12), st.integers(2, 50))
def test_what_is_further_off_than_rounding_is_impossible(hundredths: list[int], off: int) -> None:
    found = judge(row(_printed(round(Fraction(sum(hundredths), len(hundredths))) + off), *map(_printed, hundredths)))
    assert found is not None
    assert found.verdict == "impossible"


def _printed(hundredths: int) -> str:
    return f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"
