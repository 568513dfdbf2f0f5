from __future__ import annotations

import doctest

from markupsafe import Markup

from harness.pages import svg
from harness.pages.svg import drawing, percent, tag


def test_examples():
    assert doctest.testmod(svg).failed == 0


def test_text_and_attributes_are_escaped_and_drawings_are_not():
    drawn = drawing('a "<script>"', [tag("text", "<b>", class_='"><script>')])
    assert drawn == Markup(
        '<svg role="img" aria-label="a &#34;&lt;script&gt;&#34;"><title>a &#34;&lt;script&gt;&#34;</title>'
        '<text class="&#34;&gt;&lt;script&gt;">&lt;b&gt;</text></svg>'
    )


def test_what_lies_outside_an_axis_stays_on_it():
    assert [percent(value, -1, 1) for value in (-2, 0, 2)] == ["0%", "50%", "100%"]
    assert percent(3, 1, 1) == "50%"
