"""Small drawings of scores: whiskers, bars, the course of a choice. See `harness.pages.svg` for colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from harness.boards.rows import Score
from harness.boards.tables import printed
from harness.pages.svg import drawing, path, percent, short, tag

Axis = tuple[float, float]
ROUND = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0)  # steps an axis may end on


def axis_of(scores: Iterable[Score], *, zero: bool = False) -> Axis:
    """Ends of an axis that holds scores and their intervals, on a round step; with `zero`, also 0.

    >>> axis_of([Score(0.32, 0.25, 0.41)])
    (0.25, 0.45)
    """
    values = [v for one in scores for v in (one.value, one.low, one.high) if v is not None] + ([0.0] if zero else [])
    low, high = min(values, default=0.0), max(values, default=1.0)
    step = next((step for step in ROUND if high - low <= 5 * step), ROUND[-1])
    first, last = _floor(low / step), -_floor(-high / step)
    return round(first * step, 2), round(max(last, first + 1) * step, 2)


def _floor(value: float) -> int:
    """Floor, forgiving what binary fractions are off by."""
    return int((value + 1e-9) // 1)


def tick(value: float, metric: str) -> str:
    """The end of an axis, in the unit of printed scores.

    >>> tick(0.45, "f1"), tick(-0.2, "ccc")
    ('45', '-0.2')
    """
    return short(100 * value if metric == "f1" else value)


def whisker(score: Score, metric: str, axis: Axis) -> Markup:
    """A score as a dot on its interval; hollow where it has none, as published ones."""
    at = percent(score.value, *axis)
    shapes = [tag("line", class_="rule", x1="0%", x2="100%", y1="50%", y2="50%")]
    if axis[0] < 0 < axis[1]:
        shapes.append(_zero(axis))
    if score.low is None or score.high is None:
        shapes.append(tag("circle", class_="hollow", cx=at, cy="50%", r=3.5))
    else:
        shapes += _interval(score.low, score.high, axis)
        shapes.append(tag("circle", class_="dot", cx=at, cy="50%", r=3.5))
    return drawing(told(score, metric), shapes, class_="whisker")


def bar(score: Score, metric: str, axis: Axis) -> Markup:
    """A score as a bar from 0, its interval over it."""
    zero, at = (min(max(v, axis[0]), axis[1]) for v in (0.0, score.value))
    left, right = sorted((zero, at))
    wide = percent(axis[0] + right - left, *axis)
    shapes = [
        tag("line", class_="rule", x1="0%", x2="100%", y1="50%", y2="50%"),
        tag("rect", class_="bar", x=percent(left, *axis), width=wide, y="20%", height="60%", rx=1.5),
        _zero(axis),
    ]
    if score.low is not None and score.high is not None:
        shapes += _interval(score.low, score.high, axis)
    return drawing(told(score, metric), shapes, class_="bars")


def share_bar(share: float | None, what: str) -> Markup:
    """A share of 1 as a bar; an empty rule where it is None."""
    shapes = [tag("line", class_="rule", x1="0%", x2="100%", y1="50%", y2="50%")]
    if share is not None:
        shapes.append(tag("rect", class_="bar", x="0%", width=percent(share, 0, 1), y="25%", height="50%", rx=1.5))
    return drawing(what, shapes, class_="bars")


def course(values: Sequence[float], chosen: int | None, what: str) -> Markup:
    """What was tried, from left to right, and which of it was chosen (its index)."""
    low, high = min(values), max(values)
    span, last = (high - low) or 1.0, max(len(values) - 1, 1)
    points = [(3 + 94 * i / last, 21 - 18 * (value - low) / span) for i, value in enumerate(values)]
    line = tag("path", class_="line", d=path(points), vector_effect="non-scaling-stroke")
    # a dot in per cent stays round where the box is stretched
    dots = [tag("circle", class_="dot", cx=f"{points[chosen][0]:.1f}%", cy=f"{points[chosen][1] / 0.24:.1f}%", r=3.5)
            ] if chosen is not None else []  # fmt: skip
    stretched = tag("svg", line, viewBox="0 0 100 24", preserveAspectRatio="none", width="100%", height="100%")
    return drawing(what, [stretched, *dots], class_="course")


def told(score: Score, metric: str) -> str:
    """A score in words: `56.94, 95 % interval 49.10 to 63.02`."""
    if score.low is None or score.high is None:
        return printed(score.value, metric)
    return f"{printed(score.value, metric)}, interval {printed(score.low, metric)} to {printed(score.high, metric)}"


def _interval(low: float, high: float, axis: Axis) -> list[Markup]:
    x1, x2 = percent(low, *axis), percent(high, *axis)
    ends = [tag("line", class_="interval", x1=x, x2=x, y1="28%", y2="72%") for x in (x1, x2)]
    return [tag("line", class_="interval", x1=x1, x2=x2, y1="50%", y2="50%"), *ends]


def _zero(axis: Axis) -> Markup:
    at = percent(0.0, *axis)
    return tag("line", class_="zero", x1=at, x2=at, y1="0%", y2="100%")
