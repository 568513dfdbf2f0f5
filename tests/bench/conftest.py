from __future__ import annotations

from typing import Any

import pytest

Rows = list[dict[str, Any]]
TABLES = pytest.StashKey[dict[str, Rows]]()


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Rows:
    """Rows of the throughput table, printed when the session ends."""
    return request.config.stash.setdefault(TABLES, {}).setdefault("throughput", [])


@pytest.fixture
def ratios(request: pytest.FixtureRequest) -> Rows:
    """Rows of the bootstrap's table, printed when the session ends."""
    return request.config.stash.setdefault(TABLES, {}).setdefault("10,000 draws of recordings", [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for title, rows in config.stash.get(TABLES, {}).items():
        if rows:
            from tabulate import tabulate

            terminalreporter.section(title)
            terminalreporter.write_line(tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True))
