"""Predictions in files to rows, on the tiny world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_world import TASKS, target_of

from harness.boards import rejudge as board_rejudge
from harness.boards.compare import compare, read_judged
from harness.boards.rejudge import rejudge
from harness.boards.rows import collect, differences, find_rows
from harness.errors import MissingData, UserError
from harness.scoring.predicted import Reading
from harness.scoring.score import Request, Scored, score


def request(tiny: Any, source: Path, **words: Any) -> Request:
    words = {"data": {"tiny": str(tiny.root)}, "runs": tiny.folder / "runs"} | words
    return Request(source, tiny.spec.name, **words)


def scored(tiny: Any, source: Path, **words: Any) -> Scored:
    return score(tiny.plugins, request(tiny, source, **words))


def truth(tiny: Any, *sides: str) -> dict[str, Any]:
    """What the labels are, by video id: a perfect prediction where there are any."""
    reader = tiny.plugins.get("readers", "tiny")[0].thing(tiny.root, tiny.spec, "any")
    return {v.id: reader.targets(v) for v in reader.videos() if v.side in (sides or ("valid",))}


def write_csv(path: Path, labels: tuple[str, ...], videos: dict[str, Any], *, first: int = 1) -> Path:
    """A table with video, frame and a column per label; NaN is an empty cell."""
    lines = [",".join(["video", "frame", *labels])]
    for name, values_RL in videos.items():
        for i, row_L in enumerate(values_RL):
            cells = ["" if np.isnan(value) else f"{value:.6g}" for value in row_L]
            lines.append(",".join([name, str(i + first), *cells]))
    path.write_text("\n".join(lines) + "\n")
    return path


def perfect(tiny: Any, name: str = "perfect.csv", *sides: str) -> Path:
    videos = {key: np.nan_to_num(target_RL) for key, target_RL in truth(tiny, *sides).items()}
    return write_csv(tiny.folder / name, tiny.spec.labels, videos)


@pytest.mark.parametrize("task", list(TASKS))
def test_the_predictions_of_a_run_score_as_the_run_did(tiny: Any, task: str):
    world = tiny(task)
    row = world.row()
    [run] = (world.folder / "runs" / task / "tiny@paper").iterdir()
    done = scored(world, run / "official.parquet", system="again")
    (again,) = done.rows
    assert again["score"] == row["score"]
    assert {key: row[key] for key in ("task", "labels", "metric", "data", "title")} == {
        key: again[key] for key in ("task", "labels", "metric", "data", "title")
    }
    assert set(row) - set(again) <= {"contamination"}  # what the weights of others saw is not known
    difference = compare(read_judged(run, "official"), read_judged(done.folder, "official"), draws=200)
    assert (difference.p.value, difference.p.p_value) == (0.0, 1.0)


def test_a_scored_row_stands_on_a_board_beside_the_run(tiny: Any):
    world = tiny("colour")
    world.row()
    scored(world, perfect(world), system="perfect")
    lines = collect(world.folder / "records", world.folder / "runs").lines
    assert {line.full_name: line.p.value for line in lines}["perfect@scored seed 0"] == 1.0
    assert len({line.conditions for line in lines}) == 1
    (line,) = (line for line in lines if line.system == "perfect")
    told = "perfect: predictions scored from files, policy official, 78 of 78 labelled rows predicted."
    assert told in line.remarks
    assert all(one.score is not None for one in rejudge(find_rows(world.folder / "runs")))


@pytest.mark.parametrize("task", list(TASKS))
def test_the_truth_scores_one(tiny: Any, task: str):
    world = tiny(task)
    (row,) = scored(world, perfect(world)).rows
    assert row["score"]["P"]["value"] == pytest.approx(1)
    coverage = row["coverage"]
    assert coverage["predicted_videos"] == coverage["held_videos"] == 4
    assert (coverage["missing_rows"], coverage["rows_beyond"], coverage["differing_videos"]) == (0, 0, 0)
    assert (row["system"], row["profile"], row["plugin"]) == ("perfect", "scored", "")


def test_the_same_predictions_are_the_same_row(tiny: Any):
    world = tiny("colour")
    first, again = (scored(world, perfect(world)) for _ in range(2))
    assert first.folder == again.folder
    other = scored(world, perfect(world), policy="strict")
    assert other.folder.parent.name == "perfect@scored-strict"
    assert other.rows[0]["run"] != first.rows[0]["run"]
    assert other.rows[0]["score"] == first.rows[0]["score"]


def test_files_of_a_scored_row(tiny: Any):
    world = tiny("units")
    done = scored(world, perfect(world))
    assert sorted(path.name for path in done.folder.iterdir()) == [
        "official.json", "official.parquet", "official.stats.npz",
    ]  # fmt: skip
    table = pq.read_table(done.folder / "official.parquet")
    assert table.column_names == ["video", "frame", "part", "score a", "score b", "decision"]
    rows = [row for row in table.to_pylist() if row["video"] == "valid/video10"]
    assert [row["frame"] for row in rows] == list(range(1, len(rows) + 1))
    assert {row["decision"] for row in rows} == {"", "b", "a+b"}


def incomplete(world: Any) -> Path:
    """Rows of frames 5 and on of every video but one."""
    videos = {name: np.nan_to_num(target_RL) for name, target_RL in truth(world).items()}
    path = write_csv(world.folder / "part.csv", world.spec.labels, {k: v for k, v in videos.items() if k != "video13"})
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *(line for line in lines[1:] if int(line.split(",")[1]) >= 5)]) + "\n")
    return path


def test_official_refuses_what_is_incomplete_and_says_where(tiny: Any):
    world = tiny("colour")
    with pytest.raises(UserError) as caught:
        scored(world, incomplete(world))
    assert "1 of 4 videos without a row: valid/video13" in str(caught.value)
    assert "video video10: 16 rows, 18 labelled; first gap at frame 3 (2 labelled rows have no prediction)" in str(
        caught.value
    )
    assert not (world.folder / "runs").exists()


@pytest.mark.parametrize("task", ["colour", "units", "mood"])
def test_policies_differ_in_what_is_missing(tiny: Any, task: str):
    world = tiny(task)
    source = incomplete(world)
    strict, shared = (scored(world, source, policy=policy).rows[0] for policy in ("strict", "intersection"))
    assert shared["score"]["P"]["value"] == pytest.approx(1)
    assert strict["score"]["P"]["value"] < 0.85
    assert strict["coverage"]["missing_rows"] == shared["coverage"]["missing_rows"] == 2 * 3 + 21
    assert strict["coverage"]["judged_rows"] == shared["coverage"]["judged_rows"] + 2 * 3 + 21
    assert (strict["coverage"]["videos"], shared["coverage"]["videos"]) == (4, 3)
    assert strict["coverage"]["videos_without_rows"] == ["valid/video13"]
    lines = {line.profile: line for line in collect(world.folder, world.folder / "runs").lines}
    for profile, fate in (("scored-strict", "counted as wrong"), ("scored-intersection", "not judged")):
        told = f"labelled rows predicted, the others are {fate}."
        assert any(told in remark for remark in lines[profile].remarks)
    assert differences(lines.values()).keys() == {"judged rows"}


def test_an_intersection_is_not_compared_with_the_whole(tiny: Any):
    world = tiny("colour")
    whole, shared = scored(world, perfect(world)), scored(world, incomplete(world), policy="intersection")
    with pytest.raises(UserError, match="cannot be compared"):
        compare(read_judged(whole.folder, "official"), read_judged(shared.folder, "official"))


def test_minus_5_is_missing_and_other_values_are_within_the_range(tiny: Any):
    world = tiny("mood")
    videos = {name: np.nan_to_num(target_RL) for name, target_RL in truth(world).items()}
    videos["video10"][7] = -5
    source = write_csv(world.folder / "a.csv", world.spec.labels, videos)
    with pytest.raises(UserError, match=r"first gap at frame 8 \(1 labelled rows have no prediction\)"):
        scored(world, source)
    row = scored(world, source, policy="intersection").rows[0]
    assert row["score"]["P"]["value"] == pytest.approx(1)
    assert (row["coverage"]["missing_rows"], row["coverage"]["rows_without_value"]) == (1, 1)
    videos["video10"][7] = 100
    with pytest.raises(UserError, match=r"a\.csv, line 9: expected x from -1 to 1"):
        scored(world, write_csv(source, world.spec.labels, videos), policy="strict")


def test_a_shift_of_one_video_is_told(tiny: Any, caplog: pytest.LogCaptureFixture):
    world = tiny("colour")
    source = perfect(world)
    lines = [line.split(",") for line in source.read_text().splitlines()]
    moved = [[name, str(int(frame) + (name == "video11")), *rest] for name, frame, *rest in lines[1:]]
    source.write_text("\n".join(map(",".join, [lines[0], *moved])) + "\n")
    row = scored(world, source, policy="strict").rows[0]
    assert row["score"]["P"]["value"] < 1
    (told,) = row["coverage"]["differences"]
    assert told.endswith("its frame numbers look shifted by +1, moved back they fit exactly")
    warned = [record.getMessage() for record in caplog.records]
    assert warned == ["video video11: its frame numbers look shifted by +1, moved back they fit exactly"]


def test_a_label_without_a_column_is_never_predicted(tiny: Any):
    world = tiny("mood")
    videos = {name: np.nan_to_num(target_RL)[:, :1] for name, target_RL in truth(world).items()}
    source = write_csv(world.folder / "x.csv", ("x",), videos)
    with pytest.raises(UserError, match="no column for y"):
        scored(world, source)
    (row,) = scored(world, source, policy="strict").rows
    assert {label: round(one["value"], 6) for label, one in row["score"]["labels"].items()} == {"x": 1.0, "y": 0.0}
    assert row["scored"]["labels_without_column"] == ["y"]


def test_folds_are_judged_one_by_one_and_together(tiny: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(board_rejudge, "DRAWS", 200)  # as the fixture has it for the judge
    world = tiny("colour")
    done = scored(world, perfect(world, "all.csv", "train", "valid"), splits="folds")
    assert [row["split"] for row in done.rows] == [*(f"fold-{i}" for i in range(1, 6)), "folds-mean", "folds-pooled"]
    assert done.rows[-1]["score"]["P"]["value"] == 1.0
    assert done.rows[-1]["coverage"]["videos"] == 14
    assert all(one.score is not None and not one.differs for one in rejudge(find_rows(world.folder / "runs")))


def test_rows_of_other_splits_and_of_no_video_are_named_not_used(tiny: Any):
    world = tiny("colour")
    source = perfect(world, "all.csv", "train", "valid")
    assert scored(world, source).rows[0]["coverage"]["videos_of_other_splits"] == 10
    with source.open("a") as file:
        file.write("nobody,1,1,0,0\n")
    with pytest.raises(UserError, match="videos that the data does not have: nobody"):
        scored(world, source)
    row = scored(world, source, policy="strict").rows[0]
    assert row["coverage"]["unknown_videos"] == ["nobody"]
    assert row["score"]["P"]["value"] == 1.0


def test_mistakes_are_named(tiny: Any):
    world = tiny("colour")
    source = perfect(world)
    for words, told in (
        ({"policy": "stict"}, "No policy is called 'stict'. Did you mean 'strict'"),
        ({"splits": "test"}, "No split to score on is called 'test'"),
        ({"format": "open-face"}, "No format is called 'open-face'"),
        ({"reading": Reading({"blau": "blue"})}, "is called 'blau'"),
    ):
        with pytest.raises(UserError, match=told):
            scored(world, source, **words)
    with pytest.raises(MissingData, match="No predictions at"):
        scored(world, world.folder / "nothing.csv")
    with pytest.raises(UserError, match="is of no format that is known"):
        scored(world, Path(__file__))


def test_the_row_is_heard(tiny: Any):
    heard: list[str] = []
    world = tiny("colour", row_scored=lambda row: heard.append(row["system"]))
    scored(world, perfect(world))
    assert heard == ["perfect"]


def test_a_system_may_have_any_name(tiny: Any):
    world = tiny("colour")
    done = scored(world, perfect(world), system="Open/Face 2")
    assert done.folder.parent.name == "Open-Face-2@scored"
    assert done.rows[0]["system"] == "Open/Face 2"


def test_a_system_is_else_called_like_its_file_or_folder(tmp_path: Path):
    (tmp_path / "tool-1.2").mkdir()
    assert Request(tmp_path / "tool-1.2", "expr").name == "tool-1.2"
    assert Request(tmp_path / "tool.csv", "expr").name == "tool"
    assert Request(tmp_path / "tool.csv", "expr", system="mine").name == "mine"


def test_one_id_on_two_sides_needs_its_side(tiny: Any):
    spec = TASKS["colour"]
    world = tiny(spec)
    listed = (world.root / "videos.json").read_text().replace('"id": "video0"', '"id": "video13"')
    (world.root / "videos.json").write_text(listed)
    videos = truth(world, "train", "valid")
    assert len(videos) == 13
    source = write_csv(world.folder / "a.csv", spec.labels, {k: np.nan_to_num(v) for k, v in videos.items()})
    with pytest.raises(UserError, match="video13 is on two sides; say train/video13 or valid/video13"):
        scored(world, source, splits="folds")


def test_target_of_the_tiny_world_is_what_these_tests_count_on():
    assert np.isnan(target_of(TASKS["colour"], 10, 20, np.random.default_rng(0))[:2]).all()
