from __future__ import annotations

import base64
import io
import re
from typing import Any

import numpy as np
from PIL import Image

from harness.kinds import ANY_OF, ONE_OF, continuous
from harness.pages.evidence import Case
from harness.pages.timelines import HEIGHT, PIXELS, WIDTH, bars, hue, thumbnails, timeline
from harness.types import Video

NAN = np.nan


def case(scores: object, target: object, face: object = None) -> Case:
    scores_RL, target_RL = np.array(scores, np.float32), np.array(target, np.float32)
    face_F = np.ones(len(scores_RL), bool) if face is None else np.array(face, bool)
    return Case(Video("v", "g", "valid", len(face_F), 10.0, face_F), scores_RL, target_RL)


def test_one_label_is_two_ribbons_with_a_gap_where_nothing_is_labelled():
    one = case([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]], [[1, 0], [NAN, NAN], [0, 1], [0, 1]])
    predicted, true = timeline(one, ONE_OF, ["a", "b"])
    stretches = r'x="([\d.]+)" width="([\d.]+)"[^>]*><title>(\w)'
    assert re.findall(stretches, predicted.drawn) == [("0", "500", "a"), ("500", "500", "b")]
    assert re.findall(stretches, true.drawn) == [("0", "250", "a"), ("500", "500", "b")]


def test_rows_that_nobody_predicted_are_gaps():
    one = case([[NAN, NAN], [0.2, 0.8]], [[1, 0], [1, 0]])
    predicted, _ = timeline(one, ONE_OF, ["a", "b"])
    assert re.findall(r'x="(\d+)" width="(\d+)"', predicted.drawn) == [("500", "500")]
    (row,) = timeline(one, ANY_OF, ["a", "b"])[1:]
    assert re.findall(r'class="(\w+)" d="M([\d.]+)', row.drawn) == [("bar", "500.0")]
    (clip,) = bars(case([[NAN]], [[0.5]]), continuous("pearson", 0, 1), ["a"])
    assert 'class="bar"' not in clip.drawn


def test_several_labels_have_a_row_each_decision_above_truth_and_idle_ones_none():
    rows = timeline(case([[0.9, 0.1, 0], [0.1, 0.1, 0]], [[0, 1, 0], [0, NAN, 0]]), ANY_OF, ["a", "b", "c"])
    assert [row.name for row in rows] == ["a", "b"]
    assert 'class="bar" d="M0.0 0h500.0v24h-500.0z"' in rows[0].drawn
    assert 'class="truth" d="M0.0 24h500.0v24h-500.0z"' in rows[1].drawn


def test_values_are_curves_that_lift_the_pen_where_nothing_is_labelled():
    (row,) = timeline(case([[0], [1], [1]], [[-1], [NAN], [1]]), continuous("ccc", -1, 1), ["x"])
    truth, pred = re.findall(r' d="([^"]+)"', row.drawn)
    assert truth == f"M{WIDTH / 6:.2f} {HEIGHT:.0f}M{5 * WIDTH / 6:.2f} 0"
    assert pred == f"M{WIDTH / 6:.2f} {HEIGHT / 2:.0f}L{WIDTH / 2:.0f} 0L{5 * WIDTH / 6:.2f} 0"


def test_long_videos_are_drawn_with_few_points():
    wave = np.sin(np.linspace(0, 9, 30_000))[:, None]
    (row,) = timeline(case(wave, wave), continuous("ccc", -1, 1), ["x"])
    assert row.drawn.count("L") == 2 * 499
    restless = np.eye(2)[np.arange(30_001) % 2]
    ribbon, _ = timeline(case(restless, restless), ONE_OF, ["a", "b"])
    assert ribbon.drawn.count("<rect") <= 1000


def test_a_clip_with_one_score_is_bars_with_the_truth_marked():
    first, _ = bars(case([[0.25, 0.5]], [[0.75, 0.5]], face=[True] * 9), continuous("pearson", 0, 1), ["a", "b"])
    assert 'class="bar" x="0%" width="25%"' in first.drawn
    assert 'class="truth" x1="75%"' in first.drawn
    assert "a: predicted 0.250, true 0.750" in first.drawn


class Faces:
    """A reader whose frame i is a square of grey i; it fails for a frame without a face."""

    def view(self) -> Any:
        return self

    def images(self, video: Video, indices: list[int]) -> list[Any]:
        assert video.face_F[indices].all()
        return [np.full((100, 100, 3), index, np.uint8) for index in indices]


def test_faces_are_spread_over_the_video_and_those_there_are():
    video = case(np.zeros((80, 1)), np.zeros((80, 1)), face=[i not in (25, 26) for i in range(80)])
    found = thumbnails(video, Faces())  # type: ignore[arg-type]
    assert [time for time, _ in found] == ["0.5 s", "1.5 s", "2.4 s", *(f"{i}.5 s" for i in range(3, 8))]
    image = Image.open(io.BytesIO(base64.b64decode(found[0][1].removeprefix("data:image/jpeg;base64,"))))
    assert image.size == (PIXELS, PIXELS)
    assert abs(np.asarray(image).mean() - 5) < 2
    assert thumbnails(case([[0]], [[0]], face=[False]), Faces()) == []  # type: ignore[arg-type]


def test_classes_have_colours_of_their_own():
    assert len({hue(i, 8) for i in range(8)}) == 8
