from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from harness.pages.audit import PAIRS, VIDEOS, page, worst

LABELS = {"A": {"rows": 1234, "videos": 5}, "B": {"rows": 0, "videos": 0}}


@pytest.fixture
def audit() -> dict[str, Any]:
    part = {"videos": 3, "rows": 40, "images": None, "partly_invalid_rows": None, "labels": LABELS}
    sample = ["crops/a/00001.jpg", "crops/b/00002.jpg"]
    pair = {
        "videos": ["train/a", "valid/b"], "across": ["train/valid", "folds"], "same_recording": False,
        "frames": [3, 1200], "of": [40, 1300], "bits": 2, "likeness": 0.99, "samples": [sample],
    }  # fmt: skip
    return {
        "task": "t", "data": "made", "sides": {"train": part, "valid": {**part, "labels": {}}},
        "folds": {"fold-1": {**part, "images": 7}},
        "leaks": [], "notes": [], "findings": ["a finding"],
        "images_against_rows": [
            {"video": "train/a", "frames": 40, "images": 41, "without_image": 0, "beyond_the_last_row": 1}
        ],
        "duplicates": {
            "distance": 4, "frames": 5000, "flat_frames": 0, "video_pairs": 1,
            "across": {"train/valid": {"pairs": 1, "one_picture": 0}}, "pairs": [pair],
        },
    }  # fmt: skip


def words(html: bytes) -> str:
    """What is read on the page, thousands apart by a comma."""
    plain = html.decode().replace("\u202f", ",")
    return " ".join(unescape(re.sub(r"<style>.*</style>|<[^>]+>", " ", plain, flags=re.DOTALL)).split())


def test_it_tells_findings_duplicates_and_counts(audit: dict[str, Any]) -> None:
    read = words(page([audit], {}))
    for part in (
        "T on made a finding",
        "Of 5,000 face images, 1 pair of videos share some whose hashes are at most 4 of 64 bits apart: 1 across",
        "train/valid (0 of different recordings show one picture)",
        "train/a valid/b 3 of 40 1,200 of 1,300 train/valid, folds 2 0.990 crops/a/00001.jpg crops/b/00002.jpg",
        "A 1,234 5 B 0 0",
        "images - - 7",
        "train/a 40 41 0 1",
    ):
        assert part in read
    assert "partly invalid" not in read  # nothing to tell of it on any side or fold


def test_what_a_file_s_name_says_is_shown_not_run(audit: dict[str, Any]) -> None:
    evil = "<script>alert(1)</script>"
    audit |= {"findings": [evil], "leaks": [evil], "notes": [evil], "data": evil}
    audit["duplicates"]["pairs"][0]["videos"][0] = evil
    html = page([audit], {evil: evil}).decode()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 8


@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_it_fits_and_nothing_is_asked_for(
    audit: dict[str, Any], browser: Any, tmp_path: Path, width: int
) -> None:
    path = tmp_path / "audit.html"
    path.write_bytes(page([audit], {}))
    browser.open(path, width)
    assert browser.requests() == {path.as_uri()}
    assert browser.complaints() == []
    assert browser.texts("h1") == ["made"]
    assert browser.run("return document.scripts.length") == 0
    assert browser.run("return document.documentElement.scrollWidth") <= width


def test_long_tables_are_cut_and_say_so(audit: dict[str, Any]) -> None:
    audit["duplicates"] |= {"pairs": audit["duplicates"]["pairs"] * (PAIRS + 5), "video_pairs": 60_000}
    audit["images_against_rows"] *= VIDEOS + 9
    read = words(page([audit], {}))
    assert f"{PAIRS} pairs of 60,000: those of one picture first, then those that share most frames." in read
    assert read.count("crops/a/00001.jpg") == PAIRS
    assert f"{VIDEOS + 9} videos have frames without an image" in read
    assert "; those with most:" in read


def test_the_worst_videos_come_first() -> None:
    videos = [{"without_image": n, "beyond_the_last_row": m} for n, m in ((1, 0), (0, 5), (2, 2))]
    assert [one["without_image"] for one in worst(videos)] == [0, 2, 1]


def test_a_task_without_data_is_named(audit: dict[str, Any]) -> None:
    assert "au: no labels" in words(page([audit], {"au": "no labels"}))
