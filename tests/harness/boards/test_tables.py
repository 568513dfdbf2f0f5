from __future__ import annotations

import csv
import dataclasses
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.boards.rows import Line, Score
from harness.boards.tables import (
    Page,
    Table,
    escape_latex,
    escape_markdown,
    printed,
    printed_p,
    printed_with_tie,
    render,
)

VA = ("demo", "va", "Valence-arousal", "ccc", "official")
RUN = Line(*VA, "a|b_c", Score(0.5, 0.4, 0.6), {"valence": Score(0.51234, 0.4, 0.6)}, profile="demo", seed=0, run="r1")
PAPER = Line(*VA, "m", Score(0.25), {"Valence": Score(0.25)}, team="T", published="Table 4")
PAGE = Page("demo/va", "demo", "VA on demo", (Table("Official", "systems", (RUN, PAPER), ("50 % of a_b",)),))


def test_units_follow_the_metric():
    assert printed(0.123456, "f1") == "12.35"
    assert printed(0.123456, "ccc") == printed(0.123456, "pearson") == "0.1235"
    assert printed(-0.00001, "ccc") == "0.0000"
    f1 = dataclasses.replace(RUN, metric="f1", p=Score(0.5, 0.25, 0.75))
    assert printed_p(f1) == "50.00 [25.00, 75.00]"
    assert printed_p(dataclasses.replace(f1, p=Score(0.5))) == "50.00"


def test_where_few_recordings_decide_there_is_a_dagger():
    few = dataclasses.replace(RUN, few=frozenset({"valence"}))
    page = dataclasses.replace(PAGE, tables=(Table("Official", "systems", (few, PAPER)),))
    lines = render(page, "md").decode().splitlines()
    assert "| a\\|b_c | demo | 0 | 0.5000 [0.4000, 0.6000]† | 0.5123† | unknown | run r1 |" in lines
    assert "| T: m |  |  | 0.2500 | 0.2500 | unknown | published [1] |" in lines


def test_markdown():
    assert render(PAGE, "md").decode() == (
        "<!-- harness leaderboard: made from rows, not by hand -->\n"
        "# VA on demo\n"
        "\n"
        "## Official\n"
        "\n"
        "| system | profile | seed | P (CCC) | valence | contamination | from |\n"
        "| :-- | :-- | --: | --: | --: | --: | --: |\n"
        "| a\\|b_c | demo | 0 | 0.5000 [0.4000, 0.6000] | 0.5123 | unknown | run r1 |\n"
        "| T: m |  |  | 0.2500 | 0.2500 | unknown | published [1] |\n"
        "\n"
        "- 50 % of a_b\n"
        "- [1] Table 4\n"
    )


def test_tie_groups_and_the_chance_of_being_best_have_columns_where_they_are_known():
    tied = dataclasses.replace(RUN, tie="ab", best=0.374, contamination="held-out")
    page = dataclasses.replace(PAGE, tables=(Table("Official", "systems", (tied, PAPER)),))
    lines = render(page, "md").decode().splitlines()
    assert "| system | profile | seed | tie | best | P (CCC) | valence | contamination | from |" in lines
    assert "| a\\|b_c | demo | 0 | ab | 37 % | 0.5000 [0.4000, 0.6000] | 0.5123 | held-out | run r1 |" in lines
    assert "| T: m |  |  |  |  | 0.2500 | 0.2500 | unknown | published [1] |" in lines
    assert printed_with_tie(tied) == "0.5000 [0.4000, 0.6000] ab"
    assert printed_with_tie(PAPER) == "0.2500"
    p, valence, published, _ = csv.DictReader(io.StringIO(render(page, "csv").decode()))
    assert [(row["tie"], row["best"], row["contamination"]) for row in (p, valence, published)] == [
        ("ab", "0.374", "held-out"), ("", "", "held-out"), ("", "", "unknown"),
    ]  # fmt: skip
    first, other = json.loads(render(page, "json"))["tables"][0]["rows"]
    assert (first["tie"], first["best"], first["contamination"]) == ("ab", 0.374, "held-out")
    assert (other["tie"], other["best"], other["contamination"]) == (None, None, "unknown")


def test_a_row_of_several_seeds_says_which():
    several = dataclasses.replace(RUN, seed=None, seeds=(0, 1, 4), run="")
    page = dataclasses.replace(PAGE, tables=(Table("Official", "systems", (several,)),))
    text = render(page, "md").decode()
    assert "| a\\|b_c | demo | 3 seeds | 0.5000 [0.4000, 0.6000] | 0.5123 | unknown | seeds 0, 1, 4 |\n" in text
    assert next(csv.DictReader(io.StringIO(render(page, "csv").decode())))["seed"] == "3 seeds"
    assert json.loads(render(page, "json"))["tables"][0]["rows"][0]["seeds"] == [0, 1, 4]


def test_latex_escapes_what_latex_reads():
    text = render(PAGE, "latex").decode()
    assert "a\\textbar{}b\\_c & demo & 0 & 0.5000 [0.4000, 0.6000] & 0.5123 & unknown & run r1 \\\\\n" in text
    assert "\\par 50 \\% of a\\_b\n" in text
    assert text.count("\\begin{") == text.count("\\end{") == 2


def test_csv_holds_fractions_in_full():
    rows = list(csv.DictReader(io.StringIO(render(PAGE, "csv").decode())))
    assert [(row["system"], row["label"], row["value"], row["low"]) for row in rows] == [
        *(("a|b_c", "P", "0.5", "0.4"), ("a|b_c", "valence", "0.51234", "0.4")),
        *(("T: m", "P", "0.25", ""), ("T: m", "Valence", "0.25", "")),
    ]


def test_json_holds_fractions_and_notes():
    content = json.loads(render(PAGE, "json"))
    (table,) = content["tables"]
    assert table["notes"] == ["50 % of a_b"]
    assert table["rows"][0]["labels"] == {"valence": {"value": 0.51234, "low": 0.4, "high": 0.6}}
    assert [row["published"] for row in table["rows"]] == ["", "Table 4"]


@settings(deadline=None)  # a shared machine stalls
@given(st.text())
def test_any_name_stays_in_its_cell(name: str):
    cell = escape_markdown(name)
    assert "\n" not in cell
    assert cell.replace("\\\\", "").replace("\\|", "").count("|") == 0
    assert "<" not in cell
    assert "](" not in cell


@pytest.mark.parametrize("name", ["<script>", "[a](http://b)", "line\nbreak", "a\\|b", "`x`", "__x__"])
def test_names_that_try(name: str):
    table = Table("t", "systems", (Line(**{**RUN.__dict__, "system": name}),))
    text = render(Page("p", "demo", name, (table,)), "md").decode()
    (row,) = [line for line in text.splitlines() if "run r1" in line]
    assert row.replace("\\\\", "").replace("\\|", "").count("|") == 8
    assert "<script>" not in text


@settings(deadline=None)  # a shared machine stalls
@given(st.text(alphabet="\\{}$&#^_%~<>|a\n"))
def test_latex_has_no_bare_special_character(name: str):
    text = escape_latex(name)
    for command in (
        "\\textbackslash{}",
        "\\textasciitilde{}",
        "\\textasciicircum{}",
        "\\textless{}",
        "\\textgreater{}",
        "\\textbar{}",
    ):
        text = text.replace(command, "")
    for character in "&%$#_{}":
        text = text.replace(f"\\{character}", "")
    assert not set(text) & set("\\{}$&#^_%~<>|\n")
