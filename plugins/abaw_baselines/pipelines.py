"""The baselines as literals. Where they look at faces and sound, it is through the bundle's encoders, frozen.

So a comparison with `netease_abaw6` is about what the bundle adds: fine-tuning, fusion, scenes, smoothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from harness.types import Component, Pipeline, Recipe
from netease_abaw6.pipeline import NETEASE_ABAW6 as BUNDLE

SOLVED = Recipe(epochs=1, lr=1.0, batch=64, source="closed form or convex: `solve`")
TEXT_TASKS = ("emi",)  # the bundle's word encoder is fine-tuned; frozen, a bag of words is the plain choice
# nobody trains a layer at the end of a frozen encoder, so its mean patch token is taken
FROZEN_IMAGE = dataclasses.replace(
    BUNDLE.encoders["image"], options={**BUNDLE.encoders["image"].options, "pool": "avg", "frozen": True}
)
FROZEN = {**BUNDLE.encoders, "image": FROZEN_IMAGE, "text": Component("hashed_words", source="ours")}
NO_TEXT: Mapping[str, Mapping[str, Any]] = {
    task: {"encoders.text": None} for task in BUNDLE.tasks if task not in TEXT_TASKS
}


def _sizes(*fields: str, profile: str = "demo") -> dict[str, Any]:
    """The bundle's sizes of these fields in a profile."""
    sizes, beginnings = BUNDLE.profiles[profile], tuple(f"{field}." for field in fields)
    return {path: value for path, value in sizes.items() if path.startswith(beginnings)}


# frozen means that nobody trains it, so in the demo its weights are as drawn
DEMO_ENCODERS = {**_sizes("encoders.image", "encoders.audio"), "encoders.audio.weights": "random"}

MAJORITY = Pipeline(
    name="majority",
    title="Training majority (labels) or mean (values)",
    reference="baseline",
    encoders={"image": Component("pixels16", source="ours")},  # only tells how many frames there are
    fusion=Component("prior", source="ours"),
    fit=SOLVED,
    profiles={"paper": {}, "demo": {}},
)

PIXELS16 = Pipeline(
    name="pixels16",
    title="Linear model on 16 x 16 grey pixels",
    reference="baseline",
    encoders={"image": Component("pixels16", source="ours")},
    fusion=Component("linear", {"clip_mean": False}, source="ours"),
    fit=SOLVED,
    profiles={"paper": {}, "demo": {}},
)

LOGISTIC = Pipeline(
    name="logistic",
    title="Ridge or balanced logistic regression on frozen tokens",
    reference="baseline",
    encoders=FROZEN,
    fusion=Component("linear", source="ours"),
    fit=SOLVED,
    tasks=NO_TEXT,
    profiles={"paper": {}, "demo": DEMO_ENCODERS},
)

FUSION_WHOLE = dataclasses.replace(
    BUNDLE,
    name="fusion_whole",
    title="One transformer fusion on frozen encoders, without scenes",
    reference="baseline",
    encoders=FROZEN,
    adapt={},
    partition=Component("whole", source="ours"),
    vote="mean",
    tasks={
        task: {
            path: value
            for path, value in {**row, **NO_TEXT.get(task, {})}.items()
            if path != "vote" and not path.startswith("extra_train")
        }
        for task, row in BUNDLE.tasks.items()
    },
    profiles={
        "paper": {},
        "demo": {**DEMO_ENCODERS, **_sizes("fusion", "fit")},
        # a task that the bundle trains longer is trained longer here
        **{name: _sizes("fusion", "fit", profile=name) for name in BUNDLE.profiles if name.startswith("demo:")},
    },
)

PIPELINES = (MAJORITY, LOGISTIC, PIXELS16, FUSION_WHOLE)
