from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from finished_runs import write_run

from harness.boards.records import add, record_folder
from harness.boards.rows import collect
from harness.errors import MissingData, UserError

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes the folder of a finished run."""
    return partial(write_run, tmp_path)


def listed(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_rows_and_demo_statistics_are_copied_and_give_the_same_lines(make_run: MakeRun, tmp_path: Path):
    run, records = make_run("official", "fold-1"), tmp_path / "records"
    (run / "plan.json").write_text("{}")
    assert add(records, [run]).warnings == []
    assert listed(records) == [
        f"demo/expr/linear@demo/{split}{suffix}"
        for split in ("fold-1", "official")
        for suffix in (".json", ".stats.npz")
    ]
    assert collect(records).lines == collect(tmp_path / "nowhere", tmp_path / "runs").lines


def test_statistics_of_real_data_are_never_copied(make_run: MakeRun, tmp_path: Path):
    run = make_run("official", data={"name": "aff-wild2"})
    add(tmp_path / "records", [run / "official.json"])
    assert listed(tmp_path / "records") == ["aff-wild2/expr/linear@demo/official.json"]


def test_partial_rows_are_named_and_left_out(make_run: MakeRun, tmp_path: Path):
    whole, partial = make_run("official"), make_run("official", run="run1", partial="limited")
    done = add(tmp_path / "records", [whole, partial])
    assert done.left_out == [partial / "official.json"]
    with pytest.raises(UserError, match="Nothing to add"):
        add(tmp_path / "records", [partial])


def test_a_folder_of_records_holds_one_run(make_run: MakeRun, tmp_path: Path):
    records = tmp_path / "records"
    old, new = make_run("official", "fold-1", run="old"), make_run("official", run="new")
    with pytest.raises(UserError, match=r"Expected one run per system, came 2 .*: new, old"):
        add(records, [old, new])
    assert not records.exists()
    add(records, [old])
    removed = {path.name for path in add(records, [new]).removed}
    assert {"fold-1.json", "fold-1.stats.npz"} <= removed
    assert [(line.split, line.run) for line in collect(records).lines] == [("official", "new")]


def test_seeds_and_dedupe_have_folders_of_their_own():
    row = {
        "task": "expr",
        "system": "m[vote=mean]",
        "profile": "demo",
        "seed": 0,
        "data": {"name": "demo", "dedupe": False},
    }
    assert record_folder(row).as_posix() == "demo/expr/m[vote=mean]@demo"
    assert record_folder({**row, "seed": 3}).as_posix() == "demo/expr/m[vote=mean]@demo+seed-3"
    assert (
        record_folder({**row, "data": {"name": "demo", "dedupe": True}}).as_posix()
        == "demo/expr/m[vote=mean]@demo+dedupe"
    )
    assert ".." not in record_folder({**row, "system": "../../x", "task": ".."}).parts


def test_folders_of_this_machine_are_named(make_run: MakeRun, tmp_path: Path):
    run = make_run(
        "official", command="harness run --data aff-wild2=/home/me/AffWild2", choices=[{"weights": "~/w/x.pth"}]
    )
    where = [warning.split(": ")[1] for warning in add(tmp_path / "records", [run]).warnings]
    assert where == ["choices[0].weights names a folder of this machine", "command names a folder of this machine"]


def test_what_is_not_there_or_no_row_is_named(tmp_path: Path):
    with pytest.raises(MissingData, match="No run or row at"):
        add(tmp_path, [tmp_path / "gone"])
    (tmp_path / "plan.json").write_text(json.dumps({}))
    with pytest.raises(UserError, match="Expected a run's folder or a row"):
        add(tmp_path, [tmp_path / "plan.json"])
