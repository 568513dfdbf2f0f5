"""The page of `harness data audit`: what was found in the data sets of some tasks. No frame, and the label of none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.audit.duplicates import SAME
from harness.pages.environment import render

PAIRS, VIDEOS = 50, 50  # rows of the long tables


def page(audits: Sequence[Mapping[str, Any]], missing: Mapping[str, str]) -> bytes:
    """HTML of what `harness.audit.findings.audit` told of several tasks, and of tasks whose data is missing."""
    shown = [
        {**audit, "parts": audit["sides"] | audit["folds"], "worst": worst(audit["images_against_rows"])}
        for audit in audits
    ]
    return render("audit.html", {"audits": shown, "missing": missing, "most": PAIRS, "same": SAME}, style="audit.css")


def worst(videos: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those whose images and label rows differ most."""
    return sorted(videos, key=lambda one: -one["without_image"] - one["beyond_the_last_row"])[:VIDEOS]
