"""Gradients against finite differences of the closing formula; standard errors against recordings made heavier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import metrics
from harness.statistics import influence

NAMES = ("f1", "ccc", "pearson")


def recordings(name: str, groups: int = 12, labels: int = 3, offset: float = 0.0) -> NDArray[Any]:
    rng = np.random.default_rng(len(name))
    found = []
    for _ in range(groups):
        n = int(rng.integers(5, 40))
        if name == "f1":
            said_R, true_R = rng.integers(labels, size=(2, n))
            found.append(metrics.get(name).stats(np.eye(labels)[said_R], np.eye(labels)[true_R]))
        else:
            truth_RL = offset + rng.normal(size=(n, labels)) + rng.normal(size=labels)
            said_RL = 0.5 * truth_RL + 0.5 * offset + rng.normal(size=(n, labels))
            found.append(metrics.get(name).stats(said_RL, truth_RL))
    return np.stack(found)


def score_of_sums(name: str, sums_Lj: NDArray[Any]) -> NDArray[Any]:
    """The closing formulas, written once more in terms of plain sums."""
    s = np.moveaxis(sums_Lj, -1, 0)
    if name == "f1":
        return np.asarray(2 * s[0] / s[1])
    n, x, y, xx, yy, xy = s
    cov, var_x, var_y = xy / n - x * y / n**2, xx / n - (x / n) ** 2, yy / n - (y / n) ** 2
    if name == "ccc":
        return np.asarray(2 * cov / (var_x + var_y + (x / n - y / n) ** 2))
    return np.asarray(cov / np.sqrt(var_x * var_y))


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("name", NAMES)
def test_sums_give_the_score(name: str, offset: float) -> None:
    stats_GLk, metric = recordings(name, offset=offset), metrics.get(name)
    total_Lj = influence.sums_of(metric, stats_GLk).sum(axis=0)
    np.testing.assert_allclose(score_of_sums(name, total_Lj), metric.score(metric.merge(stats_GLk)), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    metric = metrics.get(name)
    total_Lj = influence.sums_of(metric, recordings(name)).sum(axis=0)
    found_Lj = influence.gradient_of(metric, total_Lj[None])[0]
    for j in range(total_Lj.shape[1]):
        step = 1e-5 * np.abs(total_Lj).max() * np.eye(total_Lj.shape[1])[j]
        slope_L = (score_of_sums(name, total_Lj + step) - score_of_sums(name, total_Lj - step)) / (2 * step[j])
        np.testing.assert_allclose(found_Lj[:, j], slope_L, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_influences_add_up_to_nothing_and_their_squares_to_the_variance(name: str) -> None:
    metric, stats_GLk = metrics.get(name), recordings(name)
    sums_GLj = influence.sums_of(metric, stats_GLk)
    weights_BG = np.random.default_rng(0).integers(0, 4, (5, len(stats_GLk))).astype(float)
    variance_BM = influence.Influences(metric, [sums_GLj], (1.0,)).variance(weights_BG)
    for weights_G, variance_M in zip(weights_BG, variance_BM, strict=True):
        gradient_Lj = influence.gradient_of(metric, np.einsum("g,glj->lj", weights_G, sums_GLj)[None])[0]
        of_GL = (sums_GLj * gradient_Lj).sum(axis=-1)
        influence_GM = np.column_stack([of_GL, of_GL.mean(axis=1)])
        np.testing.assert_allclose(weights_G @ influence_GM, 0, atol=1e-9)
        np.testing.assert_allclose(weights_G @ influence_GM**2, variance_M, rtol=1e-7, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_many_sums_and_few_give_the_same_errors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = metrics.get(name)
    systems = [influence.sums_of(metric, recordings(name, offset=offset)) for offset in (0.0, 0.5, 1.0)]
    weights_BG = np.random.default_rng(0).integers(0, 4, (5, len(systems[0]))).astype(float)
    found = []
    for few in (0, 20, 100):  # no products, those within a label, all
        monkeypatch.setattr(influence, "FEW_SUMS", few)
        found.append(influence.Influences(metric, systems, (0.5, 0.5, -1.0)).variance(weights_BG))
    for one in found[1:]:
        np.testing.assert_allclose(found[0], one, rtol=1e-9, atol=1e-15)


def test_a_side_that_is_constant_but_for_rounding_has_errors_that_can_be_trusted() -> None:
    """Predictions of one float32 and its neighbour: what they are offset by must not matter."""
    pearson, rng = metrics.get("pearson"), np.random.default_rng(0)
    truth_GRL, which_GRL = rng.normal(size=(12, 5, 1)), rng.integers(2, size=(12, 5, 1))
    said_GRL = np.where(which_GRL, np.nextafter(np.float32(0.13), np.float32(1)), np.float32(0.13)).astype(float)
    errors = []
    for pairs in (zip(said_GRL, truth_GRL, strict=True), zip(which_GRL, truth_GRL, strict=True)):
        sums_GLj = influence.sums_of(pearson, np.stack([pearson.stats(*pair) for pair in pairs]))
        errors.append(influence.Influences(pearson, [sums_GLj], (1.0,)).variance(np.ones((1, 12))))
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_where_a_score_is_nothing_by_convention_no_recording_moves_it(name: str) -> None:
    metric = metrics.get(name)
    nothing = np.zeros((4, 2)) if name == "f1" else np.full((4, 2), 0.5)
    stats_GLk = np.stack([metric.stats(nothing, nothing) for _ in range(3)])
    sums_GLj = influence.sums_of(metric, stats_GLk)
    np.testing.assert_array_equal(influence.Influences(metric, [sums_GLj], (1.0,)).influence(), np.zeros((3, 3)))
