from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def parity(record_property: Callable[[str, Any], None]) -> Callable[..., None]:
    """Assert how far a component is from its reference, and keep it as a row of the table `tests/parity.py` prints."""

    def check(component: str, reference: str, difference: float, *, at_most: float) -> None:
        record_property("parity", {"component": component, "reference": reference, "difference": float(difference)})
        assert difference <= at_most, f"{component} is {difference} from {reference}, at most {at_most} is allowed"

    return check
