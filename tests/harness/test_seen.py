from __future__ import annotations

from typing import Any

import pytest

from harness.plugins import load
from harness.resolve import Plan, resolve
from harness.seen import verdict


def plan(task: str, plugin: str, profile: str, **sets: Any) -> Plan:
    return resolve(load(), task, plugin, profile, sets={name.replace("__", "."): value for name, value in sets.items()})


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (("netease_abaw6", "demo", "demo"), ("held-out", ["demo-pretrain"])),
        (("abaw_baselines:pixels16", "demo", "demo"), ("held-out", [])),
        (("abaw_baselines:majority", "paper", "aff-wild2"), ("held-out", [])),
        # VGGish heard YouTube, where Aff-Wild2 is from
        (
            ("netease_abaw6", "paper", "aff-wild2"),
            ("unknown", ["affectnet", "casia-webface", "celeba", "imdb-wiki", "raf-db", "youtube-8m"]),
        ),
    ],
)
def test_bundled_methods(case: tuple[str, str, str], expected: tuple[str, list[str]]):
    plugin, profile, data = case
    made = plan("expr", plugin, profile)
    found = verdict(made, data, (extra.data for extra in made.pipeline.extra_train.values()))
    assert (found["verdict"], found["saw"], found["not_told"]) == (*expected, [])


def test_weights_that_nobody_tells_of_are_unknown_and_named():
    made = plan("expr", "netease_abaw6", "paper", encoders__image__weights="mine.pth", encoders__audio=None)
    assert verdict(made, "hume-vidmimic2") == {"verdict": "unknown", "saw": [], "not_told": ["encoder image"]}


def test_what_was_seen_weighs_more_than_what_is_not_told():
    made = plan("expr", "netease_abaw6", "paper", encoders__image__weights="mine.pth")
    assert verdict(made, "aff-wild2", ["aff-wild2"])["verdict"] == "in-sample"


def test_the_argument_of_a_family_is_told():
    made = plan("expr", "abaw_baselines:pixels16", "demo", encoders__image="timm:resnet18.a1_in1k")
    assert verdict(made, "demo")["saw"] == ["imagenet"]


def test_classifiers_from_elsewhere_are_asked_for_too():
    made = plan("ce", "netease_abaw6:ce_zero_shot", "paper")
    assert verdict(made, "c-expr")["not_told"] == ["encoder audio", "encoder image", "fusion"]


def test_a_row_says_it(tiny: Any):
    world = tiny()
    row = world.row()
    assert row["contamination"]["verdict"] == "unknown"
    assert row["contamination"]["not_told"]
    told = {f"encoder {modality}" for modality in world.prepare().context.plan.encoders}
    assert set(row["contamination"]["not_told"]) == told
