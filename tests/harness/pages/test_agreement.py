from __future__ import annotations

import re

import numpy as np
import pytest

from harness.kinds import continuous
from harness.metrics import F1
from harness.pages.agreement import BINS, Counts, confusion, counts, left_out, pairs, scatter, shares
from harness.pages.evidence import Case
from harness.types import Video


def case(scores: object, target: object) -> Case:
    scores_RL, target_RL = np.array(scores, np.float32), np.array(target, np.float32)
    return Case(Video("v", "g", "valid", len(scores_RL), 10.0, np.ones(len(scores_RL), bool)), scores_RL, target_RL)


def test_counts_are_those_of_the_metric():
    stats = F1().stats(np.array([[1, 0], [1, 0], [0, 0]]), np.array([[1, 0], [0, 0], [1, np.nan]]))
    first, second = counts(np.stack([stats, stats]), ["a", "b"])
    assert first == Counts("a", tp=2, fp=2, fn=2, tn=0)
    assert (first.precision, first.recall) == (0.5, 0.5)
    assert second == Counts("b", tp=0, fp=0, fn=0, tn=4)
    assert (second.precision, second.recall) == (None, None)


def test_confusion_counts_rows_with_label_and_prediction_by_truth_and_decision():
    nan = np.nan
    scores = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.6, 0.4], [nan, nan]]
    one = case(scores, [[1, 0], [1, 0], [0, 1], [nan, nan], [0, 1]])
    count_LL = confusion([one, one], 2)
    assert count_LL.tolist() == [[2, 2], [2, 0]]
    assert shares(count_LL, axis=1) == [[0.5, 0.5], [1.0, 0.0]]
    assert shares(count_LL, axis=0) == [[0.5, 1.0], [0.5, 0.0]]


def test_labelled_rows_that_a_confusion_leaves_out_are_counted():
    nan = np.nan
    one = case([[0.9, 0.1], [nan, nan], [nan, nan], [0.6, 0.4]], [[1, 0], [0, 1], [nan, nan], [nan, nan]])
    assert (confusion([one, one], 2).sum(), left_out([one, one])) == (2, 2)
    assert left_out([]) == 0


def test_what_never_occurs_has_no_share():
    assert shares(np.array([[3, 0], [0, 0]]), axis=1) == [[1.0, 0.0], [None, None]]
    assert shares(np.array([[3, 0], [0, 0]]), axis=0) == [[1.0, None], [0.0, None]]


def test_pairs_leave_unlabelled_rows_out_label_by_label():
    target_R, pred_R = pairs([case([[0.1, 0.2], [0.3, 0.4], [0, np.nan]], [[1, np.nan], [0, 0.5], [0, 0.1]])], 1)
    assert (target_R.tolist(), pred_R.tolist()) == ([0.5], [pytest.approx(0.4)])


def test_few_rows_are_dots_where_truth_and_prediction_put_them():
    drawn = scatter(np.array([-1.0, 1.0]), np.array([-1.0, 0.0]), continuous("ccc", -1, 1), "valence")
    assert re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', drawn) == [("0", str(BINS)), (str(BINS), str(BINS // 2))]


def test_many_rows_are_a_density_of_every_bin_once():
    rng = np.random.default_rng(0)
    target_R, pred_R = rng.random(5000), rng.random(5000)
    drawn = scatter(target_R, pred_R, continuous("pearson", 0, 1), "joy")
    count, _, _ = np.histogram2d(target_R, pred_R, bins=BINS, range=((0, 1), (0, 1)))
    assert "circle" not in drawn
    assert drawn.count("h1v1h-1z") == (count > 0).sum()
