from __future__ import annotations

from typing import Any

import pytest

ROWS = pytest.StashKey[list[dict[str, Any]]]()


@pytest.fixture
def table(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """Rows of the throughput table, printed when the session ends."""
    return request.config.stash.setdefault(ROWS, [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash.get(ROWS, [])
    if rows:
        from tabulate import tabulate

        terminalreporter.section("throughput")
        terminalreporter.write_line(tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True))
