from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.fields import at, changed, parse, suited
from harness.types import Component, Extra, Pipeline, Recipe

RECIPE = Recipe(epochs=9, lr=1e-4, batch=32)
EXTRA = Extra("rest", "a,b")
PIPELINE = Pipeline(
    "p", "P", "",
    encoders={"image": Component("mae_vit_b", {"width": 64}), "audio": Component("vggish")},
    fusion=Component("transformer_4x"),
    fit=RECIPE,
    postprocess=Component("gaussian"),
    adapt={"image": RECIPE},
    extra_train={"more": EXTRA},
)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "look", "expected"),
    [
        ("vote", "majority", lambda p: p.vote, "majority"),
        ("order", "smooth-vote", lambda p: p.order, "smooth-vote"),
        ("fusion", "linear", lambda p: p.fusion, Component("linear", source="chosen")),
        ("fusion.layers", 2, lambda p: p.fusion, Component("transformer_4x", {"layers": 2})),
        ("encoders.image", "timm:resnet18", lambda p: p.encoders["image"], Component("timm:resnet18", source="chosen")),
        ("encoders.image.width", 96, lambda p: p.encoders["image"].options, {"width": 96}),
        ("encoders.image.weights", None, lambda p: p.encoders["image"].options, {"width": 64, "weights": None}),
        ("encoders.text", "lora", lambda p: list(p.encoders), ["image", "audio", "text"]),
        ("encoders.audio", None, lambda p: list(p.encoders), ["image"]),
        ("adapt.image", None, lambda p: p.adapt, {}),
        ("adapt.audio", RECIPE, lambda p: p.adapt["audio"], RECIPE),
        ("adapt.image.epochs", 3, lambda p: p.adapt["image"].epochs, 3),
        ("fit.lr", 1, lambda p: p.fit.lr, 1.0),
        ("fit.label_weights", "none", lambda p: p.fit.label_weights, "none"),
        ("postprocess", Component("median"), lambda p: p.postprocess, Component("median")),
        ("postprocess", None, lambda p: p.postprocess.name, "none"),
        ("extra_train", None, lambda p: p.extra_train, {}),
        ("extra_train.more", None, lambda p: p.extra_train, {}),
        ("extra_train.other", None, lambda p: p.extra_train, {"more": EXTRA}),
        ("extra_train.raf-db", "raf-db", lambda p: p.extra_train["raf-db"], Extra("raf-db", source="chosen")),
        ("extra_train.more.cap", 9, lambda p: p.extra_train["more"], Extra("rest", "a,b", cap=9)),
        ("extra_train.more.stages", "adapt,fit", lambda p: p.extra_train["more"].stages, "adapt,fit"),
        ("train", None, lambda p: p.train, "none"),
        ("components.width", 8, lambda p: [p.encoders["image"].options, p.fusion.options], [{"width": 8}, {}]),
    ],
)  # fmt: skip
def test_one_change(path, value, look, expected):
    assert look(changed(PIPELINE, {path: value})) == expected


def test_naming_the_component_that_is_there_keeps_its_options():
    assert changed(PIPELINE, {"encoders.image": "mae_vit_b"}) == PIPELINE


def test_another_component_starts_without_options():
    assert changed(PIPELINE, {"encoders.image": "mae_vit_l"}).encoders["image"].options == {}


def test_changes_apply_in_order():
    both = changed(PIPELINE, {"encoders.image": "new", "encoders.image.width": 8})
    assert both.encoders["image"] == Component("new", {"width": 8}, "chosen")


def test_the_pipeline_itself_stays_as_it_was():
    before = repr(PIPELINE)
    changed(PIPELINE, {"encoders.image.width": 1, "encoders.audio": None, "adapt.image.lr": 0.1, "vote": "mean"})
    assert repr(PIPELINE) == before


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("fusio", "x", "No field of a Pipeline is called 'fusio'. Did you mean 'fusion'?"),
        ("name", "x", "No field of a Pipeline is called 'name'."),
        ("tasks", {}, "No field of a Pipeline is called 'tasks'."),
        ("profiles.demo", {}, "No field of a Pipeline is called 'profiles'."),
        ("", 1, "No field of a Pipeline is called ''."),
        ("encoders", "x", "encoders holds one entry per modality: say encoders.image, encoders.audio or encoders.text"),
        ("encoders.imge.width", 1, "No modality of encoders is called 'imge'. Did you mean 'image'?"),
        ("encoders.text.width", 1, "encoders.text.width: this pipeline has no encoders.text; it has image, audio"),
        ("adapt.text.epochs", 1, "adapt.text.epochs: this pipeline has no adapt.text; it has image"),
        ("adapt.text", 5, "adapt.text is a recipe"),
        ("adapt.image", 5, "adapt.image is a recipe: set one of its fields, say adapt.image.epochs"),
        ("adapt.image.epoch", 5, "No field of a Recipe is called 'epoch'. Did you mean 'epochs'?"),
        ("fit", 5, "fit is a recipe: set one of its fields, say fit.epochs"),
        ("fit.lr.x", 5, "No field of a Recipe is called 'lr.x'."),
        ("fit.epochs", 2.5, "fit.epochs: expected int, came 2.5"),
        ("fit.epochs", True, "fit.epochs: expected int, came True"),
        ("fit.epochs", "many", "fit.epochs: expected int, came 'many'"),
        ("fit.lr", "fast", "fit.lr: expected float, came 'fast'"),
        ("fit.lr", True, "fit.lr: expected float, came True"),
        ("fit.label_weights", "some", "fit.label_weights: expected one of none, "),
        ("fusion", 3, "fusion: expected a component's name, came 3"),
        ("encoders.image", 3, "encoders.image: expected a component's name, came 3"),
        ("fusion.layers.x", 3, "fusion.layers.x: options of a component have no fields below them"),
        ("vote", 3, "vote: expected str, came 3"),
        ("vote.k", 3, "vote.k: vote has no fields below it"),
        ("order", "x", "order: expected one of vote-smooth, smooth-vote, came 'x'"),
        ("fill_faces", "no", "fill_faces: expected one of nearest, mask, came 'no'"),
        ("extra_train", "x", "extra_train holds one entry per source: say extra_train.NAME=DATA, or extra_train=none"),
        ("extra_train.more", 3, "extra_train.more: expected the name of a data set, came 3"),
        ("extra_train.moe.cap", 3, "extra_train.moe.cap: this pipeline has no extra_train.moe; it has more"),
        ("extra_train.more.cup", 3, "No field of an Extra is called 'cup'. Did you mean 'cap'?"),
        ("extra_train.more.stages", "x", "extra_train.more.stages: expected one of adapt, fit, adapt,fit, came 'x'"),
        ("components.run", "x", "No option of any component of p is called 'run'."),
        ("partial_rows", None, "partial_rows: expected one of any, all, mask, came None"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(path, value, message):
    with pytest.raises(UserError) as raised:
        changed(PIPELINE, {path: value})
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("fit.epochs", 0),
        ("fit.batch", 0),
        ("fit.lr", float("nan")),
        ("fit.lr", -1.0),
        ("fit.lr", float("inf")),
        ("adapt.image.batch", -3),
        ("fit.warmup", 2.0),
        ("fit.samples_per_epoch", -1),
        ("extra_train.more.cap", -1),
        ("adapt.image.crop", 0.0),
        ("adapt.image.erase", 1.5),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(path, value):
    with pytest.raises(UserError, match=path.replace(".", r"\.")):
        changed(PIPELINE, {path: value})


def test_the_encoder_of_a_modality():
    assert at(PIPELINE, "audio") == Component("vggish")
    with pytest.raises(UserError, match="No encoder modality of p is called 'text'"):
        at(PIPELINE, "text")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-3", -3),
        (".5", 0.5),
        ("TRUE", True),
        ("None", None),
        ("", ""),
        ("timm:resnet18", "timm:resnet18"),
        ("1e", "1e"),
    ],
)
def test_a_typed_value(text, value):
    assert parse(text) == value
    assert type(parse(text)) is type(value)


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none()))
def test_numbers_and_words_come_back_as_typed(value):
    assert parse(str(value)) == value
    assert type(parse(str(value))) is type(value)


Pool = Literal["avg", "tokens"]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (int, 3, 3), (float, 3, 3), (float, 0.5, 0.5), (str, "random", "random"), (Pool, "avg", "avg"),
        (str | None, None, None), (Optional[int], 3, 3), (int | str, "last", "last"), (Literal[1, 2], 2, 2),  # noqa: UP045
        (Pool | None, None, None), (Any, object, object), (Mapping[str, int], "x", "x"), (int | list[int], "x", "x"),
        (bool, True, True), (bool, "no", False), (bool, "Yes", True), (bool, "off", False), (bool, "on", True),
        (bool, 0, False), (bool, 1, True), (bool | None, "no", False), (bool | str, "no", "no"),
    ],
)  # fmt: skip
def test_a_value_of_its_type_is_kept_and_yes_and_no_are_bools(kind, value, expected):
    found = suited(kind, value, "x.y")
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (int, "abc", "int, came 'abc'"),
        (int, 2.5, "int, came 2.5"),
        (int, True, "int, came True"),
        (int, None, "int, came None"),
        (float, True, "float, came True"),
        (float, "wide", "float, came 'wide'"),
        (str, 3, "str, came 3"),
        (int | None, "x", "int or none, came 'x'"),
        (bool, "maybe", "true or false, came 'maybe'"),
        (bool, 2, "true or false, came 2"),
        (Pool, "max", "one of avg, tokens, came 'max'"),
        (Literal[1, 2], True, "one of 1, 2, came True"),
        (Pool | int | None, 0.5, "one of avg, tokens or int or none, came 0.5"),
    ],
)
def test_a_value_of_another_type_is_refused(kind, value, expected):
    with pytest.raises(UserError) as raised:
        suited(kind, value, "x.y")
    assert str(raised.value) == f"x.y: expected {expected}"
