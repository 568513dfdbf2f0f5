"""The example plugin is installed by pip and comes in through its entry point, as anybody's would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

USE_IT = """
import numpy as np, torch
from harness import plugins
from harness.types import Encoder, Video

loaded = plugins.load()
assert "harness_plugin_example" not in loaded.failed, loaded.failed
part, argument = loaded.get("encoders", "colours")
assert (part.plugin, argument, loaded.versions[part.plugin]) == ("harness_plugin_example", None, "1.0.0")
encoder = part.thing(image=8)
assert isinstance(encoder, Encoder)
tokens_BD = encoder(torch.full((2, 3, 8, 8), 0.5))
assert torch.equal(tokens_BD, torch.tensor([[0.5] * 3 + [0.0] * 3] * 2))
smoother = loaded.get("postprocessors", "median")[0].thing(longest=5)
assert smoother.candidates == (1.0, 3.0, 5.0)
video = Video("v", "v", "valid", 5, 25.0, np.ones(5, bool))
scores_RL = np.array([[0, 0, 9, 0, 0]], np.float32).T
assert smoother(scores_RL, video, 1.0).tolist() == scores_RL.tolist()
assert smoother(scores_RL, video, 3.0).tolist() == [[0.0]] * 5
assert plugins.source_hash(part.thing) != ""
plugins.check_options("encoder 'colours'", part.thing, {"image": 8})
print(part.plugin)
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A folder with the example plugin installed by pip, and nothing else."""
    source = tmp_path_factory.mktemp("source") / "external"
    shutil.copytree(repository / "tests" / "external", source, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "--target", str(target), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def run(code: list[str], installed: Path, repository: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    roots = [installed, repository, repository / "plugins", repository / "tasks"]
    paths = os.pathsep.join(map(str, roots))
    environment = {**os.environ, "PYTHONPATH": paths, "HARNESS_PLUGINS": "harness_plugin_example"}
    command = [sys.executable, *code]
    return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_both_components_are_found_and_work(installed: Path, repository: Path, tmp_path: Path):
    done = run(["-W", "error", "-c", USE_IT], installed, repository, tmp_path)
    assert (done.returncode, done.stdout) == (0, "harness_plugin_example\n"), done.stderr


def test_the_command_line_lists_it(installed: Path, repository: Path, tmp_path: Path):
    code = "import sys; from harness.cli import main; sys.argv = ['harness', 'plugins', 'list']; sys.exit(main())"
    done = run(["-c", code], installed, repository, tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("harness_plugin_example", "colours", "median"):
        assert name in done.stdout
