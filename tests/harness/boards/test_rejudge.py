from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from finished_runs import write_run

from harness.boards import rejudge as board_rejudge
from harness.boards.rejudge import bring_up_to_date, rejudge
from harness.boards.rows import find_rows
from harness.judge import few_clusters
from harness.metrics import get

FOLDS = tuple(f"fold-{i}" for i in range(1, 6))
ALL = ("official", *FOLDS, "folds-mean", "folds-pooled")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run judged with 200 draws, as rows are judged in this test; only `few_clusters` was not told then."""
    monkeypatch.setattr(board_rejudge, "DRAWS", 200)
    monkeypatch.setattr("harness.judge.DRAWS", 200)
    return write_run(tmp_path, *ALL)


def change(path: Path, **score: Any) -> None:
    row = json.loads(path.read_text())
    path.write_text(json.dumps({**row, "score": {**row["score"], **score}}))


def test_rows_are_what_their_statistics_give_once_brought_up_to_date(run: Path):
    rows = find_rows(run)
    before = rejudge(rows)
    assert len(before) == len(ALL)
    assert {one.differs for one in before} == {
        "score.interval.few_clusters: the row says [], its statistics ['Anger', 'Joy']"
    }
    assert bring_up_to_date(before) == rows
    again = rejudge(find_rows(run))
    assert [one.differs for one in again] == [""] * len(ALL)
    assert bring_up_to_date(again) == []


def test_only_the_score_of_a_row_changes(run: Path):
    [one] = [found for found in find_rows(run) if found.row["split"] == "official"]
    bring_up_to_date(rejudge([one]))
    now = json.loads(one.path.read_text())
    assert {k: v for k, v in now.items() if k != "score"} == {k: v for k, v in one.row.items() if k != "score"}
    assert now["score"]["P"] == one.row["score"]["P"]


@pytest.mark.parametrize("split", ["official", "folds-pooled"])
def test_a_score_that_was_touched_is_named(run: Path, split: str):
    bring_up_to_date(rejudge(find_rows(run)))
    row = json.loads((run / f"{split}.json").read_text())
    change(run / f"{split}.json", P={**row["score"]["P"], "value": row["score"]["P"]["value"] + 1e-6})
    wrong = {one.found.row["split"]: one.differs for one in rejudge(find_rows(run)) if one.differs}
    assert wrong.keys() == {split}
    assert wrong[split].startswith("score.P.value: the row says 0.")


def test_without_statistics_a_row_of_the_demo_world_is_wrong_and_of_others_p_is_the_mean(run: Path):
    for path in run.glob("*.npz"):
        path.unlink()
    assert {one.score for one in rejudge(find_rows(run))} == {None}
    assert {one.differs[:24] for one in rejudge(find_rows(run))} == {"no statistics lie beside"}
    path = run / "official.json"
    row = json.loads(path.read_text())
    row["data"]["name"] = "aff-wild2"
    path.write_text(json.dumps(row))
    assert next(one for one in rejudge(find_rows(run)) if one.found.path == path).differs == ""
    row["score"]["P"]["value"] += 0.01
    path.write_text(json.dumps(row))
    differs = next(one for one in rejudge(find_rows(run)) if one.found.path == path).differs
    assert differs.startswith("score.P: the row says")


def test_the_flag_is_the_judges(run: Path):
    from harness.records import read_stats

    stats, _, groups = read_stats(run / "official.stats.npz")
    assert few_clusters(get("f1"), [(stats, groups)], ["Anger", "Joy"]) == ["Anger", "Joy"]
