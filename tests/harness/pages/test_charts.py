from __future__ import annotations

import doctest
import re

import pytest

from harness.boards.rows import Score
from harness.pages import charts
from harness.pages.charts import axis_of, bar, course, share_bar, whisker


def test_examples():
    assert doctest.testmod(charts).failed == 0


@pytest.mark.parametrize(
    ("scores", "zero", "axis"),
    [
        ([Score(0.32, 0.25, 0.41)], True, (0.0, 0.5)),
        ([Score(-0.1, -0.3, 0.8)], False, (-0.5, 1.0)),
        ([Score(0.5)], False, (0.5, 0.55)),
        ([], False, (0.0, 1.0)),
    ],
)
def test_an_axis_ends_on_round_numbers_and_holds_everything(scores: list[Score], zero: bool, axis: tuple[float, float]):
    assert axis_of(scores, zero=zero) == axis


def test_a_whisker_stands_where_the_numbers_are():
    drawn = whisker(Score(0.5, 0.25, 0.75), "f1", (0.0, 1.0))
    assert 'class="dot" cx="50%"' in drawn
    assert 'class="interval" x1="25%" x2="75%" y1="50%"' in drawn
    assert "50.00, interval 25.00 to 75.00" in drawn


def test_a_published_score_is_hollow_and_has_no_interval():
    drawn = whisker(Score(0.5), "f1", (0.0, 1.0))
    assert 'class="hollow"' in drawn
    assert "interval" not in drawn


@pytest.mark.parametrize(("value", "x", "width"), [(0.5, "50%", "25%"), (-0.5, "25%", "25%")])
def test_a_bar_begins_at_zero_on_either_side(value: float, x: str, width: str):
    drawn = bar(Score(value), "ccc", (-1.0, 1.0))
    assert f'class="bar" x="{x}" width="{width}"' in drawn


def test_a_share_that_is_not_known_has_no_bar():
    assert 'class="bar" x="0%" width="30%"' in share_bar(0.3, "recall")
    assert 'class="bar"' not in share_bar(None, "recall")


def test_a_course_marks_what_was_chosen():
    drawn = course([0.1, 0.3, 0.2], 1, "epochs")
    (line,) = re.findall(r'd="([^"]+)"', drawn)
    assert line == "M3 21L50 3L97 12"
    assert 'class="dot" cx="50.0%" cy="12.5%"' in drawn
    assert "dot" not in course([0.1, 0.1], None, "epochs")
