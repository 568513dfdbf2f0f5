"""How much the mergeable statistics save: 10,000 draws of recordings, beside scoring every draw's rows again.

`make bench ARGS="-k bootstrap"` prints a table: seconds of processor time for 10,000 draws, and how many times longer
they take with (a) scikit-learn on the drawn rows and (b) the shortest NumPy on them, both timed over a few draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import metrics
from harness.statistics import bootstrap

pytest.importorskip("pytest_benchmark")
pytestmark = pytest.mark.benchmark(timer=time.process_time)
DRAWS, CLASSES = 10_000, 8
FEW, SECONDS = 3, 0.3  # a rival is timed over so many draws at least, and so long
LABELS = {"f1": CLASSES, "ccc": 2, "pearson": 6}  # EXPR, VA, EMI
Array = NDArray[Any]
Score = Callable[[Array, Array], Array]  # of all rows of a draw, prediction and truth: score_L


@dataclass(frozen=True)
class World:
    """Videos of equal length: classes of rows (V F), or values (V F L), in the form that suits a rival best."""

    metric: metrics.Metric
    pred_VF: Array
    target_VF: Array

    def stats(self) -> Array:
        """stats_VLk, as the harness keeps them."""
        videos = zip(self.pred_VF, self.target_VF, strict=True)
        if self.metric.name == "f1":
            eye = np.eye(CLASSES)
            return np.array([self.metric.stats(eye[pred_F], eye[target_F]) for pred_F, target_F in videos])
        return np.array([self.metric.stats(pred_FL, target_FL) for pred_FL, target_FL in videos])

    def groups(self) -> list[str]:
        return [f"rec{v:04}" for v in range(len(self.pred_VF))]

    def rescored(self, score: Score, drawn_V: Array) -> Array:
        """score_L of the rows of the drawn videos."""
        rows = (side[drawn_V].reshape(-1, *side.shape[2:]) for side in (self.pred_VF, self.target_VF))
        return score(*rows)


def world(name: str, videos: int, frames: int) -> World:
    rng = np.random.default_rng(0)
    if name == "f1":
        target_VF = rng.integers(CLASSES, size=(videos, frames))
        pred_VF = np.where(rng.random(target_VF.shape) < 0.5, target_VF, rng.integers(CLASSES, size=target_VF.shape))
        return World(metrics.get(name), pred_VF, target_VF)
    target_VFL = rng.normal(size=(videos, frames, LABELS[name]))
    return World(metrics.get(name), target_VFL + rng.normal(size=target_VFL.shape), target_VFL)


# -- rivals ----------------------------------------------------------------------------------------


def f1_by_sklearn(pred_R: Array, target_R: Array) -> Array:
    from sklearn.metrics import f1_score

    return np.asarray(f1_score(target_R, pred_R, labels=range(CLASSES), average=None, zero_division=0))


def f1_by_numpy(pred_R: Array, target_R: Array) -> Array:
    confusion = np.bincount(target_R * CLASSES + pred_R, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    return np.asarray(2 * confusion.diagonal() / np.maximum(confusion.sum(0) + confusion.sum(1), 1))


def ccc_by_sklearn(pred_RL: Array, target_RL: Array) -> Array:
    """scikit-learn has no CCC; it is 1 - MSE / (var + var + shift**2)."""
    from sklearn.metrics import mean_squared_error

    error_L = mean_squared_error(target_RL, pred_RL, multioutput="raw_values")
    shift_L = pred_RL.mean(axis=0) - target_RL.mean(axis=0)
    return np.asarray(1 - error_L / (pred_RL.var(axis=0) + target_RL.var(axis=0) + shift_L**2))


def ccc_by_numpy(pred_RL: Array, target_RL: Array) -> Array:
    mean_p, mean_t = pred_RL.mean(axis=0), target_RL.mean(axis=0)
    off_p, off_t = pred_RL - mean_p, target_RL - mean_t
    squares = [np.einsum("rl,rl->l", one, other) for one, other in ((off_p, off_t), (off_p, off_p), (off_t, off_t))]
    return np.asarray(2 * squares[0] / (squares[1] + squares[2] + len(pred_RL) * (mean_p - mean_t) ** 2))


def pearson_by_sklearn(pred_RL: Array, target_RL: Array) -> Array:
    from sklearn.feature_selection import r_regression

    return np.array([r_regression(p[:, None], t)[0] for p, t in zip(pred_RL.T, target_RL.T, strict=True)])


def pearson_by_numpy(pred_RL: Array, target_RL: Array) -> Array:
    off_p, off_t = pred_RL - pred_RL.mean(axis=0), target_RL - target_RL.mean(axis=0)
    squares = [np.einsum("rl,rl->l", one, other) for one, other in ((off_p, off_t), (off_p, off_p), (off_t, off_t))]
    return np.asarray(squares[0] / np.sqrt(squares[1] * squares[2]))


RIVALS: dict[str, tuple[Score, Score]] = {
    "f1": (f1_by_sklearn, f1_by_numpy),
    "ccc": (ccc_by_sklearn, ccc_by_numpy),
    "pearson": (pearson_by_sklearn, pearson_by_numpy),
}


def seconds_for_all(made: World, score: Score) -> float:
    """A few draws timed, scaled to DRAWS."""
    rng, videos = np.random.default_rng(1), len(made.pred_VF)
    made.rescored(score, np.arange(videos))  # imports and caches are not what is compared
    began, draws, took = time.process_time(), 0, 0.0
    while draws < FEW or took < SECONDS:
        made.rescored(score, rng.integers(videos, size=videos))
        draws, took = draws + 1, time.process_time() - began
    return took * DRAWS / draws


@pytest.mark.parametrize("name", sorted(RIVALS))
def test_rivals_score_the_same_draws_the_same(name: str) -> None:
    made = world(name, 12, 30)
    counts_BV = next(bootstrap.weights(12, 5)).astype(int)
    own_BL = made.metric.scorer(made.stats())(counts_BV)
    for score in RIVALS[name]:
        rival_BL = [made.rescored(score, np.repeat(np.arange(12), counts_V)) for counts_V in counts_BV]
        np.testing.assert_allclose(rival_BL, own_BL, rtol=0, atol=1e-12)


# -- benchmarks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["percentile", "studentised"])
@pytest.mark.parametrize(("videos", "frames"), [(60, 100), (600, 100), (600, 1000)])
@pytest.mark.parametrize("name", sorted(RIVALS))
def test_bench_bootstrap(
    benchmark: Any, ratios: list[dict[str, Any]], name: str, videos: int, frames: int, method: str
) -> None:
    made = world(name, videos, frames if benchmark.enabled else 5)
    words = {"draws": DRAWS if benchmark.enabled else 100, "method": method}
    what = (made.metric, made.stats(), made.groups())
    found = benchmark.pedantic(bootstrap.interval, args=what, kwargs=words, rounds=3)
    assert found.p.low < found.p.value < found.p.high
    if not benchmark.enabled:
        return
    own = benchmark.stats.stats.min
    by_sklearn, by_numpy = (seconds_for_all(made, score) for score in RIVALS[name])
    row = {"metric": f"{name}, {LABELS[name]} labels", "videos": videos, "frames each": frames, "method": method}
    ratio = {"scikit-learn / harness": f"{by_sklearn / own:,.0f}", "NumPy rows / harness": f"{by_numpy / own:,.0f}"}
    ratios.append(row | {"harness, s": f"{own:.3f}"} | ratio)
    benchmark.extra_info.update(ratio)


def test_bench_paired(benchmark: Any) -> None:
    made = world("f1", 600, 100 if benchmark.enabled else 5)
    stats_VLk = made.stats()
    draws = DRAWS if benchmark.enabled else 100
    what = (made.metric, stats_VLk, stats_VLk, made.groups())
    found = benchmark.pedantic(bootstrap.paired, args=what, kwargs={"draws": draws}, rounds=2)
    assert found.p.p_value == 1.0
