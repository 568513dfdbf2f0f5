"""The paper's method with other training: a frozen image encoder, and CE without videos labelled for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.types import Component, Extra, Pipeline, Recipe
from netease_abaw6.pipeline import NETEASE_ABAW6

COMPOUNDS = (
    "Fear+Surprise,Happiness+Surprise,Sadness+Surprise,Disgust+Surprise,Anger+Surprise,Sadness+Fear,Sadness+Anger"
)


def _rows(rows: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    """The rows of these fields and of those below them."""
    return {path: value for path, value in rows.items() if any(f"{path}.".startswith(f"{field}.") for field in fields)}


def _without(rows: Mapping[str, Any], field: str) -> dict[str, Any]:
    return {path: value for path, value in rows.items() if path not in _rows(rows, field)}


# Nobody trains a layer at the end of a frozen encoder, so its mean patch token is taken.
_IMAGE = {k: v for k, v in NETEASE_ABAW6.encoders["image"].options.items() if k not in ("pool", "narrow", "drop_path")}
FROZEN = dataclasses.replace(
    NETEASE_ABAW6,
    name="frozen",
    title=f"{NETEASE_ABAW6.title}; image encoder not fine-tuned (the cheap variant)",
    encoders={**NETEASE_ABAW6.encoders, "image": Component("mae_vit_b.frozen", _IMAGE, source="ours")},
    adapt={modality: recipe for modality, recipe in NETEASE_ABAW6.adapt.items() if modality != "image"},
    profiles={
        name: _without(
            {path: v for path, v in row.items() if path not in ("encoders.image.pool", "encoders.image.drop_path")},
            "adapt.image",
        )
        for name, row in NETEASE_ABAW6.profiles.items()
    },
)

# Stills have neither sound nor scenes, and no video to choose a sigma on.
CE_RAFDB = dataclasses.replace(
    NETEASE_ABAW6,
    name="ce_rafdb",
    title="Compound expressions learnt from RAF-DB's compound images alone",
    encoders={"image": NETEASE_ABAW6.encoders["image"]},
    adapt={"image": NETEASE_ABAW6.adapt["image"]},
    partition=Component("whole", source="ours"),
    vote="mean",
    postprocess=Component("none", source="paper 3.4"),
    train="extra",
    extra_train={"raf-db-compound": Extra("raf-db-compound", stages="adapt,fit", source="ours")},
    tasks={},
    profiles={
        "paper": {},
        "demo": _rows(NETEASE_ABAW6.profiles["demo"], "encoders.image", "adapt.image", "fusion", "fit"),
    },
)

CE_ZERO_SHOT = Pipeline(
    name="ce_zero_shot",
    title="Compound expressions as the mean of two basic probabilities of a finished EXPR run",
    reference="ours",
    encoders={
        "image": Component("of_run:image", {"run": ""}, source="ours"),
        "audio": Component("of_run:audio", {"run": ""}, source="ours"),
    },
    fusion=Component("compound_of_basic", {"run": "", "compounds": COMPOUNDS}, source="ours"),
    fit=Recipe(epochs=1, lr=1.0, batch=64, source="ours: nothing is trained"),
    train="none",
    profiles={"paper": {}, "demo": {}},
)

VARIANTS = (FROZEN, CE_RAFDB, CE_ZERO_SHOT)
