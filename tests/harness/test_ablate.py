from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from abaw_baselines.fusions import linear
from abaw_baselines.pixels import Pixels, pixels16
from harness.ablate import (
    Variant,
    ablate,
    chosen,
    image_weights,
    parts_planned,
    planned,
    shared_out,
    variants,
    with_sets,
)
from harness.adapt import Adapted
from harness.errors import UserError
from harness.plugins import Plugins, load
from harness.resolve import Plan, resolve
from harness.session import Request
from netease_abaw6.mae import build_vit, mae_vit_b
from netease_abaw6.mae_checkpoints import read, write

TASKS = ("au", "ce", "emi", "expr", "va")


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load()


@pytest.fixture
def full(plugins: Plugins) -> Plan:
    """The bundle on EXPR as the paper has it."""
    return resolve(plugins, "expr", "netease_abaw6", "paper")


def sets_of(found: list[Variant]) -> dict[str, dict[str, Any]]:
    return {variant.name: dict(variant.sets) for variant in found}


def test_every_part_has_a_variant(full: Plan):
    assert sets_of(variants(full, 3)) == {
        "no audio": {"encoders.audio": None},
        "no image encoder": {"encoders.image": "pixels16", "adapt.image": None},
        "no pre-training": {"encoders.image.weights": "random"},
        "image not fine-tuned": {"adapt.image": None, "encoders.image.pool": "avg"},
        "no extra data": {"extra_train": None},
        "plain fusion": {"fusion": "linear"},
        "no label weights in fusion": {"fit.label_weights": "none"},
        "faceless frames hidden": {"fill_faces": "mask"},
        "whole": {"partition": "whole"},
        "random parts": {"partition": "random_k", "partition.k": 3},
        "routed": {"vote": "routed"},
        "mean vote": {"vote": "mean"},
        "no smoothing": {"postprocess": "none"},
        "vote after smoothing": {"order": "smooth-vote"},
    }
    assert all(variant.says for variant in variants(full, 3))


def test_what_a_pipeline_lacks_is_not_taken_away(plugins: Plugins):
    bare = {
        "encoders.audio": None, "encoders.image": "pixels16", "adapt.image": None, "extra_train": None,
        "fusion": "linear", "partition": "whole", "vote": "mean", "postprocess": "none", "fill_faces": "mask",
    }  # fmt: skip
    assert variants(resolve(plugins, "expr", "netease_abaw6", "paper", sets=bare), 1) == []


def test_one_part_has_no_control_for_its_number(full: Plan):
    names = {variant.name for variant in variants(full, 1)}
    assert {"random parts", "routed", "mean vote", "vote after smoothing"}.isdisjoint(names)


@pytest.mark.parametrize(
    ("sets", "weights"),
    [
        ({}, "mae_face_pretrain_vit_base.pth"),
        ({"encoders.image.weights": "data:faces"}, "data:faces"),
        ({"encoders.image.weights": "random"}, "random"),
        ({"encoders.image": "timm:resnet18"}, "hub"),
        ({"encoders.image": "pixels16", "adapt.image": None}, None),
    ],
)
def test_pre_training_is_taken_away_where_there_is_some(plugins: Plugins, sets: dict[str, Any], weights: str | None):
    plan = resolve(plugins, "va", "netease_abaw6", "paper", sets=sets)
    assert image_weights(plan) == weights
    assert ("no pre-training" in sets_of(variants(plan, 2))) == (weights not in (None, "random"))


def test_only_a_layer_that_nothing_but_fine_tuning_trains_is_put_aside(plugins: Plugins):
    plan = resolve(plugins, "emi", "netease_abaw6", "demo")  # takes the mean patch token
    assert sets_of(variants(plan, 2))["image not fine-tuned"] == {"adapt.image": None}


@pytest.mark.parametrize(
    ("pipeline", "missing"),
    [
        ("ce_rafdb", {"no extra data"}),  # nothing else to learn from
        ("ce_zero_shot", {"no image encoder", "no pre-training", "plain fusion", "no label weights in fusion"}),
    ],
)
def test_what_a_pipeline_cannot_do_without_is_not_taken_away(plugins: Plugins, pipeline: str, missing: set[str]):
    plan = resolve(plugins, "ce", f"netease_abaw6:{pipeline}", "paper")
    assert missing.isdisjoint(sets_of(variants(plan, parts_planned(plan))))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("profile", ["paper", "demo"])
def test_the_bundle_takes_every_variant(plugins: Plugins, task: str, profile: str):
    plan = resolve(plugins, task, "netease_abaw6", profile)
    found = variants(plan, parts_planned(plan))
    pipelines = [resolve(plugins, task, "netease_abaw6", profile, sets=one.sets).pipeline for one in found]
    assert all(pipeline != plan.pipeline for pipeline in pipelines)
    names = {one.name for one in found}
    assert {"no image encoder", "no pre-training", "image not fine-tuned", "plain fusion"} <= names
    assert ("no text" in names) == (task == "emi")
    assert ("no label weights in fusion" in names) == (task not in ("va", "emi"))  # values have no weights


def test_variants_are_called_for_by_name(full: Plan):
    found, own = variants(full, 2), [Variant("mine", {"fit.epochs": 1})]
    assert [v.name for v in chosen(found, ["whole"], own)] == ["whole", "mine"]
    assert chosen(found, [], own) == [*found, *own]
    with pytest.raises(UserError, match=r"'hole'\. Did you mean 'whole'"):
        chosen(found, ["hole"], own)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Weights of the smallest image encoder of the bundle."""
    torch.manual_seed(5)
    vit = build_vit(width=8, depth=1, heads=1, patch=4, image=8, drop_path=0.0, pool="")
    write(tmp_path / "faces.safetensors", vit.state_dict(), {})
    return tmp_path / "faces.safetensors"


@pytest.fixture
def pretrained(tiny: Any, checkpoint: Path) -> tuple[Any, Request]:
    """The tiny world seen by a pre-trained image encoder of the bundle, and what a run of it asks for."""
    world = tiny(encoders={"mae_vit_b": mae_vit_b, "pixels16": pixels16}, fusions={"linear": linear})
    sizes = {"width": 8, "depth": 1, "heads": 1, "patch": 4, "image": 8, "pool": "tokens", "narrow": 4}
    options = {f"encoders.image.{name}": value for name, value in {**sizes, "weights": str(checkpoint)}.items()}
    return world, world.request(sets={"encoders.image": "mae_vit_b", **options})


CONTROLS = ("no image encoder", "no pre-training", "image not fine-tuned", "plain fusion")


def test_controls_of_the_image_and_of_the_fusion_run_and_change_the_predictions(pretrained: tuple[Any, Request]):
    world, request = pretrained
    found = ablate(world.plugins, "colour", request, only=CONTROLS, report=lambda line: None)
    assert [one.variant.name for one in found.rows] == list(CONTROLS)
    runs = {"full": found.full, **{one.variant.name: one.judged for one in found.rows}}
    scores = {name: predictions(judged.folder) for name, judged in runs.items()}
    assert len({one.tobytes() for one in scores.values()}) == len(runs)
    told = {name: json.dumps(judged.row["choices"]) for name, judged in runs.items()}
    assert [name for name in runs if "epoch of adapt image" not in told[name]] == [CONTROLS[0], CONTROLS[2]]
    assert [name for name in runs if "epoch of classifier" not in told[name]] == ["plain fusion"]


def test_a_variant_replaces_what_the_user_set_of_that_part(tiny: Any):
    world = tiny(fusions={"linear": linear})
    request = world.request(sets={"encoders.audio": "named:x", "encoders.audio.loud": True, "fusion.width": 4})
    found = ablate(world.plugins, "colour", request, only=["no audio", "plain fusion"], report=lambda line: None)
    assert found.full.row["system"] == "tiny[encoders.audio=named:x,encoders.audio.loud=True,fusion.width=4]"
    assert [one.judged.row["system"] for one in found.rows] == [
        "tiny[fusion.width=4,encoders.audio=None]",
        "tiny[encoders.audio=named:x,encoders.audio.loud=True,fusion=linear]",
    ]


def predictions(folder: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(folder / "official.parquet").filter(like="score ").to_numpy()


def test_image_controls_are_the_encoders_they_say(pretrained: tuple[Any, Request], checkpoint: Path):
    world, request = pretrained
    given = read(checkpoint)

    def image(name: str) -> tuple[Any, bool]:
        """The encoder as it is used, and whether it began with the checkpoint's weights."""
        sets = sets_of(planned(world.plugins, "colour", request))[name] if name else {}
        prepared = world.prepare(sets=with_sets(request.sets, Variant("", sets)))
        adapted = Adapted(prepared.context, prepared.splits[0], "image")
        return adapted.build(), name != "no image encoder" and same(adapted.fresh())

    def same(encoder: Any) -> bool:
        held = encoder.vit.state_dict()
        return all(torch.equal(held[k], given[k]) for k in given if k in held)

    full, begun = image("")
    assert (begun, same(full), full.network.join is None) == (True, False, False)
    drawn, begun = image("no pre-training")
    assert (begun, same(drawn), drawn.network.join is None) == (False, False, False)
    as_it_came, begun = image("image not fine-tuned")
    assert (begun, same(as_it_came), as_it_came.network.join) == (True, True, None)
    assert isinstance(image("no image encoder")[0], Pixels)


def test_what_is_planned_is_what_is_asked_for_and_needs_no_data(plugins: Plugins, own_home: Path):
    request, own = Request("netease_abaw6"), [Variant("short", {"fit.epochs": 1})]
    assert [one.name for one in planned(plugins, "va", request, ["plain fusion"], own)] == ["plain fusion", "short"]
    random_parts = sets_of(planned(plugins, "va", request))["random parts"]
    assert random_parts == {"partition": "random_k", "partition.k": 2}  # the demo's profile, on the demo's data
    with pytest.raises(UserError, match="plane fusion"):
        planned(plugins, "va", request, ["plane fusion"])
    with pytest.raises(UserError, match="epoch"):
        planned(plugins, "va", request, own=[Variant("wrong", {"fit.epoch": 1})])
    assert list(own_home.iterdir()) == []


def test_a_variant_is_compared_with_the_full_pipeline_on_the_same_recordings(tiny: Any):
    world = tiny()
    said: list[str] = []
    found = ablate(world.plugins, "colour", world.request(), only=["no label weights in fusion"], report=said.append)
    [one] = found.rows
    assert said[-1] == "colour: no label weights in fusion (1 of 1)"
    assert one.judged.row["run"] != found.full.row["run"]
    assert one.judged.row["system"].endswith("[fit.label_weights=none]")
    full, variant = (judged.row["score"]["P"]["value"] for judged in (found.full, one.judged))
    assert one.difference.p.value == pytest.approx(variant - full, abs=1e-12)


def test_finished_variants_are_not_run_again(tiny: Any):
    world = tiny()
    first = ablate(world.plugins, "colour", world.request(), only=["no label weights in fusion"], report=lambda _: None)
    paths = [judged.folder / "official.json" for judged in (first.full, first.rows[0].judged)]
    before = [path.stat().st_mtime_ns for path in paths]
    again = ablate(world.plugins, "colour", world.request(), only=["no label weights in fusion"], report=lambda _: None)
    assert [path.stat().st_mtime_ns for path in paths] == before
    assert again.rows[0].difference == first.rows[0].difference


def test_variants_leave_no_model_the_full_pipeline_does(tiny: Any):
    world = tiny()
    found = ablate(world.plugins, "colour", world.request(), only=["no label weights in fusion"], report=lambda _: None)
    assert (found.full.folder / "model").is_dir()
    assert not (found.rows[0].judged.folder / "model").exists()


@pytest.mark.parametrize(
    ("only", "own", "told"),
    [
        (["no lable weights"], [], "no lable weights"),
        ([], [Variant("same", {"seed_of_nothing": 0})], "seed_of_nothing"),
        ([], [Variant("other", {"fusion": "nothing"})], "nothing"),
    ],
)
def test_a_wrong_name_is_told_before_any_work(tiny: Any, only: list[str], own: list[Variant], told: str):
    world = tiny()
    with pytest.raises(UserError, match=told):
        ablate(world.plugins, "colour", world.request(), only=only, own=own)
    assert not (world.folder / "runs").exists()


def test_each_of_many_tasks_gets_the_variants_that_it_has(plugins: Plugins):
    tasks = ["au", "ce", "emi"]
    request = Request(plugin="netease_abaw6")
    assert shared_out(plugins, tasks, request, ["no text", "whole", "no smoothing"]) == {
        "au": ("whole", "no smoothing"), "ce": ("whole",), "emi": ("no text", "whole"),
    }  # fmt: skip
    assert shared_out(plugins, tasks, request, ["no text"]) == {"emi": ("no text",)}
    assert shared_out(plugins, tasks, request, []) == {"au": (), "ce": (), "emi": ()}
    with pytest.raises(UserError, match=r"'no texts'\. Did you mean 'no text'"):
        shared_out(plugins, tasks, request, ["whole", "no texts"])
