from __future__ import annotations

import pytest

from abaw_baselines.pipelines import PIPELINES
from harness import plugins as harness_plugins
from harness.resolve import resolve

TASKS = ("au", "ce", "emi", "expr", "va")


@pytest.fixture(scope="module")
def loaded() -> harness_plugins.Plugins:
    import abaw6.plugin
    import abaw_baselines.plugin
    import netease_abaw6.plugin
    from harness import builtin

    modules = {"builtin": builtin, "abaw6": abaw6.plugin, "netease_abaw6": netease_abaw6.plugin,
               "abaw_baselines": abaw_baselines.plugin}  # fmt: skip
    installed = harness_plugins.load()
    return harness_plugins.load({n: m for n, m in modules.items() if n not in installed.versions})


@pytest.mark.parametrize("profile", ["paper", "demo"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", [pipeline.name for pipeline in PIPELINES])
def test_every_baseline_resolves_for_every_task(loaded, name, task, profile):
    plan = resolve(loaded, task, f"abaw_baselines:{name}", profile)
    assert plan.system == name
    assert plan.partition.component.name == "whole"
    assert ("text" in plan.encoders) == (task == "emi" and name in ("logistic", "fusion_whole"))
    assert plan.pipeline.adapt == {}


@pytest.mark.parametrize("profile", ["paper", "demo"])
@pytest.mark.parametrize("task", TASKS)
def test_the_one_fusion_is_trained_as_the_bundle_s_are(loaded, task, profile):
    """Whatever a profile says of the bundle's fusions for one task alone is said of the baseline's, too."""
    bundle, baseline = (
        resolve(loaded, task, name, profile).pipeline for name in ("netease_abaw6", "abaw_baselines:fusion_whole")
    )
    assert (baseline.fit, baseline.fusion) == (bundle.fit, bundle.fusion)
