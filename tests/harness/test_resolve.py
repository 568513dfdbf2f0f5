from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import pytest
import tiny_world

from harness import builtin, plugins
from harness.errors import MissingData, UserError
from harness.resolve import Part, replan, resolve, system_name
from harness.types import Component, Recipe


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    return plugins.load({"builtin": builtin, "tiny": tiny_world.plugin()})


def plan(loaded, task: str = "colour", profile: str = "paper", seed: int = 0, **sets: Any):
    return resolve(loaded, task, "tiny", profile, sets={k.replace("__", "."): v for k, v in sets.items()}, seed=seed)


def test_a_plan_has_every_part_by_name(loaded):
    found = plan(loaded)
    assert {m: part.component.name for m, part in found.encoders.items()} == {
        "image": "eye",
        "audio": "ear",
        "text": "words",
    }
    assert (found.fusion.component.name, found.partition.component.name, found.smoother.component.name) == (
        "mlp",
        "halves",
        "shrink",
    )
    assert (found.vote.thing, found.task, found.plugin, found.system) == (
        builtin.mean,
        tiny_world.TASKS["colour"],
        "tiny",
        "tiny",
    )


def test_rows_apply_in_order_task_profile_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    pipeline = dataclasses.replace(
        tiny_world.PIPELINE,
        tasks={"colour": {"encoders.image.width": 1, "fit.epochs": 11, "encoders.audio": None}},
        profiles={
            "small": {"encoders.image.width": 2, "fit.epochs": 12, "fit.batch": 22},
            "small:colour": {"fit.epochs": 13, "encoders.audio.gone": 1},
        },
    )
    loaded = plugins.load({"builtin": builtin, "tiny": tiny_world.plugin(pipelines={"tiny": pipeline})})
    found = resolve(loaded, "colour", "tiny", "small", sets={"fit.lr": 0.5}).pipeline
    assert found.encoders["image"].options == {"width": 2}
    assert (found.fit.epochs, found.fit.batch, found.fit.lr) == (13, 22, 0.5)
    assert "audio" not in found.encoders
    assert resolve(loaded, "units", "tiny", "small").pipeline.fit.epochs == 12
    assert resolve(loaded, "colour", "tiny", "paper").pipeline.fit.epochs == 11


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"task": "color"}, "No task is called 'color'. Did you mean 'colour'?"),
        ({"task": "colour:x"}, "No task is called 'colour:x'."),
        ({"profile": "wider"}, "No profile of tiny is called 'wider'. Did you mean 'wide'? Known: paper, wide"),
        ({"encoders__image": "ey"}, "No encoder is called 'ey'. Did you mean 'eye'?"),
        ({"encoders__image__widht": 3}, "No option of encoder 'eye' is called 'widht'. Did you mean 'width'?"),
        ({"fusion": "mpl"}, "No fusion is called 'mpl'. Did you mean 'mlp'?"),
        ({"fusion__outputs": 3}, "No option of fusion 'mlp' is called 'outputs'."),
        ({"partition": "halfs"}, "No partition is called 'halfs'. Did you mean 'halves'?"),
        ({"partition": "random_k", "partition__n": 3}, "No option of partition 'random_k' is called 'n'. Known: k"),
        ({"vote": "meen"}, "No vote is called 'meen'. Did you mean 'mean'?"),
        ({"postprocess": "shrank"}, "No postprocessor is called 'shrank'. Did you mean 'shrink'?"),
        ({"encoders__image": None}, "tiny has no image encoder; clips are laid out along its frames"),
        (
            {"encoders__audio": "named:x", "encoders__audio__name": "y"},
            "No option of encoder 'named:x' is called 'name'.",
        ),
    ],
)  # fmt: skip
def test_every_name_error_comes_before_any_work(loaded, words: dict[str, Any], message: str):
    with pytest.raises(UserError) as raised:
        plan(loaded, **words)
    assert str(raised.value).startswith(message)


def typed(
    *, frozen: bool = False, pool: Literal["avg", "tokens"] = "avg", scale: float = 1.0, weights: str | None = None
) -> tiny_world.Eye:
    return tiny_world.Eye(6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"partition": "random_k", "partition__k": "abc"}, "partition.k: expected int, came 'abc'"),
        ({"partition": "random_k", "partition__k": True}, "partition.k: expected int, came True"),
        ({"fusion__width": "abc"}, "fusion.width: expected int, came 'abc'"),
        ({"encoders__image__pool": "max"}, "encoders.image.pool: expected one of avg, tokens, came 'max'"),
        ({"encoders__image__frozen": "maybe"}, "encoders.image.frozen: expected true or false, came 'maybe'"),
        ({"encoders__image__scale": "x"}, "encoders.image.scale: expected float, came 'x'"),
        ({"encoders__image__weights": 3}, "encoders.image.weights: expected str or none, came 3"),
    ],
)
def test_an_option_of_another_type_is_refused(monkeypatch, words: dict[str, Any], message: str):
    with pytest.raises(UserError) as raised:
        plan(_with_typed(monkeypatch), **{"encoders__image": "typed"} | words)
    assert str(raised.value) == message


def test_options_are_kept_as_they_came_but_for_yes_and_no(monkeypatch: pytest.MonkeyPatch):
    given = {"scale": 2, "pool": "tokens", "weights": None, "frozen": "no"}
    words = {f"encoders__image__{name}": value for name, value in given.items()}
    found = plan(_with_typed(monkeypatch), encoders__image="typed", **words)
    assert found.encoders["image"].component.options == given | {"frozen": False}
    assert found.describe()["pipeline"]["encoders"]["image"]["options"] == given | {"frozen": False}
    assert type(found.encoders["image"].component.options["scale"]) is int


def _with_typed(monkeypatch: pytest.MonkeyPatch) -> plugins.Plugins:
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    return plugins.load({"builtin": builtin, "tiny": tiny_world.plugin(encoders={"typed": typed})})


def test_what_a_task_adds_to_a_profile_is_no_profile(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    pipeline = dataclasses.replace(tiny_world.PIPELINE, profiles={"demo": {}, "demo:colour": {"fit.epochs": 2}})
    loaded = plugins.load({"builtin": builtin, "tiny": tiny_world.plugin(pipelines={"tiny": pipeline})})
    with pytest.raises(UserError) as raised:
        plan(loaded, profile="demo:colour")
    assert str(raised.value) == "No profile of tiny is called 'demo:colour'. Known: demo, paper"


def test_a_modality_the_task_lacks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    mute = dataclasses.replace(tiny_world.TASKS["colour"], name="mute", modalities=("image",))
    loaded = plugins.load({"builtin": builtin, "tiny": tiny_world.plugin(tasks={"mute": mute})})
    with pytest.raises(UserError, match=r"Task 'mute' has no audio; it has image. Say --set encoders.audio=none"):
        plan(loaded, "mute")
    assert list(plan(loaded, "mute", encoders__audio=None, encoders__text=None).encoders) == ["image"]


def test_adapt_of_an_encoder_that_is_gone_goes_with_it(loaded):
    found = plan(loaded, adapt__audio=Recipe(1, 1.0, 1), encoders__audio=None)
    assert list(found.pipeline.adapt) == ["image"]


def test_a_family_s_argument_reaches_its_factory(loaded):
    part = plan(loaded, encoders__audio="named:anything", encoders__audio__loud=True).encoders["audio"]
    assert part.argument == "anything"
    assert isinstance(part.make(), tiny_world.Ear)


def test_resources_go_only_to_who_asks():
    seen: list[Any] = []
    asks = Part(Component("x", {"n": 1}), lambda *, n, resources: seen.append((n, resources)), "p", "0")
    does_not = Part(Component("x", {"n": 1}), lambda *, n: seen.append(n), "p", "0")
    for part in (asks, does_not):
        part.make(resources="R")  # type: ignore[arg-type]
    assert seen == [(1, "R"), 1]


def test_a_described_plan_is_json_and_comes_back(loaded):
    found = plan(loaded, "units", "wide", 7, fit__lr=0.25, encoders__text=None)
    told = json.loads(json.dumps(found.describe(), allow_nan=False))
    assert told == found.describe()
    assert replan(loaded, told).describe() == told


def changes(loaded, *, first: dict[str, Any] | None = None, **words: Any) -> bool:
    return plan(loaded, **(first or {})).describe() != plan(loaded, **words).describe()


def test_every_choice_is_in_the_description(loaded):
    assert not changes(loaded)
    for words in ({"seed": 1}, {"vote": "majority"}, {"fit__lr": 0.3}, {"fusion__width": 4}, {"fill_faces": "mask"},
                  {"postprocess": "none"}, {"partition": "whole"}, {"order": "smooth-vote"},
                  {"adapt__image": None}):  # fmt: skip
        assert changes(loaded, **words), words


def test_an_edited_vote_is_another_plan(loaded):
    """Votes have no place in the store: only the plan keeps an old row from standing for a new vote."""
    assert plan(loaded).describe()["vote"].keys() >= {"name", "plugin", "version", "source"}


def test_the_identity_of_a_part_knows_its_file_s_bytes(loaded, tmp_path: Path):
    weights = tmp_path / "w.safetensors"

    def identity(text: str) -> dict[str, Any]:
        weights.write_text(text)
        return Part(Component("eye", {"weights": str(weights)}), tiny_world.eye, "tiny", "0").identity()

    one, two = identity("one"), identity("two")
    assert one["options"]["weights"].startswith("sha256:")
    assert one != two
    elsewhere = tmp_path / "elsewhere" / "w.safetensors"
    elsewhere.parent.mkdir()
    elsewhere.write_text("two")
    assert Part(Component("eye", {"weights": str(elsewhere)}), tiny_world.eye, "tiny", "0").identity() == two


def test_downloaded_weights_count_as_the_same_file_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    sha256 = hashlib.sha256(b"one").hexdigest()
    kept = tmp_path / "weights" / sha256 / "w.safetensors"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"one")

    def identity(weights: str) -> dict[str, Any]:
        return Part(Component("eye", {"weights": weights}), tiny_world.eye, "tiny", "0").identity()

    assert identity(f"https://host/w.safetensors#sha256={sha256}") == identity(str(kept))
    with pytest.raises(MissingData, match=r"w\.safetensors of the hub's owner/name"):
        identity("hf:owner/name/w.safetensors")
    assert identity("hf:owner/name")["options"] == {"weights": "hf:owner/name"}


def test_a_folder_after_the_colon_counts_by_its_bytes(tmp_path: Path):
    def identity(text: str) -> dict[str, Any]:
        (tmp_path / "weights").write_text(text)
        return Part(Component(f"named:{tmp_path}"), tiny_world.named, "tiny", "0", str(tmp_path)).identity()

    one, two = identity("one"), identity("two")
    assert one["argument"].startswith("sha256:")
    assert one != two


def test_a_folder_of_weights_counts_by_its_files(tmp_path: Path):
    def identity() -> dict[str, Any]:
        return Part(Component("eye", {"weights": str(tmp_path)}), tiny_world.eye, "tiny", "0").identity()

    (tmp_path / "a").write_text("1")
    one = identity()
    (tmp_path / "b").write_text("2")
    assert identity() != one


@pytest.mark.parametrize("value", ["/no/such/file", "./nor/this.safetensors", "~/nor-that.pt"])
def test_a_file_that_is_not_there(value: str):
    with pytest.raises(MissingData, match="No file"):
        Part(Component("eye", {"weights": value}), tiny_world.eye, "tiny", "0").identity()


@pytest.mark.parametrize("value", ["resnet18.a1_in1k", "org/model", "random", 3, None, True])
def test_what_is_no_file_stands_for_itself(value: Any):
    part = Part(Component("eye", {"weights": value}), tiny_world.eye, "tiny", "0")
    assert part.identity()["options"] == {"weights": value}


def test_system_names():
    assert system_name("p", {}) == "p"
    assert system_name("p", {"vote": "mean", "encoders.audio": None}) == "p[vote=mean,encoders.audio=None]"
