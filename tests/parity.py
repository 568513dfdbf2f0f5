"""The parity table: every component with a reference, and how far it is from it, measured now by the tests.

    python tests/parity.py            print the table
    python tests/parity.py --write    put it into plugins/netease_abaw6/README.md
    python tests/parity.py --check    fail where the README names other rows (numbers may differ by machine)

Rows come from calls of the fixture `parity` (tests/conftest.py); of a test with many cases the largest
difference counts.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
README = REPOSITORY / "plugins" / "netease_abaw6" / "README.md"
TESTS = [REPOSITORY / "tests" / name for name in ("netease_abaw6", "harness/test_align.py")]
START, END = "<!-- parity:start -->", "<!-- parity:end -->"
HEADER = "| component | reference | largest difference | allowed | test |\n| :-- | :-- | --: | --: | :-- |"


@dataclass(frozen=True)
class Row:
    component: str
    reference: str
    difference: float
    allowed: float
    test: str

    def line(self) -> str:
        numbers = " | ".join("0" if x == 0 else f"{x:.1e}" for x in (self.difference, self.allowed))
        return f"| {self.component} | {self.reference} | {numbers} | `{self.test}` |"


@dataclass(eq=False)  # pytest wants plugins that hash
class Collector:
    """A pytest plugin: keeps tests that use `parity`, and what they recorded."""

    found: dict[tuple[str, str, str], Row] = field(default_factory=dict)

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[Any]) -> None:
        chosen = [item for item in items if "parity" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call":
            return
        test = "::".join(part.partition("[")[0] for part in report.nodeid.split("/")[-1].split("::"))
        for name, value in report.user_properties:
            if name == "parity":
                self.keep(Row(**value, test=test))

    def keep(self, row: Row) -> None:
        key = (row.component, row.reference, row.test)
        if key not in self.found or row.difference > self.found[key].difference:
            self.found[key] = row


def table(rows: list[Row]) -> str:
    return "\n".join([HEADER, *(row.line() for row in sorted(rows, key=lambda r: (r.component, r.reference, r.test)))])


def in_readme(text: str) -> str:
    """The table as the README has it."""
    return text.partition(START)[2].partition(END)[0].strip()


def written(text: str, new: str) -> str:
    before, _, rest = text.partition(START)
    return f"{before}{START}\n\n{new}\n\n{END}{rest.partition(END)[2]}"


def names(markdown: str) -> list[tuple[str, ...]]:
    """Component, reference, allowed difference and test of each row: all but what was measured."""
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in markdown.splitlines()[2:]]
    return [(c[0], c[1], c[3], c[4]) for c in cells]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into the README")
    parser.add_argument("--check", action="store_true", help="fail where the README has other rows")
    options = parser.parse_args(arguments)
    collector = Collector()
    code = pytest.main(["-q", "--no-header", *map(str, TESTS)], plugins=[collector])
    if code:
        return int(code)
    new, text = table(list(collector.found.values())), README.read_text()
    print(new)
    if options.write:
        README.write_text(written(text, new))
    if options.check and names(in_readme(text)) != names(new):
        print(f"{README.name} has other rows; run python tests/parity.py --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
