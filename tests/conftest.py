from __future__ import annotations

import os
from pathlib import Path

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
