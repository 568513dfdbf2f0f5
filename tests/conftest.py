from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # no test waits for a network; set before anything imports huggingface_hub


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real clips and weights, named by HARNESS_TEST_DATA."""
    folder = os.environ.get("HARNESS_TEST_DATA")
    if not folder:
        pytest.skip("HARNESS_TEST_DATA is not set: no real clips and weights to test with")
    path = Path(folder)
    assert path.is_dir(), f"HARNESS_TEST_DATA names a folder that is not there: {path}"
    return path


@pytest.fixture
def parity(record_property: Callable[[str, Any], None]) -> Callable[..., None]:
    """Assert how far a component is from its reference, and keep it as a row of the table `tests/parity.py` prints."""

    def check(component: str, reference: str, difference: float, *, at_most: float) -> None:
        told = {"component": component, "reference": reference, "difference": float(difference), "allowed": at_most}
        record_property("parity", told)
        assert difference <= at_most, f"{component} is {difference} from {reference}, at most {at_most} is allowed"

    return check
