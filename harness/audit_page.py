"""The page of `harness data audit`: one file, readable without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.duplicates import SAME

PAIRS, VIDEOS = 50, 50  # rows of the long tables


def page(audits: Sequence[Mapping[str, Any]], missing: Mapping[str, str]) -> str:
    """HTML of what `harness.audit.audit` told of several tasks, and of tasks whose data is missing."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("harness"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    template = environment.get_template("audit.html")
    shown = [{**audit, "worst": worst(audit["images_against_rows"])} for audit in audits]
    return template.render(audits=shown, missing=missing, most=PAIRS, same=SAME)


def worst(videos: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those whose images and label rows differ most."""
    return sorted(videos, key=lambda one: -one["without_image"] - one["beyond_the_last_row"])[:VIDEOS]


def number(value: float | None) -> str:
    """A count with separators, a measure with three digits, a hyphen for what is not told.

    >>> [number(value) for value in (12345, 0.25, None)]
    ['12,345', '0.250', '-']
    """
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
