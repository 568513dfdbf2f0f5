from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from finished_runs import write_run

from harness.boards.published import read_published
from harness.boards.rows import SPLITS, Line, collect
from harness.pages.board import board

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def lines(tmp_path: Path, repository: Path) -> list[Line]:
    """Three systems on demo, one of them on every split and one hostile; one on Aff-Wild2 beside published scores."""
    write_run(tmp_path, *SPLITS, system="strong", run="r1", skill=0.9)
    write_run(tmp_path, "official", system="weak", run="r2", skill=0.1)
    write_run(tmp_path, "official", system=SCRIPT, run="r3", skill=0.5)
    write_run(tmp_path, "official", system="real", run="r4", data={"name": "aff-wild2"})
    verdicts = {"strong": "in-sample", "weak": "held-out"}
    runs = collect(tmp_path / "nowhere", tmp_path / "runs").lines
    judged = [replace(line, contamination=verdicts.get(line.system, "unknown")) for line in runs]
    ties = {"strong": ("a", 0.97), SCRIPT: ("ab", 0.03), "weak": ("b", 0.001)}
    compared = [replace(line, tie=ties[line.system][0], best=ties[line.system][1])
                if line.split == "official" and line.system in ties else line for line in judged]  # fmt: skip
    return compared + read_published(repository / "leaderboards" / "published.csv")


@pytest.fixture
def page(lines: list[Line], tmp_path: Path) -> Path:
    """The board of these lines, written to disk."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_bytes(board(lines, folder))
    return folder / "index.html"


def tables(text: str) -> list[str]:
    return re.findall(r"<table.*?</table>", text, flags=re.DOTALL)


def test_no_table_mixes_data_and_every_line_stands_once(lines: list[Line], page: Path):
    text = page.read_text()
    assert text.count("<tr data-contamination") == len(lines)
    on_demo = text.partition('<section data-data="aff-wild2">')[0]
    assert "published" not in "".join(tables(on_demo))
    assert re.findall(r'<section data-data="([\w-]+)"', text) == ["demo", "aff-wild2", "c-expr", "hume-vidmimic2"]


def test_rows_have_their_interval_their_ties_and_no_rank(lines: list[Line], page: Path):
    (official,) = [table for table in tables(page.read_text()) if SCRIPT not in table and "weak" in table]
    strong, other, weak = re.findall(r"<tr data-contamination.*?</tr>", official, flags=re.DOTALL)
    line = next(line for line in lines if line.run == "r1" and line.split == "official")
    assert f'data-value="{line.p.value}">{100 * line.p.value:.2f}' in strong
    assert f"interval {100 * line.p.low:.2f} to {100 * line.p.high:.2f}" in strong  # type: ignore[operator]
    for row, tie, best in ((strong, "a", "97 %"), (other, "ab", "3 %"), (weak, "b", "&lt;1 %")):
        assert f'<td class="tie" data-value="{tie}">{tie}</td>' in row
        assert f">{best}</td>" in row
    assert "rank" not in official


def test_what_a_table_must_not_keep_quiet_is_said_once(page: Path):
    text = page.read_text()
    assert text.count("<li>Intervals: 95 %") == 1
    assert text.count("<li>Published scores are what their authors report") == 1
    assert text.count("is a made-up world") == 1


def test_reports_are_linked_where_they_are(lines: list[Line], tmp_path: Path):
    (tmp_path / "runs/expr/strong@demo/r1/report.html").write_text("")
    (tmp_path / "runs/expr/strong@demo/r1/report.fold-2.html").write_text("")
    text = board(lines, tmp_path / "site" / "deep").decode()
    run = "../../runs/expr/strong%40demo/r1"
    links = re.findall(r'<a href="([^"]+)"', text)
    assert sorted(links) == [f"{run}/report.fold-2.html"] + [f"{run}/report.html"] * 7


def test_equal_lines_give_equal_bytes_in_any_order(lines: list[Line], tmp_path: Path):
    assert board(lines, tmp_path) == board(lines[::-1], tmp_path)


def test_boards_of_published_scores_alone_are_made(repository: Path, tmp_path: Path):
    text = board(read_published(repository / "leaderboards" / "published.csv"), tmp_path).decode()
    assert "tie</button>" not in text
    assert "The organisers&#39; test set" in text


# -- in a browser ---------------------------------------------------------------------------------


SORT = """
    const heads = [...document.querySelectorAll(".board thead th")].filter(one => one.checkVisibility());
    const head = heads.find(one => one.textContent === arguments[0]);
    head.querySelector("button").click();
    const rows = [...head.closest("table").tBodies[0].rows];
    return [head.getAttribute("aria-sort"), rows.map(row => row.cells[head.cellIndex].dataset.value)];
"""  # clicks the first table's column of this name; which way it is sorted now, and its values


def systems(browser: Any) -> list[str]:
    """The systems of the rows that are shown, in order, without what stands below their name."""
    return [text.removesuffix("demo, seed 0") for text in browser.texts("tbody th.system")]


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_asked_for_nothing_complains_and_nothing_runs(page: Path, browser: Any, width: int):
    browser.open(page, width)
    assert browser.requests() == {page.as_uri()}
    assert browser.complaints() == []
    assert browser.run("return document.scripts.length") == 1
    assert any(text.startswith(SCRIPT) for text in browser.texts("tbody th.system"))
    assert browser.run("return document.documentElement.scrollWidth") <= width


def test_sorting_sorts_and_turns_round(page: Path, browser: Any):
    browser.open(page)
    browser.choose("data", "demo")
    assert systems(browser) == ["strong", SCRIPT, "weak"]
    for name, first, again in (
        ("system", [SCRIPT, "strong", "weak"], ["weak", "strong", SCRIPT]),
        ("tie", ["strong", SCRIPT, "weak"], ["weak", SCRIPT, "strong"]),
        ("contamination", ["weak", "strong", SCRIPT], [SCRIPT, "strong", "weak"]),
    ):
        for wanted, way in ((first, "ascending"), (again, "descending")):
            assert browser.run(SORT, name)[0] == way
            assert systems(browser) == wanted, name
    for label in ("Anger", "Joy", "P (F1, %)", "best"):
        way, values = browser.run(SORT, label)
        assert way == "descending"
        assert [float(value) for value in values] == sorted(map(float, values), reverse=True), label
    assert browser.complaints() == []


def test_cells_without_a_score_stay_last_either_way(page: Path, browser: Any):
    browser.open(page)
    browser.choose("data", "aff-wild2")
    browser.choose("task", "va")
    for _ in range(2):
        _, found = browser.run(SORT, "Arousal")
        known = [value for value in found if value]
        assert 0 < len(known) < len(found)
        assert found[: len(known)] == known


def test_filters_filter(page: Path, browser: Any):
    browser.open(page)
    everything = browser.texts("tbody th.system")
    assert browser.texts("section[data-data] > h2") == ["demo", "aff-wild2", "hume-vidmimic2"]
    browser.choose("data", "demo")
    assert browser.texts("section[data-data] > h2") == ["demo"]
    browser.choose("contamination", "held-out")
    assert systems(browser) == ["weak"]
    browser.choose("contamination", "")
    browser.choose("split", "fold-3")
    assert systems(browser) == ["strong"]
    assert browser.texts("div[data-split] h3") == ["EXPR on demo: Expression recognition Split fold-3"]
    assert browser.texts("#nothing") == []
    browser.choose("contamination", "held-out")
    assert systems(browser) == []
    assert browser.texts("#nothing") == ["No row is like that."]
    assert browser.texts("section[data-data] > h2") == []
    for name, value in (("data", ""), ("contamination", ""), ("split", "official")):
        browser.choose(name, value)
    assert browser.texts("tbody th.system") == everything
    assert browser.complaints() == []


def test_without_its_script_the_page_shows_everything(page: Path, browser: Any, lines: list[Line]):
    text = re.sub(r"<script>.*</script>", "", page.read_text(), flags=re.DOTALL)
    page.write_text(text)
    browser.open(page)
    assert len(browser.texts("tbody th.system")) == len(lines)
    assert browser.texts(".controls") == []
