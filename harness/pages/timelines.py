"""Prediction above truth along the time of a few videos, and frames of them; for clips with one score, bars.

Shapes: R judged rows, F frames, L labels.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from harness.kinds import Kind
from harness.pages.evidence import Case
from harness.pages.svg import drawing, path, percent, tag
from harness.types import Floats, Reader

WIDTH, HEIGHT = 1000.0, 48.0  # of a drawing, in its own units
COLUMNS = 1000  # stretches of a long video that a drawing tells apart; a screen has hardly more
THUMBNAILS, PIXELS = 8, 72


@dataclass(frozen=True)
class Row:
    """One line of a timeline: what it is of, and its drawing."""

    name: str
    drawn: Markup


def timeline(case: Case, kind: Kind, labels: Sequence[str]) -> list[Row]:
    """Curves of values; one ribbon of classes above the other; or a pair of ribbons for each label that ever holds."""
    if kind.name == "continuous":
        columns = zip(labels, case.scores_RL.T, case.target_RL.T, strict=True)
        return [Row(label, _curves(pred_R, target_R, kind, label)) for label, pred_R, target_R in columns]
    if kind.name == "one_of":
        rows = {"predicted": _classes(case.scores_RL), "true": _classes(case.target_RL)}
        return [Row(name, _ribbon(of_R, labels, f"{name} labels over time")) for name, of_R in rows.items()]
    decided_RL = kind.decide(case.scores_RL)
    shown = [i for i in range(len(labels)) if decided_RL[:, i].any() or (case.target_RL[:, i] == 1).any()]
    return [Row(labels[i], _pair(decided_RL[:, i], case.target_RL[:, i], labels[i])) for i in shown]


def bars(case: Case, kind: Kind, labels: Sequence[str]) -> list[Row]:
    """The one row of a video-level task: the score of each label as a bar, the truth as a mark."""
    axis = (kind.low, kind.high)
    rows = []
    for label, score, target in zip(labels, case.scores_RL[0].tolist(), case.target_RL[0].tolist(), strict=True):
        shapes = [tag("line", class_="rule", x1="0%", x2="100%", y1="50%", y2="50%")]
        if not np.isnan(score):
            shapes.append(tag("rect", class_="bar", x="0%", width=percent(score, *axis), y="20%", height="60%", rx=1.5))
        if not np.isnan(target):
            at = percent(target, *axis)
            shapes.append(tag("line", class_="truth", x1=at, x2=at, y1="5%", y2="95%"))
        rows.append(Row(label, drawing(f"{label}: predicted {score:.3f}, true {target:.3f}", shapes, class_="bars")))
    return rows


def thumbnails(case: Case, reader: Reader) -> list[tuple[str, str]]:
    """A few faces spread over the video, as (time in words, data URL)."""
    from PIL import Image

    seen = np.flatnonzero(case.video.face_F)
    if not len(seen):
        return []
    # the middle of each of eight equal stretches, or the nearest frame with a face
    wanted = (np.arange(THUMBNAILS) + 0.5) / THUMBNAILS * len(case.video.face_F)
    indices = list(dict.fromkeys(int(seen[np.abs(seen - frame).argmin()]) for frame in wanted))
    found = []
    for index, pixels in zip(indices, reader.view().images(case.video, indices), strict=True):
        image = Image.fromarray(pixels)
        image.thumbnail((PIXELS, PIXELS))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=80)
        address = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        found.append((f"{index / case.video.fps:.1f} s", address))
    return found


def hue(index: int, labels: int) -> str:
    """The colour of one class of several: hues evenly apart, every second one lighter (see `templates/base.css`)."""
    return f"--hue:{round(360 * index / labels + 25) % 360};--lift:{index % 2}"


def _classes(values_RL: Floats) -> NDArray[Any]:
    """The class of each row, -1 where nothing is known."""
    return np.where(np.isnan(values_RL).any(axis=1), -1, np.nan_to_num(values_RL).argmax(axis=1))


def _curves(pred_R: Floats, target_R: Floats, kind: Kind, label: str) -> Markup:
    shapes = []
    if kind.low < 0 < kind.high:
        y = HEIGHT * kind.high / (kind.high - kind.low)
        shapes.append(tag("line", class_="rule", x1=0, x2=WIDTH, y1=y, y2=y, vector_effect="non-scaling-stroke"))
    for name, values_R in (("line truth", target_R), ("line", pred_R)):
        shapes.append(tag("path", class_=name, d=_line(values_R, kind), vector_effect="non-scaling-stroke"))
    return drawing(f"{label} over time: prediction and truth", shapes, box=(WIDTH, HEIGHT), class_="curves")


def _line(values_R: Floats, kind: Kind) -> str:
    """Means of equal stretches; the pen is lifted where nothing is known."""
    edges = np.linspace(0, len(values_R), min(COLUMNS // 2, len(values_R)) + 1).astype(int)
    points: list[tuple[float, float] | None] = []
    for first, last in pairwise(edges.tolist()):
        known = values_R[first:last][~np.isnan(values_R[first:last])]
        share = (float(known.mean()) - kind.low) / (kind.high - kind.low) if len(known) else None
        x = WIDTH * (first + last) / 2 / len(values_R)
        points.append(None if share is None else (x, HEIGHT * (1 - share)))
    return path(points)


def _runs(of_R: NDArray[Any]) -> list[tuple[int, float, float]]:
    """Stretches of equal values as (value, where it begins, how wide it is); of a long video, evenly spread rows."""
    if len(of_R) > COLUMNS:
        of_R = of_R[((np.arange(COLUMNS) + 0.5) * len(of_R) / COLUMNS).astype(int)]
    out, first, scale = [], 0, WIDTH / len(of_R)
    for value, run in groupby(of_R.astype(int).tolist()):
        n = len(list(run))
        out.append((value, first * scale, n * scale))
        first += n
    return out


def _ribbon(of_R: NDArray[Any], labels: Sequence[str], what: str) -> Markup:
    shapes = []
    for i, x, width in _runs(of_R):
        if i >= 0:
            where = {"x": x, "width": width, "y": 0, "height": HEIGHT}
            shapes.append(tag("rect", tag("title", labels[i]), class_="class", style=hue(i, len(labels)), **where))
    return drawing(what, shapes, box=(WIDTH, HEIGHT), class_="ribbon")


def _pair(decided_R: Floats, target_R: Floats, label: str) -> Markup:
    """Decision in the upper half, truth in the lower one."""
    shapes = []
    for name, y, of_R in (("bar", 0.0, decided_R), ("truth", HEIGHT / 2, np.nan_to_num(target_R))):
        held = [(x, width) for value, x, width in _runs(of_R) if value == 1]
        d = "".join(f"M{x:.1f} {y:.0f}h{width:.1f}v{HEIGHT / 2:.0f}h-{width:.1f}z" for x, width in held)
        shapes += [tag("path", class_=name, d=d)] if d else []
    return drawing(f"{label} over time: decided above, true below", shapes, box=(WIDTH, HEIGHT), class_="ribbon")
