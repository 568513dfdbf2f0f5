"""The picture of one prediction: scores over time, one row per label, stretches without a face shaded.

Shapes: F frames of a video, R judged rows (F, or 1 for a video-level task), L labels.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.kinds import Kind
from harness.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, LINE, FILL, SHADE, WARN = "#222222", "#2f6690", "#c9dcea", "#9a9a9a", "#b00020"
NOT_FOR_USE = "trained on the demo world: not for real use"


def timeline_png(
    scores_RL: Floats,
    times_F: Sequence[float],
    face_F: NDArray[np.bool_],
    *,
    kind: Kind,
    labels: Sequence[str],
    title: str,
    demo: bool,
) -> bytes:
    """A PNG, 1200 pixels wide. Where a label is decided for, its curve is filled dark; `demo` is said in the title."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    per_frame = len(scores_RL) == len(times_F) and len(times_F) > 1
    row_inches = (1.6 if kind.name == "continuous" else 0.62) if per_frame else 0.34
    figure = Figure(figsize=(12, 1.7 + row_inches * len(labels)), dpi=100)
    FigureCanvasAgg(figure)
    filled = per_frame and kind.name != "continuous"
    _title(figure, title, face_F, demo, "; dark: the decision" if filled else "")
    edges_E = frame_edges(times_F)
    if per_frame:
        _curves(figure, scores_RL, edges_E, face_F, kind, labels)
    else:
        _bars(figure, scores_RL[0], edges_E, face_F, kind, labels)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def frame_edges(times_F: Sequence[float]) -> NDArray[np.float64]:
    """When each frame begins, and when the last one ends (it lasts as long as the median frame).

    >>> frame_edges([0.0, 0.5, 1.0]).tolist()
    [0.0, 0.5, 1.0, 1.5]
    """
    last = float(np.median(np.diff(times_F))) if len(times_F) > 1 else 0.04
    return np.array([*times_F, times_F[-1] + last], dtype=np.float64)


def _title(figure: Figure, title: str, face_F: NDArray[np.bool_], demo: bool, key: str) -> None:
    inch = 1 / figure.get_size_inches()[1]
    figure.text(0.02, 1 - 0.18 * inch, title, fontsize=13, color=INK, va="top", weight="bold")
    missing = int((~face_F).sum())
    seen = f"no face in {missing} (shaded)" if missing else "a face in all of them"
    figure.text(0.02, 1 - 0.47 * inch, f"{len(face_F)} frames, {seen}{key}", fontsize=10, color=INK, va="top")
    if demo:
        figure.text(0.98, 1 - 0.45 * inch, NOT_FOR_USE, fontsize=12, color=WARN, va="top", ha="right", weight="bold")


def _curves(figure: Figure, scores_RL: Floats, edges_E: Any, face_F: Any, kind: Kind, labels: Sequence[str]) -> None:
    height = float(figure.get_size_inches()[1])
    all_axes = figure.subplots(len(labels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    figure.subplots_adjust(left=0.13, right=0.98, top=1 - 0.85 / height, bottom=0.6 / height, hspace=0.26)
    decided_RL = kind.decide(scores_RL).astype(bool) if kind.name != "continuous" else np.zeros(scores_RL.shape, bool)
    for axes, label, scores_R, decided_R in zip(all_axes, labels, scores_RL.T, decided_RL.T, strict=True):
        base = 0.0 if kind.low <= 0 <= kind.high else kind.low
        axes.stairs(scores_R, edges_E, baseline=base, fill=True, color=FILL)
        axes.stairs(np.where(decided_R, scores_R, base), edges_E, baseline=base, fill=True, color=LINE)
        axes.stairs(scores_R, edges_E, baseline=None, color=LINE, linewidth=1.1)
        axes.set_ylim(kind.low, kind.high)
        if kind.low < 0 < kind.high:
            axes.axhline(0, color=INK, linewidth=0.6)
        _row(axes, label)
        _shade(axes, edges_E, face_F)
    all_axes[-1].set_xlim(edges_E[0], edges_E[-1])
    all_axes[-1].set_xlabel("seconds", color=INK)
    for axes in all_axes[:-1]:
        axes.tick_params(axis="x", length=0)


def _row(axes: Axes, label: str) -> None:
    axes.set_ylabel(label, rotation=0, ha="right", va="center", color=INK, fontsize=10, labelpad=26)
    low, high = axes.get_ylim()
    axes.set_yticks([low, 0, high] if low < 0 < high else [low, high])
    axes.tick_params(axis="y", labelsize=7, length=2, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _bars(figure: Figure, scores_L: Floats, edges_E: Any, face_F: Any, kind: Kind, labels: Sequence[str]) -> None:
    height = float(figure.get_size_inches()[1])
    axes = figure.add_axes((0.16, 0.95 / height, 0.78, 1 - 1.85 / height))
    axes.barh(labels, scores_L, color=LINE, height=0.66)
    axes.invert_yaxis()
    axes.set_xlim(kind.low, kind.high)
    for row, score in enumerate(scores_L):
        axes.annotate(
            f"{score:.3f}", (float(score), row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9
        )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    strip = figure.add_axes((0.16, 0.42 / height, 0.78, 0.16 / height))
    strip.set_xlim(edges_E[0], edges_E[-1])
    strip.set_yticks([])
    strip.set_facecolor(FILL)
    strip.set_ylabel("face", rotation=0, ha="right", va="center", color=INK, fontsize=10)
    strip.set_xlabel("seconds", color=INK, labelpad=1, fontsize=9)
    strip.tick_params(labelsize=8)
    _shade(strip, edges_E, face_F)


def _shade(axes: Axes, edges_E: Any, face_F: NDArray[np.bool_]) -> None:
    from harness.rawvideo import stretches

    for first, last in stretches(face_F.tolist()):
        axes.axvspan(edges_E[first], edges_E[last + 1], facecolor=SHADE, alpha=0.35, edgecolor="none", zorder=3)
