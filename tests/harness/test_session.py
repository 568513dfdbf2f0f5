from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import pytest
import tiny_world

from harness import builtin, plugins
from harness.errors import HarnessError, MissingData, UserError
from harness.hookspecs import hookimpl
from harness.outlook import outlook
from harness.session import BadData, Request, default_profile, limited, prepare, run_hash
from harness.splits import Split


def test_nothing_is_trained_or_written_by_preparing(tiny):
    world = tiny()
    prepared = world.prepare()
    assert [split.name for split in prepared.splits] == ["official"]
    assert prepared.unfinished() == list(prepared.splits)
    assert not (world.folder / "runs").exists()
    assert not (world.folder / "cache").exists()


def test_no_reader_s_labels_stay_in_what_was_prepared(tiny):
    prepared = tiny("mood").prepare()
    assert not any(hasattr(part, "targets") for part in (prepared.facts, prepared.splits, prepared.folder))
    assert prepared.context.choices == []


def test_the_run_s_id_is_of_plan_data_seed_and_arithmetic_only(tiny):
    world = tiny()
    base = world.prepare().facts["run"]
    same = [{"splits": "folds"}, {"splits": "test"}, {"runs": Path("elsewhere")}, {"threads": 7}, {"command": "x"},
            {"keep_models": "none"}, {"fresh": True}]  # fmt: skip
    assert {world.prepare(**words).facts["run"] for words in same} == {base}
    others = [{"seed": 1}, {"limit": 3}, {"dedupe": True}, {"precision": "bf16"}, {"sets": {"vote": "majority"}},
              {"profile": "wide"}]  # fmt: skip
    found = [world.prepare(**words).facts["run"] for words in others]
    assert len({base, *found}) == len(others) + 1


def test_cards_of_one_sort_are_one_run(tiny):
    prepared = tiny().prepare()
    plan, fingerprint, request = prepared.context.plan, prepared.context.fingerprint, prepared.request
    ids = {d: run_hash(plan, fingerprint, dataclasses.replace(request, device=d)) for d in ("cpu", "cuda", "cuda:1")}
    assert ids["cuda"] == ids["cuda:1"] != ids["cpu"]


def test_the_folder_says_task_system_and_profile(tiny):
    world = tiny()
    path = world.prepare(profile="wide", sets={"vote": "majority"}).folder.path
    assert path.parts[-3:-1] == ("colour", "tiny[vote=majority]@wide")


def test_a_long_or_odd_system_is_still_one_folder(tiny):
    world = tiny()
    odd = world.prepare(sets={"encoders.audio": "named:a/../b c"}).folder.path
    assert odd.parent.parent == world.folder / "runs" / "colour"
    long = world.prepare(sets={"encoders.audio": "named:" + 300 * "x"}).folder.path.parent.name
    assert len(long) < 125


def test_features_of_adapted_encoders_are_evictable_once_their_split_is_finished(tiny):
    world = tiny()
    world.row(splits="fold-1")
    store = world.prepare().context.store
    marked = store.evictable()
    videos = sum(side != "test" for side in tiny_world.SIDES)
    assert {path.parent.name for path in marked} == {"encode"}
    assert len(marked) == videos  # image tokens; sound and words are of frozen encoders, which other splits share
    assert sum(path.parent.name == "encode" for path in store.entries()) == 3 * videos
    assert outlook(world.prepare())["evictable_bytes"] == store.evictable_bytes() > 0


def test_evicted_features_are_made_again_when_asked_for(tiny):
    world = tiny()
    before = world.row()
    store = world.prepare().context.store
    for path in store.evictable():
        path.unlink()
    after = world.row(sets={"fusion.width": 8})
    assert after["score"] == before["score"]


def test_limited():
    split = Split("official", tuple("abcd"), tuple("ef"), tuple("ghi"))  # type: ignore[arg-type]
    assert limited(split, 0) == split
    few = limited(split, 2)
    assert (few.train, few.inner, few.held) == (("a", "b"), ("e", "f"), ("g", "h"))
    with pytest.raises(UserError, match="--limit"):
        limited(split, -1)


def test_models_are_kept_as_asked(tiny):
    world = tiny()
    sets = {"fit.epochs": 1, "adapt.image": None}
    assert not (_folder(world, keep_models="none", sets=sets) / "model").exists()
    assert not (_folder(world, splits="test", sets=sets) / "model").exists()
    assert (
        _folder(world, splits="test", keep_models="all", sets=sets | {"fit.lr": 0.03}) / "model" / "pipeline.json"
    ).exists()


def _folder(world, **words) -> Path:
    world.row(**words)
    return world.prepare(**words).folder.path


def test_the_profile_is_by_the_data(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    pipeline = dataclasses.replace(tiny_world.PIPELINE, profiles={"demo": {}})
    loaded = plugins.load({"builtin": builtin, "tiny": tiny_world.plugin(pipelines={"tiny": pipeline})})
    assert [default_profile(loaded, "tiny", demo=demo) for demo in (False, True)] == ["paper", "demo"]
    without = plugins.load({"builtin": builtin, "tiny": tiny_world.plugin()})
    assert default_profile(without, "tiny", demo=True) == "paper"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"sets": {"extra_train.more": "tini"}}, "No reader is called 'tini'. Did you mean 'tiny'?"),
        ({"sets": {"extra_train.more": "tini", "adapt.image": None}}, "No reader is called 'tini'."),
        ({"sets": {"extra_train.more": "tiny", "extra_train.more.capp": 1}}, "No field of an Extra is called 'capp'."),
        ({"sets": {"fusion": "mpl"}}, "No fusion is called 'mpl'."),
        ({"sets": {"extra_train.more": "gone"}}, "No plugin has a made-up stand-in for 'gone'"),
    ],
)  # fmt: skip
def test_wrong_names_are_answered_before_the_demo_world_is_written(
    words: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    asked: list[str] = []

    def locate_dataset(name: str, demo: bool) -> Path | None:
        asked.append(name)
        return None

    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    made = tiny_world.plugin(readers={"gone": tiny_world.TinyReader})
    made.locate_dataset = hookimpl(locate_dataset)  # type: ignore[attr-defined]
    loaded = plugins.load({"builtin": builtin, "tiny": made})
    with pytest.raises(HarnessError) as error:
        prepare(loaded, "colour", Request("tiny", data={"demo": ""}, **words))
    assert str(error.value).startswith(message)
    assert "tiny" not in asked


def test_recordings_on_both_sides_are_named_and_dropped_when_asked(tiny):
    import json

    world = tiny()
    path = world.root / "videos.json"
    listed = json.loads(path.read_text())
    listed[2]["group"] = listed[11]["group"]
    path.write_text(json.dumps(listed))
    [kept] = world.prepare().splits
    [dropped] = world.prepare(dedupe=True).splits
    assert kept.leaks == ("recording g11: video2 in train, video11 in valid",)
    assert "train/video2" in {v.key for v in kept.train}
    assert dropped.leaks == ()
    assert "train/video2" not in {v.key for v in (*dropped.train, *dropped.inner)}


def test_factories_are_lent_a_store_a_seed_and_unlabelled_data(tiny, tmp_path: Path):
    extra = tmp_path / "more"
    extra.mkdir()
    (extra / "a.txt").write_text("a")
    world = tiny()
    resources = world.prepare(seed=5, data={"tiny": str(world.root), "more": str(extra)}).context.resources
    assert (resources.seed, resources.device) == (5, "cpu")
    assert resources.locate("more") == extra
    with pytest.raises(MissingData, match=r"It is asked for by an option 'data:gone'"):
        resources.locate("gone")
    for name in ("tiny", "Tiny"):
        with pytest.raises(UserError, match="expected an unlabelled data set"):
            resources.locate(name)


def test_a_label_file_s_bytes_are_in_the_fingerprint(tiny):
    world = tiny()
    before = world.prepare().context.fingerprint
    assert before != hashlib.sha256().hexdigest()
    (world.root / "labels" / "video0.npy").write_bytes((world.root / "labels" / "video1.npy").read_bytes())
    assert world.prepare().context.fingerprint != before


@pytest.mark.parametrize("broken", ["videos", "targets", "fingerprint", "view"])
def test_a_file_that_a_reader_refuses_is_bad_data(tiny, monkeypatch: pytest.MonkeyPatch, broken: str):
    world = tiny()

    def refuse(self: tiny_world.TinyReader, *_: object) -> None:
        raise UserError(f"{self.root}/labels/a.txt, line 2: expected 0 to 7, got '9'")

    monkeypatch.setattr(tiny_world.TinyReader, broken, refuse)
    with pytest.raises(BadData, match=r"a\.txt, line 2: expected 0 to 7, got '9'"):
        world.prepare()


def test_a_wrong_word_is_not_bad_data(tiny):
    world = tiny()
    for words in ({"splits": "offical"}, {"sets": {"vote": "meen"}}, {"profile": "papier"}):
        with pytest.raises(UserError) as raised:
            world.prepare(**words)
        assert not isinstance(raised.value, BadData)


def test_without_any_image_the_folder_of_images_is_named(tiny, monkeypatch: pytest.MonkeyPatch):
    videos = tiny_world.TinyReader.videos

    def faceless(self: tiny_world.TinyReader) -> Any:
        return tuple(dataclasses.replace(video, face_F=video.face_F & False) for video in videos(self))

    monkeypatch.setattr(tiny_world.TinyReader, "videos", faceless)
    world = tiny()
    with pytest.raises(
        MissingData, match=r"holds no face image of any of the 16 videos of task 'colour': expected face"
    ):
        world.prepare()
    spec = dataclasses.replace(tiny_world.TASKS["colour"], name="afar", reader="aff-wild2")
    other = tiny(spec, readers={"aff-wild2": tiny_world.TinyReader})
    with pytest.raises(
        MissingData, match="expected a folder 'cropped_aligned' with one folder of images for each video"
    ):
        other.prepare(data={"aff-wild2": str(other.root)})
