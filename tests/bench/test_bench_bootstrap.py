"""How much the mergeable statistics save: the same draws by resampled rows with scikit-learn, and vectorised."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import bootstrap, metrics

pytest.importorskip("pytest_benchmark")
DRAWS, FEW, FRAMES = 10_000, 3, 100


def classes(videos: int, labels: int = 8) -> tuple[NDArray[Any], NDArray[Any]]:
    """Decided and true class of every frame, videos x FRAMES."""
    rng = np.random.default_rng(0)
    shape = (videos, FRAMES)
    true_VF = rng.integers(labels, size=shape)
    return np.where(rng.random(shape) < 0.5, true_VF, rng.integers(labels, size=shape)), true_VF


def by_sklearn(said_VF: NDArray[Any], true_VF: NDArray[Any], drawn_V: NDArray[Any]) -> None:
    from sklearn.metrics import f1_score

    f1_score(true_VF[drawn_V].ravel(), said_VF[drawn_V].ravel(), average="macro", zero_division=0)


def vectorised(said_VF: NDArray[Any], true_VF: NDArray[Any], drawn_V: NDArray[Any], labels: int = 8) -> None:
    confusion = np.bincount((true_VF[drawn_V] * labels + said_VF[drawn_V]).ravel(), minlength=labels**2)
    matrix = confusion.reshape(labels, labels)
    tp = matrix.diagonal()
    np.mean(2 * tp / np.maximum(matrix.sum(0) + matrix.sum(1), 1))


def seconds_for_all(one: Callable[..., None], said_VF: NDArray[Any], true_VF: NDArray[Any]) -> float:
    """A few draws timed, scaled to DRAWS."""
    rng = np.random.default_rng(1)
    one(said_VF, true_VF, np.arange(len(said_VF)))  # imports and caches are not what is compared
    start = time.perf_counter()
    for _ in range(FEW):
        one(said_VF, true_VF, rng.integers(len(said_VF), size=len(said_VF)))
    return (time.perf_counter() - start) * DRAWS / FEW


@pytest.mark.parametrize("videos", [60, 600])
def test_bench_macro_f1_interval(benchmark: Any, videos: int) -> None:
    said_VF, true_VF = classes(videos)
    f1, eye = metrics.get("f1"), np.eye(8)
    stats_VLk = np.array([f1.stats(eye[said], eye[true]) for said, true in zip(said_VF, true_VF, strict=True)])
    groups = [f"rec{v}" for v in range(videos)]
    found = benchmark.pedantic(bootstrap.interval, args=(f1, stats_VLk, groups), kwargs={"draws": DRAWS}, rounds=3)
    assert found.p.low < found.p.value < found.p.high
    if benchmark.stats is not None:
        own = benchmark.stats.stats.min
        benchmark.extra_info["sklearn / harness"] = seconds_for_all(by_sklearn, said_VF, true_VF) / own
        benchmark.extra_info["vectorised rows / harness"] = seconds_for_all(vectorised, said_VF, true_VF) / own


@pytest.mark.parametrize(("name", "labels"), [("ccc", 2), ("pearson", 6)])
@pytest.mark.parametrize("videos", [60, 600])
def test_bench_continuous_interval(benchmark: Any, name: str, labels: int, videos: int) -> None:
    metric, rng = metrics.get(name), np.random.default_rng(0)
    truth_VFL = rng.normal(size=(videos, FRAMES, labels))
    pred_VFL = truth_VFL + rng.normal(size=truth_VFL.shape)
    stats_VLk = np.array([metric.stats(pred, truth) for pred, truth in zip(pred_VFL, truth_VFL, strict=True)])
    groups = [f"rec{v}" for v in range(videos)]
    found = benchmark.pedantic(bootstrap.interval, args=(metric, stats_VLk, groups), kwargs={"draws": DRAWS}, rounds=3)
    assert found.p.low < found.p.value < found.p.high

    def naive(said_VFL: NDArray[Any], true_VFL: NDArray[Any], drawn_V: NDArray[Any]) -> None:
        for label in range(labels):
            np.cov(said_VFL[drawn_V, :, label].ravel(), true_VFL[drawn_V, :, label].ravel())

    if benchmark.stats is not None:
        benchmark.extra_info["vectorised rows / harness"] = (
            seconds_for_all(naive, pred_VFL, truth_VFL) / benchmark.stats.stats.min
        )


def test_bench_paired(benchmark: Any) -> None:
    said_VF, true_VF = classes(600)
    f1, eye = metrics.get("f1"), np.eye(8)
    stats_VLk = np.array([f1.stats(eye[said], eye[true]) for said, true in zip(said_VF, true_VF, strict=True)])
    groups = [f"rec{v}" for v in range(600)]
    found = benchmark.pedantic(bootstrap.paired, args=(f1, stats_VLk, stats_VLk, groups), rounds=2)
    assert found.p.p_value == 1.0
