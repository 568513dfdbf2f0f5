from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import COMMANDS
from harness.cli.lint_table import lint_table
from harness.errors import HarnessError

TABLE = "m,a,b,avg\nx,0.1,0.3,0.2\ny,0.1,0.3,0.9\nz,,0.3,0.9\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    return path


def linted(*words: str | Path) -> Result:
    return CliRunner().invoke(lint_table, list(map(str, words)))


def test_it_is_a_command() -> None:
    assert COMMANDS["lint-table"] == "harness.cli.lint_table:lint_table"


def test_rows_that_do_not_add_up_are_an_error(table: Path) -> None:
    done = linted(table)
    assert done.stdout.splitlines() == [
        "line 3: y: impossible: 0.9 is printed, but values that round to the 2 printed (a, b) have a mean of "
        "0.1 to 0.3",
        "1 of 2 rows add up; 1 without labels or average not checked",
    ]
    assert isinstance(done.exception, HarnessError)
    assert (str(done.exception), done.exception.exit_code) == (f"1 row does not add up in {table}", 1)


def test_a_clean_table(table: Path) -> None:
    table.write_text("m,a,b,avg\nx,0.1,0.3,0.2\n")
    done = linted(table)
    assert (done.exit_code, done.stdout) == (0, "1 of 1 rows add up\n")


def test_json(table: Path) -> None:
    told = json.loads(linted(table, "--json").stdout)
    assert (told["rows"], told["not_checked"]) == (2, 1)
    assert told["findings"] == [
        {"line": 3, "row": "y", "verdict": "impossible", "average": "0.9", "lowest": "0.1", "highest": "0.3",
         "values": {"a": "0.1", "b": "0.3"}}
    ]  # fmt: skip


def test_columns_by_name(table: Path) -> None:
    assert "0.9 is printed" in linted(table, "--average", "avg", "--labels", "a, b").stdout
