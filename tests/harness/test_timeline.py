from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from harness.kinds import ANY_OF, ONE_OF, Kind, continuous
from harness.timeline import WARN, frame_edges, timeline_png

TIMES = (np.arange(40) / 25).tolist()
ALL_SEEN = np.ones(40, bool)


def picture(scores_RL: np.ndarray, kind: Kind, *, face_F: np.ndarray = ALL_SEEN, demo: bool = False) -> np.ndarray:
    labels = [f"label {i}" for i in range(scores_RL.shape[1])]
    png = timeline_png(
        scores_RL.astype(np.float32), TIMES, face_F, kind=kind, labels=labels, title="a clip: task", demo=demo
    )
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def pixels_like(image_HWC: np.ndarray, colour: str) -> int:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((np.abs(image_HWC - rgb).max(axis=2) < 40).sum())


@pytest.mark.parametrize(
    ("kind", "rows", "labels"),
    [(ONE_OF, 40, 8), (ANY_OF, 40, 12), (continuous("ccc", -1, 1), 40, 2), (continuous("pearson", 0, 1), 1, 6)],
)
def test_every_kind_is_1200_pixels_wide_and_grows_with_its_labels(kind: Kind, rows: int, labels: int):
    image = picture(np.random.default_rng(0).random((rows, labels)), kind)
    assert image.shape[1] == 1200
    assert 300 < image.shape[0] < 1200


def test_a_demo_model_is_called_so_in_red():
    scores_RL = np.full((40, 2), 0.3)
    assert pixels_like(picture(scores_RL, ANY_OF), WARN) == 0
    assert pixels_like(picture(scores_RL, ANY_OF, demo=True), WARN) > 500


def test_stretches_without_a_face_are_shaded():
    half = np.arange(40) < 20
    seen, unseen = picture(np.zeros((40, 2)), ANY_OF), picture(np.zeros((40, 2)), ANY_OF, face_F=half)
    grey = (np.abs(unseen - 221) < 12).all(axis=2)
    assert not (np.abs(seen - 221) < 12).all(axis=2)[90:150, 200:1100].any()
    assert grey[100:120, 700:1150].all()  # 0.8 s is at pixel 666
    assert not grey[100:120, 200:640].any()


def test_the_last_frame_lasts_as_long_as_the_median_one():
    assert frame_edges([0.0, 0.1, 0.2, 0.9]).tolist() == pytest.approx([0, 0.1, 0.2, 0.9, 1.0])
    assert frame_edges([0.0]).tolist() == [0, 0.04]
