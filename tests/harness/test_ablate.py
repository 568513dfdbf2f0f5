from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from harness.ablate import Variant, ablate, chosen, shared_out, variants
from harness.errors import UserError
from harness.types import Component, Extra, Pipeline, Recipe

RECIPE = Recipe(1, 1e-3, 4)
FULL = Pipeline(
    "full", "", "",
    encoders={"image": Component("i"), "audio": Component("a"), "text": Component("t")},
    fusion=Component("f"), fit=RECIPE, partition=Component("scenes"), vote="majority",
    postprocess=Component("gaussian"), adapt={"image": RECIPE}, extra_train={"more": Extra("more")},
)  # fmt: skip


def test_every_part_has_a_variant():
    found = {variant.name: dict(variant.sets) for variant in variants(FULL, 3, {"majority", "mean", "routed"})}
    assert found == {
        "no audio": {"encoders.audio": None},
        "no text": {"encoders.text": None},
        "image not fine-tuned": {"adapt.image": None},
        "no extra data": {"extra_train": None},
        "whole": {"partition": "whole"},
        "random parts": {"partition": "random_k", "partition.k": 3},
        "routed": {"vote": "routed"},
        "mean vote": {"vote": "mean"},
        "no smoothing": {"postprocess": "none"},
        "vote after smoothing": {"order": "smooth-vote"},
        "faceless frames hidden": {"fill_faces": "mask"},
        "no label weights in fusion": {"fit.label_weights": "none"},
    }


def test_what_a_pipeline_lacks_is_not_taken_away():
    bare = dataclasses.replace(
        FULL,
        encoders={"image": Component("i")}, adapt={}, extra_train={}, partition=Component("whole"), vote="mean",
        postprocess=Component("none"), fill_faces="mask", fit=dataclasses.replace(RECIPE, label_weights="none"),
    )  # fmt: skip
    assert variants(bare, 1) == []


def test_one_part_has_no_control_for_its_number():
    names = {variant.name for variant in variants(FULL, 1, {"routed"})}
    assert {"random parts", "routed", "mean vote", "vote after smoothing"}.isdisjoint(names)


def test_variants_are_called_for_by_name():
    found, own = variants(FULL, 2), [Variant("mine", {"fit.epochs": 1})]
    assert [v.name for v in chosen(found, ["whole"], own)] == ["whole", "mine"]
    assert chosen(found, [], own) == [*found, *own]
    with pytest.raises(UserError, match=r"'hole'\. Did you mean 'whole'"):
        chosen(found, ["hole"], own)


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


def test_each_of_many_tasks_gets_the_variants_that_it_has():
    from harness.plugins import load
    from harness.session import Request

    plugins, tasks = load(), ["au", "ce", "emi"]
    request = Request(plugin="netease_abaw6")
    assert shared_out(plugins, tasks, request, ["no text", "whole", "no smoothing"]) == {
        "au": ("whole", "no smoothing"), "ce": ("whole",), "emi": ("no text", "whole"),
    }  # fmt: skip
    assert shared_out(plugins, tasks, request, ["no text"]) == {"emi": ("no text",)}
    assert shared_out(plugins, tasks, request, []) == {"au": (), "ce": (), "emi": ()}
    with pytest.raises(UserError, match=r"'no texts'\. Did you mean 'no text'"):
        shared_out(plugins, tasks, request, ["whole", "no texts"])
