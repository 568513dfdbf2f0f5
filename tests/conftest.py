from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # no test waits for a network; set before anything imports huggingface_hub


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def tool(request: pytest.FixtureRequest, repository: Path) -> ModuleType:
    """The script a test file is about, as a module: tests/parity.py for tests/test_parity.py."""
    name = request.path.stem.removeprefix("test_")
    spec = importlib.util.spec_from_file_location(name, repository / "tests" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real clips and weights, named by HARNESS_TEST_DATA."""
    folder = os.environ.get("HARNESS_TEST_DATA")
    if not folder:
        pytest.skip("HARNESS_TEST_DATA is not set: no real clips and weights to test with")
    path = Path(folder)
    assert path.is_dir(), f"HARNESS_TEST_DATA names a folder that is not there: {path}"
    return path


@pytest.fixture(scope="session")
def gpu() -> str:
    """The device name of a GPU; a test that asks for it skips where there is none."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU that PyTorch sees")
    return "cuda"


@pytest.fixture
def parity(record_property: Callable[[str, Any], None]) -> Callable[..., None]:
    """Assert how far a component is from its reference, and keep it as a row of the table `tests/parity.py` prints."""

    def check(component: str, reference: str, difference: float, *, at_most: float) -> None:
        told = {"component": component, "reference": reference, "difference": float(difference), "allowed": at_most}
        record_property("parity", told)
        assert difference <= at_most, f"{component} is {difference} from {reference}, at most {at_most} is allowed"

    return check
