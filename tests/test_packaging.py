"""What `pip install .` puts on a machine: the six packages, whole, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path, PurePosixPath

import pytest

PACKAGES = {
    "harness": "harness",
    "abaw_baselines": "plugins/abaw_baselines",
    "hf_encoders": "plugins/hf_encoders",
    "netease_abaw6": "plugins/netease_abaw6",
    "timm_encoders": "plugins/timm_encoders",
    "abaw6": "tasks/abaw6",
}
SMOKE = """
import torch, torchvision, torchaudio, timm, transformers, av
boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]])
assert torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]  # a compiled operator
assert torchaudio.functional.resample(torch.ones(1, 80), 16000, 8000).shape == (1, 40)
assert av.codec.Codec("h264", "r") and av.codec.Codec("aac", "r")
"""


@pytest.fixture(scope="session")
def project(repository: Path) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A wheel of the checkout, built from a copy so that nothing is left behind in it."""
    source = tmp_path_factory.mktemp("source")
    for file in ("pyproject.toml", "LICENSE", "README.md"):
        if (repository / file).exists():
            shutil.copy(repository / file, source)
    for folder in ("harness", "plugins", "tasks", "tests"):
        shutil.copytree(repository / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    out = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "--wheel-dir", str(out), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = out.iterdir()
    return file


@pytest.fixture(scope="session")
def packed(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_top_level_names(packed: set[str]):
    assert {PurePosixPath(name).parts[0] for name in packed} == set(PACKAGES)


def test_every_source_file_is_packed(packed: set[str], repository: Path):
    expected = {
        f"{package}/{path.relative_to(repository / folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for path in (repository / folder).rglob("*")
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in path.parts)
    }
    assert packed == expected


def test_every_folder_with_source_is_a_package(repository: Path):
    folders = {path.parent for folder in PACKAGES.values() for path in (repository / folder).rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_entry_points_name_packed_modules(packed: set[str], project: dict):
    modules = project["project"]["entry-points"]["harness"].values()
    missing = [module for module in modules if f"{module.replace('.', '/')}.py" not in packed]
    assert missing == []
    assert project["project"]["scripts"] == {"harness": "harness.cli:main"}


def test_constraints_pin_every_dependency_without_addresses(project: dict, repository: Path):
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = [line for line in (repository / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pins = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert [line for line in lines if "/" in line or "@" in line or "+" in line] == []
    extras = project["project"]["optional-dependencies"].values()
    for requirement in map(Requirement, chain(project["project"]["dependencies"], *extras)):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not in constraints.txt"
        assert pins[name] in requirement.specifier, f"{name} {pins[name]} is outside {requirement.specifier}"


def test_compiled_libraries_fit_each_other(tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", SMOKE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_wheel_in_an_empty_environment_outside_the_checkout(wheel: Path, repository: Path, tmp_path: Path):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "HARNESS_PLUGINS")}

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    venv = tmp_path / "venv"
    python, harness = str(venv / "bin" / "python"), str(venv / "bin" / "harness")
    run(sys.executable, "-m", "venv", str(venv))
    run(python, "-m", "pip", "install", "--quiet", "-c", str(repository / "constraints.txt"), str(wheel))
    run(python, "-m", "pip", "check")
    listed = run(harness, "plugins", "list")
    assert [name for name in PACKAGES if name != "harness" and name not in listed] == []
    where = run(python, "-c", "import harness, abaw6; print(harness.__file__, abaw6.__file__)").split()
    assert all(Path(path).is_relative_to(venv) for path in where)
    run(python, "-c", SMOKE)
