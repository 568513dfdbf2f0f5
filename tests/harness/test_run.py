"""Whole runs on the tiny world: what is computed, what is reused, and what a row says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny_world

from harness import metrics, records
from harness.errors import HarnessError, UserError
from harness.kinds import Kind
from harness.store import Store, leftovers
from harness.types import Floats


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def computed(row: dict[str, Any]) -> dict[str, int]:
    found: dict[str, int] = row["cost"]["computed"]
    return found


@pytest.mark.parametrize("task", ["colour", "units", "mood", "clip"])
def test_a_run_learns_the_task_and_leaves_its_files(tiny, task: str):
    world = tiny(task)
    prepared = world.prepare()
    row = world.row()
    assert row["score"]["P"]["value"] > 0.5
    assert {"plan.json", "env.json", "official.json", "official.parquet", "official.stats.npz"} <= files(
        prepared.folder.path
    )
    assert {name for name in files(prepared.folder.path) if name.startswith("model/")} == {
        "model/pipeline.json", "model/encoder-image.safetensors", "model/encoder-audio.safetensors",
        "model/encoder-text.safetensors", "model/classifier-0.safetensors", "model/classifier-1.safetensors",
        "model/scenes.safetensors",
    }  # fmt: skip
    assert records.read_row(prepared.folder.row("official")) == row
    assert computed(row) == {"adapt": 1, "encode": 3 * 14, "partition": 1, "fit": 2, "predict": 2}


def test_every_split_keeps_a_model_of_its_own(tiny):
    world = tiny()
    world.rows(splits="folds", keep_models="all")
    kept = sorted(path.name for path in world.prepare().folder.path.glob("model*"))
    assert kept == [f"model-fold-{i}" for i in range(1, 6)]
    about = json.loads((world.prepare().folder.path / "model-fold-2" / "pipeline.json").read_text())
    assert about["split"] == "fold-2"


def test_the_row_is_the_metric_of_the_predictions_left_behind(tiny):
    """From the parquet file and the label files alone."""
    world = tiny("units")
    row = world.row()
    table = pd.read_parquet(world.prepare().folder.path / "official.parquet")
    kind, labels = world.spec.kind, world.spec.labels
    pred_RL = kind.decide(table[[f"score {label}" for label in labels]].to_numpy(np.float32))
    target_RL = np.concatenate(
        [np.load(world.root / "labels" / f"{key.partition('/')[2]}.npy") for key in table["video"].unique()]
    )
    metric = metrics.get("f1")
    score_L = metric.score(metric.stats(pred_RL, target_RL))
    assert [row["score"]["labels"][label]["value"] for label in labels] == score_L.tolist()
    assert row["score"]["P"]["value"] == pytest.approx(score_L.mean(), abs=1e-12)
    assert not any("target" in column or "label" in column for column in table.columns)


def test_the_same_command_twice_does_nothing(tiny, monkeypatch: pytest.MonkeyPatch):
    world = tiny()
    first = world.row()
    monkeypatch.setattr("harness.session.run_split", None)
    assert world.row() == first


def test_rows_are_the_same_when_judged_again_from_the_store(tiny):
    world = tiny()
    first = world.row()
    again = world.row(fresh=True)
    assert records.same(first, again)
    assert computed(again) == {}


def test_rows_are_the_same_when_everything_is_computed_again(tiny, monkeypatch: pytest.MonkeyPatch):
    world = tiny("mood")
    first = world.row()
    monkeypatch.setenv("HARNESS_CACHE", str(world.folder / "elsewhere"))
    again = world.row(fresh=True)
    assert computed(again) == computed(first)
    assert records.same(first, again)


def test_a_dry_look_at_a_fresh_run_forgets_nothing(tiny):
    world = tiny()
    first = world.row()
    prepared = world.prepare(fresh=True)
    assert prepared.folder.finished("official") == first


CHANGES = [
    ({"vote": "majority"}, {}),
    ({"postprocess": "none"}, {}),
    ({"order": "smooth-vote"}, {}),
    ({"fusion.width": 5}, {"fit": 2, "predict": 2}),
    ({"fit.lr": 0.01}, {"fit": 2, "predict": 2}),
    ({"fill_faces": "mask"}, {"fit": 2, "predict": 2}),
    ({"partition": "whole"}, {"partition": 1, "fit": 1, "predict": 1}),
    ({"encoders.text": None}, {"fit": 2, "predict": 2}),
    ({"encoders.audio": "named:x"}, {"encode": 14, "fit": 2, "predict": 2}),
    ({"adapt.image.epochs": 1}, {"adapt": 1, "encode": 14, "fit": 2, "predict": 2}),
    ({"adapt.image": None}, {"encode": 14, "fit": 2, "predict": 2}),
    ({"encoders.image.width": 3}, {"adapt": 1, "encode": 14, "fit": 2, "predict": 2}),
]


def test_a_change_computes_only_what_comes_after_it(tiny):
    world = tiny()
    rows = [world.row(), *(world.row(sets=sets, keep_models="none") for sets, _ in CHANGES)]
    found = {str(sets): computed(row) for (sets, _), row in zip(CHANGES, rows[1:], strict=True)}
    assert found == {str(sets): expected for sets, expected in CHANGES}
    assert len({row["run"] for row in rows}) == len(rows)


def test_another_seed_is_another_run(tiny):
    world = tiny()
    zero, one = world.row(), world.row(seed=1)
    assert (zero["seed"], one["seed"]) == (0, 1)
    assert zero["run"] != one["run"]
    assert zero["data"] == one["data"]
    assert computed(one)["fit"] == 2


def test_changed_labels_are_another_run(tiny):
    world = tiny()
    first = world.row()
    path = world.root / "labels" / "video3.npy"
    target_RL = np.load(path)
    target_RL[:] = np.nan
    np.save(path, target_RL)
    again = world.row()
    assert again["run"] != first["run"]
    assert again["data"]["fingerprint"] != first["data"]["fingerprint"]
    assert computed(again)["adapt"] == 1


def test_a_limited_run_is_stamped_partial(tiny):
    world = tiny()
    whole = world.row()
    row = world.row(limit=2)
    assert row["partial"] == "limited to 2 videos a part"
    assert whole["partial"] is None
    assert row["run"] != whole["run"]
    found = [row["coverage"][name] for name in ("train_videos", "inner_videos", "held_videos", "videos")]
    assert found == [2, 2, 2, 2]


def test_the_test_side_is_predicted_without_scores(tiny):
    world = tiny()
    row = world.row(splits="test")
    folder = world.prepare().folder.path
    assert row["score"] is None
    assert row["coverage"]["held_videos"] == 2
    table = pd.read_parquet(folder / "test.parquet")
    assert table["video"].unique().tolist() == ["test/video14", "test/video15"]
    assert len(table) == 24 + 25
    assert not (folder / "test.stats.npz").exists()


@pytest.mark.parametrize("task", ["colour", "clip"])
def test_five_folds_and_their_two_summaries(tiny, task: str):
    world = tiny(task)
    sets = {"fit.epochs": 1, "adapt.image": None}
    rows = {row["split"]: row for row in world.rows(splits="folds", sets=sets)}
    assert list(rows) == [*(f"fold-{i}" for i in range(1, 6)), "folds-mean", "folds-pooled"]
    folds = [rows[f"fold-{i}"] for i in range(1, 6)]
    mean, pooled = rows["folds-mean"]["score"], rows["folds-pooled"]["score"]
    assert mean["P"]["value"] == pytest.approx(np.mean([row["score"]["P"]["value"] for row in folds]), abs=1e-12)
    folder = world.prepare(sets=sets).folder.path
    stats_VLk = np.concatenate([records.read_stats(folder / f"fold-{i}.stats.npz")[0] for i in range(1, 6)])
    metric = metrics.get(world.spec.kind.metric)
    assert pooled["P"]["value"] == pytest.approx(metric.score(metric.merge(stats_VLk)).mean(), abs=1e-12)
    assert rows["folds-pooled"]["coverage"]["videos"] == 14
    assert len({row["run"] for row in rows.values()}) == 1
    assert computed(folds[1]).get("encode", 0) == 0
    assert records.read_row(folder / "folds-mean.json") == rows["folds-mean"]


def test_every_judged_row_is_announced_once(tiny):
    heard: list[str] = []
    world = tiny(row_scored=lambda row: heard.append(row["split"]))
    sets = {"fit.epochs": 1, "adapt.image": None, "partition": "whole"}
    for _ in range(2):
        world.rows(splits="folds", sets=sets)
    assert heard == [*(f"fold-{i}" for i in range(1, 6)), "folds-mean", "folds-pooled"]


def test_a_row_does_not_depend_on_what_ran_before(tiny, monkeypatch: pytest.MonkeyPatch):
    """The test split trains on the same videos as the official one and shares its encoder."""
    world = tiny()
    alone = world.row()
    monkeypatch.setenv("HARNESS_CACHE", str(world.folder / "elsewhere"))
    world.row(fresh=True, splits="test")
    after = world.row(splits="official")
    assert records.same(alone, after)


@pytest.mark.parametrize("task", ["colour", "clip"])
def test_a_fusion_that_is_solved(tiny, task: str):
    row = tiny(task).row(sets={"fusion": "average"})
    solved = [choice for choice in row["choices"] if choice.get("chosen") == "closed form"]
    assert [choice["part"] for choice in solved] == [0, 1]


def test_everything_chosen_is_told(tiny):
    choices = tiny().row()["choices"]
    assert [choice.get("what", "frozen") for choice in choices] == [
        "epoch of adapt image", "frozen", "frozen", "epoch of classifier 0", "epoch of classifier 1", "smoothing",
    ]  # fmt: skip
    assert choices[-1]["candidates"] == [0.0, 0.5, 1.0]
    assert choices[-1]["chosen"] == choices[-1]["candidates"][int(np.argmax(choices[-1]["scores"]))]
    assert len(choices[0]["scores"]) == 2
    assert len(choices[3]["scores"]) == 3


@pytest.mark.parametrize("stage", ["adapt", "encode", "partition", "fit", "predict"])
def test_a_damaged_entry_is_computed_again_and_reported(tiny, stage: str):
    world = tiny()
    first = world.row()
    store = Store(world.folder / "cache" / "store")
    path = next(path for path in store.entries() if path.parent.name == stage)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    again = world.row(fresh=True)
    assert records.same(first, again)
    assert computed(again) == {stage: 1}
    assert any("damaged" in line for line in world.said)
    assert len(leftovers(store.root)) == 1


# -- killed and resumed ---------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for the end of the process."""


POINTS = [
    ("harness.adapt.fine_tune", 1),
    ("harness.encode.tokens", 1),
    ("harness.encode.tokens", 30),
    ("harness.run.partition", 1),
    ("harness.run.fit", 1),
    ("harness.run.fit", 2),
    ("harness.run.scores_of", 1),
    ("harness.run.scores_of", 2),
    ("harness.run.choose_setting", 1),
    ("harness.run.judge", 1),
    ("harness.run.model.save", 1),
    ("harness.run.row_of", 1),
    ("harness.records.write_row", 1),
]


@pytest.fixture(scope="module")
def uninterrupted() -> dict[str, Any]:
    """The row of a run nobody killed: made by the first test that asks."""
    return {}


@pytest.mark.parametrize(("point", "nth"), POINTS)
def test_killed_anywhere_the_same_command_gives_the_same_row(
    tiny, monkeypatch: pytest.MonkeyPatch, uninterrupted: dict[str, Any], point: str, nth: int
):
    world = tiny()
    sets = {"fit.epochs": 1, "adapt.image.epochs": 1}
    if not uninterrupted:
        uninterrupted.update(world.row(sets=sets))
    monkeypatch.setenv("HARNESS_CACHE", str(world.folder / "elsewhere"))
    calls, real = [], resolve_name(point)

    def killed(*arguments: Any, **words: Any) -> Any:
        calls.append(point)
        if len(calls) == nth:
            raise Killed
        return real(*arguments, **words)

    with monkeypatch.context() as patch:
        patch.setattr(point, killed)
        with pytest.raises(Killed):
            world.rows(sets=sets, fresh=True)
    assert world.prepare(sets=sets).folder.finished("official") is None
    assert records.same(world.row(sets=sets), uninterrupted)


CHILD = """
import sys
from pathlib import Path
import tiny_world
from harness import builtin, plugins
from harness.session import Request, carry_out, prepare
folder = Path(sys.argv[1])
plugins.entry_points = lambda group: []
loaded = plugins.load({"builtin": builtin, "tiny": tiny_world.plugin()})
request = Request("tiny", data={"tiny": str(folder / "data" / "colour")}, runs=folder / "runs")
carry_out(prepare(loaded, "colour", request), loaded)
"""


def test_killed_for_real(tiny, monkeypatch: pytest.MonkeyPatch, repository: Path):
    world = tiny()
    whole = world.row()
    cache = world.folder / "killed"
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    path = os.pathsep.join([str(repository), str(Path(tiny_world.__file__).parent)])
    shutil.rmtree(world.folder / "runs")
    command = [sys.executable, "-c", CHILD, str(world.folder)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}) as child:
        while child.poll() is None and len(list(cache.glob("store/encode/*"))) < 5:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    left = len(list(cache.glob("store/*/*.safetensors")))
    assert left > 0
    again = world.row()
    assert sum(computed(again).values()) < sum(computed(whole).values())
    assert records.same(again, whole)


def test_a_row_that_was_cut_short_is_named_not_believed(tiny):
    world = tiny()
    world.row()
    path = world.prepare().folder.row("official")
    path.write_text(path.read_text()[:100])
    with pytest.raises(HarnessError, match=r"official\.json is not JSON"):
        world.row()


def test_the_plan_is_left_beside_the_rows(tiny):
    world = tiny()
    row = world.row(sets={"fit.lr": 0.25})
    folder = world.prepare(sets={"fit.lr": 0.25}).folder.path
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["pipeline"]["fit"]["lr"] == 0.25
    assert plan["data"] == row["data"]["fingerprint"]
    assert folder.name == row["run"]
    assert folder.parent.name == "tiny[fit.lr=0.25]@paper"


def only(k: int, scores_KRL: Floats, kind: Kind) -> Floats:
    """The vote of one classifier."""
    return scores_KRL[k]


def test_routed_videos_are_judged_by_the_classifier_of_their_own_part(tiny):
    world = tiny(votes={f"only {k}": partial(only, k) for k in range(2)})
    scores = {}
    for vote in ("routed", "only 0", "only 1"):
        row = world.row(sets={"vote": vote})
        # every held-out video is of the second half
        assert {name: one["videos"] for name, one in row["parts"]["scores"].items()} == {"part 1": 4}
        folder = world.prepare(sets={"vote": vote}).folder.path
        scores[vote] = pd.read_parquet(folder / "official.parquet").filter(like="score ").to_numpy()
    np.testing.assert_array_equal(scores["routed"], scores["only 1"])
    assert not np.allclose(scores["routed"], scores["only 0"])


def test_overlap_trains_nothing_again(tiny):
    world = tiny()
    world.row()
    again = world.row(sets={"overlap": 3})
    assert computed(again) == {"predict": 2}


@pytest.mark.parametrize(("task", "overlap"), [("colour", 8), ("colour", -1), ("clip", 8)])
def test_an_overlap_that_cannot_be(tiny, task: str, overlap: int):
    with pytest.raises(UserError, match=r"overlap: expected 0.* came"):
        tiny(task).prepare(sets={"overlap": overlap})
