"""The metrics against references that import nothing of harness, at 1e-12, and the conventions that change numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from judged_rows import EXACT, binary, ccc_by_hand, pieces
from numpy.typing import NDArray

from harness import metrics
from harness.errors import UserError

Array = NDArray[Any]


# -- references: nothing of harness below --------------------------------------------------------


def pearson_by_scipy(pred_R: Array, target_R: Array) -> float:
    from scipy.stats import pearsonr

    if len(pred_R) < 2 or np.ptp(pred_R) == 0 or np.ptp(target_R) == 0:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of nearly constant input, which is what is tested
        return float(pearsonr(pred_R, target_R).statistic)


def f1_by_sklearn(pred_RL: Array, target_RL: Array) -> Array:
    from sklearn.metrics import f1_score

    return np.asarray(f1_score(target_RL.astype(int), pred_RL.astype(int), average=None, zero_division=0))


# -- inputs --------------------------------------------------------------------------------------


def continuous(case: str, rows: int = 400, labels: int = 3) -> tuple[Array, Array]:
    rng = np.random.default_rng(3)
    target_RL = rng.normal(size=(rows, labels))
    pred_RL = 0.6 * target_RL + rng.normal(size=(rows, labels)) + 0.2
    if case == "tiny variance":
        return 0.4 + 1e-7 * pred_RL, 0.4 + 1e-7 * target_RL
    if case == "large offset":
        return 1e6 + pred_RL, 1e6 + target_RL
    if case == "constant prediction":
        return np.full_like(pred_RL, 0.1), target_RL
    if case == "constant target":
        return pred_RL, np.full_like(target_RL, 1e6 + 0.1)
    return pred_RL, target_RL


CASES = ("random", "tiny variance", "large offset", "constant prediction", "constant target")


def one_hot(seed: int, rows: int = 300, labels: int = 8, used: int = 6) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    eye = np.eye(labels)
    return eye[rng.integers(used, size=rows)], eye[rng.integers(used, size=rows)]


# -- against references --------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("name", "reference"), [("ccc", ccc_by_hand), ("pearson", pearson_by_scipy)])
@pytest.mark.parametrize("videos", [1, 17])
def test_continuous_metrics_equal_references(case: str, name: str, reference: Any, videos: int) -> None:
    metric = metrics.get(name)
    pred_RL, target_RL = continuous(case)
    target_RL[::7, 1] = np.nan
    expected = []
    for label in range(3):
        keep = ~np.isnan(target_RL[:, label])
        expected.append(reference(pred_RL[keep, label], target_RL[keep, label]))
    scores_L = metric.score(metric.merge(pieces(metric, pred_RL, target_RL, videos)))
    np.testing.assert_allclose(scores_L, expected, rtol=0, atol=EXACT)
    if "constant" in case:
        assert scores_L.tolist() == [0.0, 0.0, 0.0]
    else:
        assert (np.abs(scores_L) > 0.1).all()


def test_pearson_equals_scipy_where_only_the_offsets_differ() -> None:
    pred_RL, target_RL = continuous("random")
    expected = [pearson_by_scipy(pred_R, target_R) for pred_R, target_R in zip(pred_RL.T, target_RL.T, strict=True)]
    pearson = metrics.get("pearson")
    np.testing.assert_allclose(pearson.score(pearson.stats(pred_RL + 1e6, target_RL)), expected, rtol=0, atol=1e-9)
    # the offset itself rounds the input to 1e-10: against the rounded input the agreement is full
    rounded = [pearson_by_scipy(p, t) for p, t in zip((pred_RL + 1e6).T, target_RL.T, strict=True)]
    np.testing.assert_allclose(pearson.score(pearson.stats(pred_RL + 1e6, target_RL)), rounded, rtol=0, atol=EXACT)


@pytest.mark.parametrize("make", [binary, one_hot])
@pytest.mark.parametrize("videos", [1, 17])
def test_f1_equals_sklearn_with_absent_labels(make: Any, videos: int) -> None:
    f1 = metrics.get("f1")
    pred_RL, target_RL = make(5)
    merged = f1.merge(pieces(f1, pred_RL, target_RL, videos))
    np.testing.assert_allclose(f1.score(merged), f1_by_sklearn(pred_RL, target_RL), rtol=0, atol=EXACT)
    assert merged.dtype == np.int64
    assert f1.rows(merged).tolist() == [300] * pred_RL.shape[1]
    assert f1.undefined(merged).tolist() == [make is one_hot and label >= 6 for label in range(pred_RL.shape[1])]


def test_f1_leaves_out_unlabelled_rows_per_label() -> None:
    f1 = metrics.get("f1")
    pred_RL, target_RL = binary(1)
    target_RL[:40] = np.nan
    target_RL[40:90, 2] = np.nan
    pred_RL[0] = np.nan  # an unlabelled row may hold anything
    scores_L = f1.score(f1.stats(pred_RL, target_RL))
    for label in range(5):
        keep = ~np.isnan(target_RL[:, label])
        expected = f1_by_sklearn(pred_RL[keep, label : label + 1], target_RL[keep, label : label + 1])[-1]
        assert scores_L[label] == pytest.approx(expected, abs=EXACT)
    assert f1.rows(f1.stats(pred_RL, target_RL)).tolist() == [260, 260, 210, 260, 260]


def test_pooled_is_not_the_mean_over_videos() -> None:
    f1 = metrics.get("f1")
    videos = [(np.ones((1, 1)), np.ones((1, 1))), (np.zeros((9, 1)), np.ones((9, 1)))]
    stats_VLk = np.array([f1.stats(*video) for video in videos])
    assert f1.score(stats_VLk).mean() == 0.5
    assert f1.score(f1.merge(stats_VLk)).tolist() == [2 / 11]


def test_moments_are_those_of_the_population() -> None:
    ccc = metrics.get("ccc")
    pred_R, target_R = np.array([0.0, 1.0]), np.array([1.0, 3.0])
    population = 2 * 0.5 / (0.25 + 1.0 + 1.5**2)
    sample = 2 * 1.0 / (0.5 + 2.0 + 1.5**2)
    score = ccc.score(ccc.stats(pred_R[:, None], target_R[:, None]))[0]
    assert score == pytest.approx(population, abs=EXACT)
    assert abs(score - sample) > 0.1


# -- conventions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["f1", "ccc", "pearson"])
def test_no_labelled_row_scores_zero_and_is_named(name: str) -> None:
    metric = metrics.get(name)
    stats_Lk = metric.stats(np.zeros((3, 2)), np.full((3, 2), np.nan))
    assert metric.score(stats_Lk).tolist() == [0.0, 0.0]
    assert metric.undefined(stats_Lk).tolist() == [True, True]
    assert metric.rows(stats_Lk).tolist() == [0, 0]


@pytest.mark.parametrize("name", ["ccc", "pearson"])
def test_constant_in_every_video_is_not_constant_over_all(name: str) -> None:
    metric = metrics.get(name)
    stats_VLk = np.array([metric.stats(np.full((4, 1), v), np.full((4, 1), v)) for v in (0.1, 0.7, 0.9)])
    assert metric.score(stats_VLk).tolist() == [[0.0], [0.0], [0.0]]
    assert metric.score(metric.merge(stats_VLk)) == pytest.approx(1.0, abs=EXACT)


@pytest.mark.parametrize("name", ["ccc", "pearson"])
@pytest.mark.parametrize("value", [0.1, 1e6 + 0.1, 1e-300])
def test_one_constant_merged_from_unequal_videos_stays_constant(name: str, value: float) -> None:
    metric = metrics.get(name)
    rng = np.random.default_rng(0)
    stats_VLk = np.array([metric.stats(np.full((n, 1), value), rng.normal(size=(n, 1))) for n in (1, 3, 7, 11)])
    assert metric.score(metric.merge(stats_VLk)).tolist() == [0.0]


@pytest.mark.parametrize("name", ["f1", "ccc", "pearson"])
def test_score_broadcasts_over_leading_dimensions(name: str) -> None:
    metric = metrics.get(name)
    stats_VLk = pieces(metric, *binary(2), count=6)
    nested = metric.score(stats_VLk.reshape(2, 3, *stats_VLk.shape[1:]))
    assert nested.shape == (2, 3, 5)
    np.testing.assert_array_equal(nested.reshape(6, 5), metric.score(stats_VLk))
    assert stats_VLk.shape[-1] == len(metric.columns)


def test_facts_of_the_metrics() -> None:
    assert {name: metric.bounds for name, metric in metrics.METRICS.items()} == {
        "f1": (0.0, 1.0),
        "ccc": (-1.0, 1.0),
        "pearson": (-1.0, 1.0),
    }
    assert all(metric.higher_is_better for metric in metrics.METRICS.values())
    with pytest.raises(UserError, match=r"No metric is called 'cccc'\. Did you mean 'ccc'\?"):
        metrics.get("cccc")


@pytest.mark.parametrize("name", ["f1", "ccc", "pearson"])
def test_a_prediction_that_is_not_finite_is_an_error(name: str) -> None:
    pred_RL, target_RL = binary(0)
    pred_RL[5, 1] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        metrics.get(name).stats(pred_RL, target_RL)
    with pytest.raises(ValueError, match="rows by labels"):
        metrics.get(name).stats(pred_RL[:-1], target_RL)


def test_f1_of_scores_instead_of_decisions_is_an_error() -> None:
    pred_RL, target_RL = binary(0)
    with pytest.raises(ValueError, match="decide first"):
        metrics.get("f1").stats(0.5 * pred_RL, target_RL)
    with pytest.raises(ValueError, match="decide first"):
        metrics.get("f1").stats(pred_RL, 0.5 * target_RL)
