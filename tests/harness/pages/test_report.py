from __future__ import annotations

import copy
import dataclasses
import doctest
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.pages.evidence import Evidence
from harness.pages.report import file_of, report

Make = Callable[..., Evidence]
SCRIPT = "<script>alert(1)</script>"
TASKS = {
    "colour": {"score", "labels", "decisions", "confusion", "videos", "timelines"},
    "units": {"score", "labels", "decisions", "videos", "timelines"},
    "mood": {"score", "labels", "scatter", "videos", "timelines"},
    "clip": {"score", "labels", "scatter", "videos", "timelines"},
}
ALWAYS = {"choices", "coverage", "components", "again", "scenes"}
TRUTH = {"scatter", "timelines"}  # what --share leaves out


def sections(page: bytes) -> set[str]:
    return set(re.findall(r'<section id="(\w+)"', page.decode()))


@pytest.mark.parametrize("task", TASKS)
def test_each_kind_of_task_has_its_sections(evidence: Make, task: str):
    page = report(evidence(task))
    assert sections(page) == TASKS[task] | ALWAYS
    assert b'id="do-not-share"' in page
    assert b"(do not share)</title>" in page
    assert page.count(b"data:image/jpeg;base64,") == 3 * 8


@pytest.mark.parametrize("task", TASKS)
def test_a_page_to_share_holds_no_frame_and_no_label_of_one_video(evidence: Make, task: str):
    page = report(evidence(task), share=True)
    of_clips = {"videos"} if task == "clip" else set()  # how well a clip is met tells its label
    assert sections(page) == (TASKS[task] | ALWAYS) - TRUTH - of_clips
    assert b"do-not-share" not in page
    assert b"Do not share" not in page
    assert b"image/jpeg" not in page
    assert b"<path" not in page.replace(b'<path class="line"', b"")  # courses of choices alone
    if task == "clip":
        assert b"video1" not in page


def test_without_the_data_it_says_so_and_shows_what_needs_none(evidence: Make):
    page = report(evidence("colour", data={}))
    assert sections(page) == (TASKS["colour"] | ALWAYS) - {"confusion", "timelines"}
    assert b"Made without the truth:" in page
    assert b"do-not-share" not in page


def test_a_page_to_share_does_not_say_where_data_was_looked_for(evidence: Make):
    found = evidence("colour", data={"tiny": "/home/me/secret"})
    assert b"/home/me/secret" in report(found)
    page = report(found, share=True)
    assert b"/home/me" not in page
    assert b"was not at hand" in page


def test_what_the_weights_saw_is_told(evidence: Make):
    found = evidence("colour")
    for told, text in (
        ({"verdict": "in-sample", "saw": ["demo"], "not_told": []}, "in-sample; saw demo"),
        ({"verdict": "unknown", "saw": [], "not_told": ["encoder image"]}, "unknown; not told of encoder image"),
    ):
        page = report(dataclasses.replace(found, row={**found.row, "contamination": told})).decode()
        assert f"<dt>contamination</dt><dd>{text}</dd>" in page


def test_numbers_are_those_of_the_row(evidence: Make):
    found = evidence("colour")
    text = report(found).decode()
    p = found.row["score"]["P"]
    assert f'<div class="value">{100 * p["value"]:.2f}' in text
    assert f"[{100 * p['low']:.2f}, {100 * p['high']:.2f}]" in text
    for label in found.row["labels"]:
        assert f"{100 * found.row['score']['labels'][label]['value']:.2f}" in text
    assert "for these trained models" in text
    assert f"run <code>{found.row['run']}</code>" in text
    assert found.row["command"] in text
    assert found.row["env"]["packages"]["torch"] in text


def test_confusion_adds_up_both_ways(evidence: Make):
    text = report(evidence("colour")).decode()
    rows = re.findall(r"<tr><th>\w+</th>\n((?:<td class=\"heat.*?</td>)+)", text)
    matrices = [[int(n or 0) for n in re.findall(r">(\d*)</td>", row)] for row in rows]
    of_true, of_decided = matrices[:3], matrices[3:]
    assert [sum(row) for row in of_true] == pytest.approx([100] * 3, abs=2)
    assert all(sum(column) == pytest.approx(100, abs=2) or not any(column) for column in zip(*of_decided, strict=True))


@pytest.mark.parametrize(
    ("policy", "counted"),
    [
        ("strict", "P counts that as wrong."),
        ("intersection", "P counts the latter as wrong and leaves out the others."),
    ],
)
def test_a_confusion_says_how_many_labelled_rows_it_leaves_out(evidence: Make, policy: str, counted: str):
    found = evidence("colour")
    assert "stand in neither table" not in report(found).decode()
    assert found.truth is not None
    cases = dict(found.truth.cases)
    key, case = next(iter(cases.items()))
    scores_RL = case.scores_RL.copy()
    scores_RL[:5] = np.nan  # the first two rows have no label
    cases[key] = dataclasses.replace(case, scores_RL=scores_RL)
    truth = dataclasses.replace(found.truth, cases=cases)
    assert b"3 labelled rows stand in neither" in report(dataclasses.replace(found, truth=truth))  # a run's own row
    row = {**found.row, "scored": {"policy": policy}}
    page = report(dataclasses.replace(found, truth=truth, row=row)).decode()
    told = "3 labelled rows stand in neither table: nothing, or none of these labels, was predicted there. "
    assert told + counted in page


def test_the_test_split_has_a_page_without_scores(evidence: Make):
    page = report(evidence(split="test"))
    assert sections(page) == ALWAYS - {"scenes"}
    assert b"the labels of this split are not given" in page


def test_predictions_of_others_say_what_was_read(evidence: Make):
    found = evidence("colour")
    scored = {"source": "theirs.csv", "policy": "strict", "renamed": {"Happy": "red"}, "notes": [], "first_frame": None}
    coverage = {**found.row["coverage"], "missing_rows": 7, "differences": ["video 23: 9,857 rows, 10,867 labelled"]}
    row = {**found.row, "scored": scored, "coverage": coverage}
    text = report(dataclasses.replace(found, row=row)).decode()
    for fact in ("theirs.csv", "strict", "Happy as red", "video 23: 9,857 rows", "missing rows</dt><dd>7"):
        assert fact in text
    assert "notes</dt>" not in text
    assert "first frame" not in text


def test_equal_runs_give_equal_bytes(evidence: Make):
    found = evidence("mood")
    assert report(found) == report(found)


def test_examples():
    assert doctest.testmod(sys.modules[report.__module__]).failed == 0


def test_names_of_pages_do_not_collide():
    names = [file_of(split, share=share) for split in ("official", "fold-1", "folds-mean") for share in (False, True)]
    assert names[:2] == ["report.html", "report.share.html"]
    assert len(set(names)) == len(names)


def hostile(found: Evidence) -> Evidence:
    """The same run by a plugin whose every text is a script."""
    row: dict[str, Any] = copy.deepcopy(dict(found.row))
    row |= {"system": SCRIPT, "title": SCRIPT, "command": f"harness run {SCRIPT}", "partial": SCRIPT}
    row["components"]["fusion"]["options"] = {SCRIPT: f'"{SCRIPT}'}
    row["choices"][-1]["what"] = f'"{SCRIPT}'
    return dataclasses.replace(found, row=row, missing=SCRIPT)


@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_nothing_is_asked_for_and_nothing_runs(evidence: Make, browser: Any, tmp_path: Path, width: int):
    path = tmp_path / "report.html"
    path.write_bytes(report(hostile(evidence("colour"))))
    browser.open(path, width)
    assert browser.requests() == {path.as_uri()}
    assert browser.complaints() == []
    assert browser.texts("h1") == [f"{SCRIPT}@paper"]
    assert browser.run("return document.scripts.length") == 0
    assert browser.run("return document.documentElement.scrollWidth") <= width
    images = "return [...document.images].every(one => one.naturalWidth > 0)"
    assert browser.run(images)


def test_in_a_browser_light_and_dark_are_chosen_without_a_script(evidence: Make, browser: Any, tmp_path: Path):
    path = tmp_path / "report.html"
    path.write_bytes(report(evidence("mood")))
    browser.open(path)
    paper = "return getComputedStyle(document.body).backgroundColor"
    seen = set()
    for theme in ("light", "dark"):
        browser.click(f"#theme-{theme}")
        assert browser.run("return getComputedStyle(document.documentElement).colorScheme") == theme
        seen.add(browser.run(paper))
    assert len(seen) == 2
