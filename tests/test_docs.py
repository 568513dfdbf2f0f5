"""The manual says what the code says: hooks with their exact signatures, examples that run."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from harness import hookspecs, plugins
from harness.fields import changed
from harness.types import Video

HOOKS = {name: spec for name, spec in vars(hookspecs).items() if hasattr(spec, "harness_spec")}


@pytest.fixture(scope="module")
def blocks(repository: Path) -> dict[str, ModuleType]:
    """The python blocks of CONTRIBUTING.md as modules, by the heading they stand under."""
    found = {}
    text = (repository / "CONTRIBUTING.md").read_text()
    for section in text.split("\n## ")[1:]:
        title = section.partition("\n")[0].partition(":")[0]
        (code,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
        module = ModuleType(f"contributing_{title.replace(' ', '_').lower()}")
        sys.modules[module.__name__] = module  # dataclasses look their module up
        exec(compile(code, f"CONTRIBUTING.md, {title}", "exec"), module.__dict__)
        found[title] = module
    return found


def signature(name: str) -> str:
    return f"{name}{inspect.signature(HOOKS[name])}".replace("'", "")


def test_every_hook_is_documented_with_its_signature(repository: Path):
    text = (repository / "plugins" / "README.md").read_text()
    assert re.findall(r"^### `(.*)`$", text, flags=re.MULTILINE) == [signature(name) for name in HOOKS]


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_says_when_it_is_called(name: str):
    assert (inspect.getdoc(HOOKS[name]) or "").startswith("When ")


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_in_a_test(repository: Path, name: str):
    files = [file for file in (repository / "tests").rglob("test_*.py") if file.name != "test_docs.py"]
    assert any(name in file.read_text() for file in files)


@pytest.mark.parametrize("plugin", ["netease_abaw6", "abaw_baselines", "timm_encoders", "hf_encoders"])
def test_every_bundled_plugin_is_listed(repository: Path, plugin: str):
    assert f"| `{plugin}` |" in (repository / "plugins" / "README.md").read_text()
    assert (repository / "plugins" / plugin / "plugin.py").exists()


def test_the_four_ways_to_contribute_are_plugins(blocks: dict[str, ModuleType]):
    assert list(blocks) == ["A component", "A task", "A reader", "A pipeline"]
    loaded = plugins.load(blocks)
    names = {"postprocessors": "forgetting", "tasks": "arousal", "readers": "arrays", "pipelines": "thumbnails"}
    for noun, name in names.items():
        assert loaded.get(noun, name)[0].name == name


def test_the_smoother_of_the_manual(blocks: dict[str, ModuleType]):
    smoother = blocks["A component"].forgetting()
    video = Video("v", "v", "train", 3, 25.0, np.ones(3, bool))
    scores_RL = np.array([[0.0], [1.0], [1.0]], np.float32)
    assert smoother(scores_RL, video, 0.0).tolist() == [[0.0], [1.0], [1.0]]
    assert smoother(scores_RL, video, 0.5).tolist() == [[0.0], [0.5], [0.75]]


def test_the_reader_of_the_manual(blocks: dict[str, ModuleType], tmp_path: Path):
    for side, name in (("valid", "b"), ("train", "a")):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / f"{name}.npy", np.array([[0.5], [-0.5]]))
        (tmp_path / "images" / name).mkdir(parents=True)
        np.save(tmp_path / "images" / name / "00001.npy", np.full((2, 2, 3), 7, np.uint8))
    reader = blocks["A reader"].Arrays(tmp_path, blocks["A task"].AROUSAL, "any")
    assert [video.key for video in reader.videos()] == ["train/a", "valid/b"]
    video = reader.videos()[0]
    assert reader.targets(video).tolist() == [[0.5], [-0.5]]
    assert reader.view().images(video, [1])[0].tolist() == [[[7] * 3] * 2] * 2
    assert (reader.demo(), len(reader.fingerprint())) == (False, 64)


def test_the_pipeline_of_the_manual(blocks: dict[str, ModuleType]):
    pipeline = blocks["A pipeline"].THUMBNAILS
    demo = changed(pipeline, pipeline.profiles["demo"])
    assert demo.fusion.options == {"clip_mean": True, "rows": 10_000}
