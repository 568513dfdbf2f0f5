from __future__ import annotations

import subprocess
import sys

import pytest

from abaw_baselines import plugin
from abaw_baselines.pipelines import PIPELINES
from abaw_baselines.pixels import pixels16
from abaw_baselines.words import hashed_words


def test_what_is_provided():
    assert plugin.provide_encoders() == {"pixels16": pixels16, "hashed_words": hashed_words}
    assert list(plugin.provide_fusions()) == ["prior", "linear"]
    assert list(plugin.provide_pipelines()) == ["majority", "logistic", "pixels16", "fusion_whole"]


@pytest.mark.parametrize("name", ["prior", "linear"])
def test_fusions_are_built_from_widths_and_outputs(name):
    module = plugin.provide_fusions()[name]({"image": 4, "audio": 2}, 3)
    assert hasattr(module, "solve")


def test_listing_imports_nothing_heavy(repository):
    code = "import sys, abaw_baselines.plugin, timm_encoders.plugin, hf_encoders.plugin; print(*sys.modules)"
    path = ":".join(str(repository / folder) for folder in (".", "plugins", "tasks"))
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    loaded = set(out.stdout.split())
    assert loaded & {"torch", "pandas", "sklearn", "timm", "transformers"} == set()
    assert "abaw_baselines.pipelines" in loaded


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.name)
def test_baselines_are_whole_and_frozen(pipeline):
    assert pipeline.partition.name == "whole"
    assert pipeline.adapt == {}
    assert {"paper", "demo"} <= set(pipeline.profiles)
