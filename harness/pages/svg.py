"""Drawing as inline SVG: elements whose attributes and text are escaped, numbers kept short.

Colours are classes or variables of `templates/base.css`, so that a drawing follows the page into the dark.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape


def tag(name: str, *inside: Markup | str, **attributes: Any) -> Markup:
    """An element. `class_` is class, `stroke_width` is stroke-width; numbers are short, None is left out.

    >>> tag("text", "a < b", class_="axis", x=1.5)
    Markup('<text class="axis" x="1.5">a &lt; b</text>')
    """
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    content = "".join(str(escape(one)) for one in inside)
    return Markup(f"<{name}{told}>{content}</{name}>" if content else f"<{name}{told}/>")  # all of it escaped above


def drawing(
    what: str, shapes: Iterable[Markup], *, box: tuple[float, float] | None = None, **attributes: Any
) -> Markup:
    """An <svg> that says `what` it shows to whoever cannot see it.

    With `box` (width, height) shapes are in its units and stretched to the element; without, they are in per cent.
    """
    view = {"viewBox": f"0 0 {short(box[0])} {short(box[1])}", "preserveAspectRatio": "none"} if box else {}
    title = tag("title", what)
    return tag("svg", title, *shapes, role="img", aria_label=what, **view, **attributes)


def short(value: Any) -> str:
    """A number in few digits, anything else as it is.

    >>> short(2.0), short(1 / 3), short("a")
    ('2', '0.33', 'a')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.2f}".rstrip("0").rstrip(".")


def percent(value: float, low: float, high: float) -> str:
    """Where `value` lies between `low` and `high`, for attributes in per cent; held within 0 and 100.

    >>> percent(0.25, 0, 1)
    '25%'
    """
    share = (value - low) / (high - low) if high > low else 0.5
    return f"{short(100 * min(max(share, 0.0), 1.0))}%"


def path(points: Iterable[tuple[float, float] | None]) -> str:
    """`d` of a line through points; None lifts the pen.

    >>> path([(0, 1), (1, 2.5), None, (3, 1)])
    'M0 1L1 2.5M3 1'
    """
    out, down = [], False
    for point in points:
        if point is not None:
            out.append(f"{'L' if down else 'M'}{short(point[0])} {short(point[1])}")
        down = point is not None
    return "".join(out)
