from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from finished_runs import write_run
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.boards.files import changed_files, file_name, files, pages
from harness.boards.overview import overview
from harness.boards.published import read_published
from harness.boards.rows import SPLITS, Line, Score, collect
from harness.errors import HarnessError

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes the folder of a finished run."""
    return partial(write_run, tmp_path)


def table(text: str, title: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    below = text.split(f"## {title}\n", 1)[1].split("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in below.splitlines() if line.startswith("| ")
    ]


@pytest.fixture
def lines(make_run: MakeRun, tmp_path: Path) -> list[Line]:
    make_run(*SPLITS, system="strong", run="r1", skill=0.9)
    make_run("official", system="weak", run="r2", skill=0.1)
    make_run("official", system="weak", run="r3", skill=0.5, seed=1)
    return collect(tmp_path / "nowhere", tmp_path / "runs").lines


def test_systems_are_rows_sorted_by_p_without_a_rank(lines: list[Line]):
    text = files(lines)["demo/expr.md"].decode()
    head, _, *rows = table(text, "Official split, validation side")
    assert head == ["system", "profile", "seed", "P (F1, %)", "Anger", "Joy", "contamination", "from"]
    assert [(row[0], row[2], row[-1]) for row in rows] == [
        *(("strong", "0", "run r1"), ("weak", "1", "run r3"), ("weak", "0", "run r2")),
    ]
    shown = [float(row[3].split()[0]) for row in rows]
    assert shown == sorted(shown, reverse=True)
    assert all("[" in row[3] for row in rows)
    assert "Intervals: 95 %, cluster bootstrap" in text
    assert "**demo** is a made-up world" in text


def test_a_system_has_the_papers_layout(lines: list[Line]):
    text = files(lines)["demo/expr.strong.md"].decode()
    head, _, *rows = table(text, "Profile demo, seed 0")
    assert head == ["split", "Anger", "Joy", "Avg (F1, %)", "contamination", "from"]
    assert [row[0] for row in rows] == ["official", *(f"fold-{i}" for i in range(1, 6)), "folds mean", "folds pooled"]
    anger = [float(row[1]) for row in rows[1:7]]
    assert anger[5] == pytest.approx(sum(anger[:5]) / 5, abs=0.011)


def test_seeds_of_a_system_have_tables_of_their_own(lines: list[Line]):
    text = files(lines)["demo/expr.weak.md"].decode()
    assert text.index("## Profile demo, seed 0") < text.index("## Profile demo, seed 1")


def test_equal_lines_give_equal_bytes_in_any_order(lines: list[Line]):
    formats = ("md", "csv", "latex", "json")
    assert files(lines, formats=formats) == files(lines[::-1], formats=formats)
    assert overview(lines) == overview(lines[::-1])


def test_another_split_has_a_folder_of_its_own(lines: list[Line]):
    assert sorted(files(lines, split="fold-2")) == ["demo/fold-2/expr.md"]


def test_no_page_mixes_data(lines: list[Line], repository: Path):
    published = read_published(repository / "leaderboards" / "published.csv")
    real = [Line(**{**line.__dict__, "data": "aff-wild2"}) for line in lines]
    for page in pages([*lines, *real, *published]):
        found = {line.data for table in page.tables for line in table.lines}
        assert found == {page.data}
    (demo,) = [page for page in pages([*lines, *published]) if page.path == "demo/expr"]
    assert not any(line.published for table in demo.tables for line in table.lines)


def test_published_scores_stand_beside_runs_on_the_same_data_marked(lines: list[Line], repository: Path):
    published = read_published(repository / "leaderboards" / "published.csv")
    real = [Line(**{**line.__dict__, "data": "aff-wild2"}) for line in lines if line.run == "r1"]
    text = files([*real, *published])["aff-wild2/expr.md"].decode()
    rows = table(text, "Official split, validation side")[2:]
    assert [(row[0], row[-1]) for row in rows] == [
        ("strong", "run r1"),
        ("Netease Fuxi AI Lab: netease_abaw6", "published [1]"),
        ("CtyunAI", "published [2]"),
        ("HSEmotion: the same, box filter 50", "published [3]"),
        ("HSEmotion: EfficientNet-B0 vgaf + MLP, per frame", "published [3]"),
        ("Baseline (organisers)", "published [4]"),
    ]
    assert "Published scores are what their authors report" in text


def test_the_test_set_is_apart_and_published_only(lines: list[Line], repository: Path):
    published = read_published(repository / "leaderboards" / "published.csv")
    text = files(published)["c-expr/ce.md"].decode()
    assert "Official split" not in text
    assert table(text, "The organisers' test set, published scores only")[2] == [
        "SUN (team)",
        "",
        "",
        "22.01",
        "unknown",
        "published [1]",
    ]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"task_version": 2}, "Not all rows compare (task version): 2 in odd@demo seed 0; 1 in all other runs."),
        (
            {"data": {"folds": "b2" * 32}},
            "Not all rows compare (fold list): b2b2b2b2b2b2 in odd@demo seed 0; a1a1a1a1a1a1 in all other runs.",
        ),
        (
            {"data": {"partial_rows": "all"}},
            "Not all rows compare (partly invalid rows): all in odd@demo seed 0; any in all other runs.",
        ),
        (
            {"data": {"dedupe": True}},
            "Not all rows compare (leaks dropped from training): yes in odd@demo seed 0; no in all other runs.",
        ),
    ],
)
def test_what_does_not_compare_is_said(lines: list[Line], make_run: MakeRun, tmp_path: Path, changes: dict, note: str):
    make_run("official", system="odd", run="r9", **changes)
    lines = collect(tmp_path / "nowhere", tmp_path / "runs").lines
    assert note in files(lines)["demo/expr.md"].decode()
    assert "not every run of this task was judged under the same conditions" in overview(lines).decode()


def test_splits_of_two_runs_are_said(make_run: MakeRun, tmp_path: Path):
    make_run("official", run="r1")
    make_run("fold-1", run="r2")
    text = files(collect(tmp_path / "nowhere", tmp_path / "runs").lines)["demo/expr.linear.md"].decode()
    assert "The splits of linear@demo seed 0 are of more than one run: r1 (official); r2 (fold-1)." in text


def test_absent_labels_and_leaks_are_said(make_run: MakeRun, tmp_path: Path):
    make_run("official", coverage={"absent_labels": ["Joy"], "leaks": ["recording x: x in train, x in valid"]})
    text = files(collect(tmp_path / "nowhere", tmp_path / "runs").lines)["demo/expr.md"].decode()
    assert "- Joy has no positive row among those judged in official; P counts it all the same.\n" in text
    assert "- Recordings on both sides of official (kept): recording x: x in train, x in valid.\n" in text


def test_changed_files_tells_missing_different_and_left_over(lines: list[Line], tmp_path: Path):
    out, made = tmp_path / "out", files(lines)
    for path, content in made.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(content)
    assert changed_files(out, made, ["demo"], "official", ["md"]) == {}
    (out / "demo/expr.md").write_text("edited")
    (out / "demo/expr.gone.md").write_bytes(made["demo/expr.weak.md"])
    (out / "demo/expr.weak.md").unlink()
    (out / "demo/notes.md").write_text("a person's own")
    assert changed_files(out, made, ["demo"], "official", ["md"]) == {
        **{"demo/expr.md": "different", "demo/expr.weak.md": "missing", "demo/expr.gone.md": "left over"}
    }


def test_two_tables_never_want_one_file():
    line = Line("d", "t.s", "T", "f1", "official", "x", Score(0.5), {}, profile="p", seed=0, run="r")
    other = Line("d", "t", "T", "f1", "official", "s", Score(0.5), {}, profile="p", seed=0, run="r")
    with pytest.raises(HarnessError, match=r"two tables want the file d/t\.s\.md"):
        files([line, other])


@settings(deadline=None)  # a shared machine stalls
@given(st.text(), st.text())
def test_file_names_stay_in_their_folder_and_apart(a: str, b: str):
    name = file_name(a)
    assert name not in ("", ".", "..", "records")
    assert not set(name) & set("/\\\0 \n")
    assert a == b or name != file_name(b)


def test_overview_has_systems_by_tasks_with_links(lines: list[Line], make_run: MakeRun, tmp_path: Path):
    make_run("official", task="va", metric="ccc", system="strong", run="r5", skill=0.9)
    lines = collect(tmp_path / "nowhere", tmp_path / "runs").lines
    head, _, *rows = table(overview(lines).decode(), "demo")
    assert head == ["system", "profile", "seed", "[VA (CCC)](demo/va.md)", "[EXPR (F1, %)](demo/expr.md)"]
    assert [row[:3] for row in rows] == [["strong", "demo", "0"], ["weak", "demo", "0"], ["weak", "demo", "1"]]
    assert rows[0][3].startswith("[0.")
    assert rows[0][3].endswith("](demo/va.strong.md)")
    assert rows[1][3] == ""
