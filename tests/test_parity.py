"""The parity table names tests that are there, and is made as it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


def test_of_many_cases_the_largest_difference_counts(tool: ModuleType):
    collector = tool.Collector()
    for difference in (1e-7, 3e-6, 0.0):
        collector.keep(tool.Row("net", "formula", difference, 1e-5, "test_net.py::test_it"))
    collector.keep(tool.Row("LoRA", "no LoRA", 0.0, 0.0, "test_lora.py::test_it"))
    assert tool.table(list(collector.found.values())).splitlines()[2:] == [
        "| LoRA | no LoRA | 0 | 0 | `test_lora.py::test_it` |",
        "| net | formula | 3.0e-06 | 1.0e-05 | `test_net.py::test_it` |",
    ]


def test_a_new_table_replaces_the_old_one(tool: ModuleType):
    text = f"before\n{tool.START}\nold\n{tool.END}\nafter\n"
    assert tool.written(text, "new") == f"before\n{tool.START}\n\nnew\n\n{tool.END}\nafter\n"
    assert tool.in_readme(tool.written(text, "new")) == "new"


def test_every_row_of_the_readme_names_a_test_and_stays_within_what_it_allows(tool: ModuleType, repository: Path):
    lines = tool.in_readme(tool.README.read_text()).splitlines()[2:]
    assert lines
    for line in lines:
        *_, difference, allowed, test = [cell.strip() for cell in line.strip("| ").split(" | ")]
        assert float(difference) <= float(allowed)
        file, _, function = test.strip("`").partition("::")
        (path,) = (repository / "tests").rglob(file)
        body = re.search(rf"^def {function}\((.*?)(?=^def |\Z)", path.read_text(), re.M | re.S)
        assert body is not None, test
        assert "parity(" in body[0], test


@pytest.mark.slow
def test_the_readme_has_the_rows_that_the_tests_give(repository: Path):
    command = [sys.executable, "tests/parity.py", "--check"]
    assert subprocess.run(command, cwd=repository, check=False).returncode == 0
