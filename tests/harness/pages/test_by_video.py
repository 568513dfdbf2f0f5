from __future__ import annotations

import numpy as np
import pytest

from harness.metrics import CCC, F1, Pearson
from harness.pages.by_video import from_worst


def test_f1_with_labels_pooled_is_the_share_of_rows_met_where_one_label_holds():
    one_hot = np.eye(3)
    stats = [F1().stats(one_hot[[0, 1, 2, 2]], one_hot[[0, 1, 1, 1]]), F1().stats(one_hot[[0, 1]], one_hot[[0, 1]])]
    met = from_worst(F1(), np.stack(stats), ["bad", "good"], ["g", "g"])
    assert [(one.video, one.rows, one.value, one.share) for one in met] == [("bad", 4, 0.5, 0.5), ("good", 2, 1.0, 1.0)]


@pytest.mark.parametrize("metric", [CCC(), Pearson()])
def test_values_are_ordered_by_their_error_however_little_the_truth_changes(metric: CCC | Pearson):
    rng = np.random.default_rng(0)
    pairs = [(rng.random((30, 2)), np.full((30, 2), 0.4)), (rng.random((20, 2)) / 9, np.zeros((20, 2)))]
    stats = np.stack([metric.stats(*pair) for pair in pairs])
    met = from_worst(metric, stats, ["far", "near"], ["a", "b"])
    assert [one.video for one in met] == ["far", "near"]
    errors = [np.sqrt(((pred - target) ** 2).mean(axis=0)).mean() for pred, target in pairs]
    naive = [np.sqrt(((pred - target) ** 2).mean(axis=0).mean()) for pred, target in pairs]
    assert [one.value for one in met] == pytest.approx(naive, abs=1e-12)
    assert errors[0] == pytest.approx(naive[0], rel=0.1)
    assert met[0].share == 1.0


def test_a_video_without_labelled_rows_is_left_out_and_equals_stand_by_name():
    some, none = np.zeros((2, 2)), np.full((2, 2), np.nan)
    stats = np.stack([F1().stats(some, target) for target in (none, some, some)])
    assert [one.video for one in from_worst(F1(), stats, ["c", "b", "a"], ["g"] * 3)] == ["a", "b"]
