"""How long `harness leaderboard` takes over 2,000 rows: 50 systems on five tasks and eight splits, 70 recordings each.

Statistics lie beside every row, so the rows of each table are compared with each other and drawn 10,000 times.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).parents[1] / "harness"))

from finished_runs import row_of

from harness.boards.rows import SPLITS
from harness.cli.leaderboard import leaderboard
from harness.judge import score_block
from harness.metrics import get
from harness.records import write_row, write_stats
from harness.statistics.bootstrap import interval

pytest.importorskip("pytest_benchmark")
TASKS = {"va": ("ccc", 2), "expr": ("f1", 8), "au": ("f1", 12), "ce": ("f1", 7), "emi": ("pearson", 6)}
RECORDINGS, FRAMES = 70, 30


def statistics(metric: str, labels: int, skill: float, seed: int) -> NDArray[Any]:
    """stats_VLk of one system; the truth is the same for all."""
    truth_VFL = np.random.default_rng(labels).normal(size=(RECORDINGS, FRAMES, labels))
    said_VFL = skill * truth_VFL + (1 - skill) * np.random.default_rng(seed).normal(size=truth_VFL.shape)
    if metric == "f1":
        said_VFL, truth_VFL = (said_VFL > 0).astype(float), (truth_VFL > 0).astype(float)
    return np.stack([get(metric).stats(said, truth) for said, truth in zip(said_VFL, truth_VFL, strict=True)])


def write_records(records: Path, systems: int) -> int:
    """Rows of so many systems on every task and split; how many there are."""
    groups = [f"recording{v}" for v in range(RECORDINGS)]
    videos = [f"valid/{group}" for group in groups]
    for task, (metric, n) in TASKS.items():
        labels = [f"label{i}" for i in range(n)]
        for number in range(systems):
            stats_VLk = statistics(metric, n, 0.3 + 0.4 * number / systems, number)
            score = score_block(interval(get(metric), stats_VLk, groups, draws=50), labels)
            folder = records / "demo" / task / f"system{number}@demo"
            for split in SPLITS:
                facts = {"task": task, "metric": metric, "system": f"system{number}", "run": f"{number:012d}"}
                write_row(folder / f"{split}.json", row_of(split, score, **facts))
                if split not in ("folds-mean", "folds-pooled"):
                    write_stats(folder / f"{split}.stats.npz", stats_VLk, videos, groups, level="frame")
    return len(list(records.rglob("*.json")))


def test_bench_leaderboard(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = write_records(tmp_path / "leaderboards" / "records", systems=50 if benchmark.enabled else 2)

    def board() -> str:
        return CliRunner().invoke(leaderboard, ["--no-runs"], catch_exceptions=False).stderr

    said = benchmark.pedantic(board, rounds=3)
    assert " tables in leaderboards" in said
    assert "| a | >" in (tmp_path / "leaderboards" / "demo" / "expr.md").read_text().replace("&gt;", ">")
    benchmark.extra_info["rows"] = rows
    if benchmark.stats is not None:
        assert rows == 2000
