"""How often an interval holds the truth, and how often a comparison cries wolf, in two made-up worlds.

    python tests/interval_coverage.py --times 1000

World "a": every label in well over 20 of 70 recordings. World "b": three of eight labels in about 14, 12 and 10 of 70,
three recordings holding some 80 % of each, as Anger, Disgust and Fear in Aff-Wild2's validation side. The truth is the
score of 200,000 recordings of the same world.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.metrics import Metric, get
from harness.statistics.bootstrap import interval, paired
from harness.statistics.intervals import METHODS
from harness.statistics.two_level import seeds_mean

RECORDINGS, LABELS, MANY = 70, 8, 200_000
SEEDS, LUCK = (2, 3, 5, 10), (0.02, 0.05)
RARE = {1: 14, 2: 12, 3: 10}  # label: recordings of 70 that have it
SKILL = np.array([0.60, 0.35, 0.40, 0.30, 0.60, 0.50, 0.45, 0.55])  # share of a label's frames decided rightly
Array = NDArray[Any]


def f1_world(name: str, n: int, rng: np.random.Generator) -> Array:
    """stats_VLk of n recordings: how long they are, which labels they hold and how well they are decided all vary."""
    frames = np.maximum(50, rng.lognormal(np.log(800), 0.5, n)).astype(int)
    share = rng.dirichlet(np.full(LABELS, 1.0), n)
    share[share < 0.04] = 0
    if name == "b":
        for label, recordings in RARE.items():
            held = rng.random(n) < recordings / RECORDINGS
            much = np.clip(rng.lognormal(np.log(0.005), 2.7, n), 2 / frames, 0.9)  # what is held has some frames
            share[:, label] = np.where(held, much, 0)
    share[:, 0] += share.sum(axis=1) == 0  # a recording of nothing else is of the first label
    share /= share.sum(axis=1, keepdims=True)
    true_NL = rng.multinomial(frames, share)
    return _decided(true_NL, rng)


def _decided(true_NL: Array, rng: np.random.Generator, skill: Array = SKILL) -> Array:
    n = len(true_NL)
    right, said = np.zeros_like(true_NL), np.zeros_like(true_NL)
    for label in range(LABELS):
        mean = np.full(LABELS, (1 - skill[label]) / (LABELS - 1))
        mean[label] = skill[label]
        decided = rng.multinomial(true_NL[:, label], rng.dirichlet(6 * mean, n))
        said += decided
        right[:, label] = decided[:, label]
    rows = np.broadcast_to(true_NL.sum(axis=1, keepdims=True), true_NL.shape)
    return np.stack([rows, right, said - right, true_NL - right], axis=-1)


def value_world(name: str, n: int, rng: np.random.Generator, noise: Sequence[float] = (0.8, 1.1)) -> Array:
    """stats_VLk of two values: each recording has its level, its spread and the bias it is met with."""
    metric, frames = get(name), 40
    level_N1 = rng.normal(0, 0.6, (n, 1))
    found = []
    for error in noise:
        spread_N1 = rng.gamma(4, 0.15, (n, 1))
        truth_NF = level_N1 + spread_N1 * np.cumsum(rng.normal(0, 0.3, (n, frames)), axis=1)
        said_NF = 0.6 * truth_NF + rng.normal(0, 0.4, (n, 1)) + error * 0.5 * rng.normal(size=(n, frames))
        pairs = zip(said_NF[..., None], truth_NF[..., None], strict=True)
        found.append(np.stack([metric.stats(said_F1, truth_F1)[0] for said_F1, truth_F1 in pairs]))
    return np.stack(found, axis=1)


def world(metric: str, name: str, n: int, rng: np.random.Generator) -> Array:
    """n recordings of a world, judged by this metric."""
    return f1_world(name, n, rng) if metric == "f1" else value_world(metric, n, rng)


def truth_of(metric: Metric, name: str, rng: np.random.Generator) -> Array:
    """Scores of so many recordings that they count as the truth: every label's, then P."""
    many = MANY if metric.name == "f1" else MANY // 10
    score_L = metric.score(metric.merge(world(metric.name, name, many, rng)))
    return np.append(score_L, score_L.mean())


def coverage(metric_name: str, name: str, times: int, method: str, *, draws: int = 1000, seed: int = 0) -> Array:
    """How often, of `times` samples of 70 recordings, the 95 % interval holds the truth: of every label, then of P."""
    metric, groups = get(metric_name), [f"r{i}" for i in range(RECORDINGS)]
    truth_M = truth_of(metric, name, np.random.default_rng([seed, 1]))
    rng = np.random.default_rng([seed, 2])
    held = np.zeros(len(truth_M))
    for time in range(times):
        found = interval(
            metric, world(metric_name, name, RECORDINGS, rng), groups, draws=draws, seed=time, method=method
        )
        ends = np.array([(one.low, one.high) for one in (*found.labels, found.p)])
        held += (ends[:, 0] <= truth_M) & (truth_M <= ends[:, 1])
    return held / times


def false_alarms(name: str, times: int, *, method: str = "studentised", draws: int = 1000, seed: int = 0) -> Array:
    """How often two systems of equal skill, erring independently, differ at p < 0.05: of every label, then of P."""
    f1, groups = get("f1"), [f"r{i}" for i in range(RECORDINGS)]
    rng = np.random.default_rng([seed, 3])
    alarms = np.zeros(LABELS + 1)
    for time in range(times):
        first = f1_world(name, RECORDINGS, rng)
        found = paired(f1, first, _decided(_true(first), rng), groups, draws=draws, seed=time, method=method)
        alarms += [one.p_value < 0.05 for one in (*found.labels, found.p)]
    return alarms / times


def seeds_coverage(
    seeds: int, times: int, *, luck: float, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """How often the 95 % interval holds P of a training procedure, whose runs differ in skill by `luck` (deviation).

    Of the mean over `seeds` runs on the same 70 recordings of world "a", recordings and seeds drawn; and of the first
    run alone, recordings drawn.
    """
    f1, groups = get("f1"), [f"r{i}" for i in range(RECORDINGS)]

    def run(true_NL: Array, rng: np.random.Generator) -> Array:
        return _decided(true_NL, rng, np.clip(SKILL + luck * rng.normal(), 0.05, 0.95))

    rng = np.random.default_rng([seed, 4])
    many_NL = _true(f1_world("a", 3000, rng))
    truth = float(np.mean([f1.score(f1.merge(run(many_NL, rng))).mean() for _ in range(400)]))
    held, alone = 0, 0
    for time in range(times):
        true_NL = _true(f1_world("a", RECORDINGS, rng))
        runs = [run(true_NL, rng) for _ in range(seeds)]
        p = seeds_mean(f1, [[(stats, groups)] for stats in runs], draws=draws, seed=time).p
        held += p.low <= truth <= p.high
        p = interval(f1, runs[0], groups, draws=draws, seed=time).p
        alone += p.low <= truth <= p.high
    return held / times, alone / times


def _true(stats_NLk: Array) -> Array:
    return np.asarray(stats_NLk[..., 1] + stats_NLk[..., 3])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=1000, help="samples a world (default 1000)")
    parser.add_argument("--draws", type=int, default=1000, help="draws a sample (default 1000)")
    asked = parser.parse_args()
    print(_row(["world", "score", "interval", "rare labels", "other labels", "P"]))
    print(_row([":--", ":--", ":--", "--:", "--:", "--:"]))
    for name, metric in (("a", "f1"), ("a", "ccc"), ("a", "pearson"), ("b", "f1")):
        for method in METHODS:
            held = 100 * coverage(metric, name, asked.times, method, draws=asked.draws)
            rare = sorted(RARE) if name == "b" else []
            others = [i for i in range(len(held) - 1) if i not in rare]
            told = [", ".join(f"{held[i]:.1f}" for i in which) for which in (rare, others)]
            print(_row([name, metric, method, *told, f"{held[-1]:.1f}"]), flush=True)
    print()
    print(_row(["world", "method", "labels", "P"]))
    print(_row([":--", ":--", "--:", "--:"]))
    for method in METHODS:
        alarms = 100 * false_alarms("a", asked.times, method=method, draws=asked.draws)
        labels = ", ".join(f"{one:.1f}" for one in alarms[:-1])
        print(_row(["a", method, labels, f"{alarms[-1]:.1f}"]), flush=True)
    print()
    print(_row(["seeds", *(f"differ by {luck}: {what}" for luck in LUCK for what in ("two-level", "one run alone"))]))
    print(_row(["--:"] * (1 + 2 * len(LUCK))))
    for seeds in SEEDS:
        held = [share for luck in LUCK for share in seeds_coverage(seeds, asked.times, luck=luck, draws=asked.draws)]
        print(_row([str(seeds), *(f"{100 * share:.1f}" for share in held)]), flush=True)


if __name__ == "__main__":
    main()
