from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.lint.check import lint
from harness.lint.tables import Tables, is_average, read_tables

LONG = "task,split,label,value,unit\n"


def tables(tmp_path: Path, name: str, text: str, *labels: str, average: str | None = None) -> Tables:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_tables(path, average, labels)


def told(found: Tables) -> list[tuple[int, str, dict[str, str], str]]:
    return [(one.line, one.name, {k: v.text for k, v in one.values}, one.average.text) for one in found.rows]


def test_a_long_table(tmp_path: Path) -> None:
    text = LONG + "au,a,AU1,55.0,percent\nau,b,Avg,1,percent\nau,a,AU2,0.6,fraction\nau,a,Avg,57.5,percent\n"
    found = tables(tmp_path, "t.csv", text)
    assert told(found) == [(5, "au, a", {"AU1": "55.0", "AU2": "0.6"}, "57.5")]
    assert found.not_checked == 1
    assert [float(value.value) for _, value in found.rows[0].values] == [0.55, 0.6]


def test_a_board_as_csv(tmp_path: Path) -> None:
    text = "system,split,label,value,low,high\nm,a,P,0.5,0.4,0.6\nm,a,x,0.4,0.3,0.5\nm,a,y,0.6,0.5,0.7\n"
    assert told(tables(tmp_path, "t.csv", text)) == [(2, "m, a", {"x": "0.4", "y": "0.6"}, "0.5")]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("au,a,AU1,55\n", "line 2: expected 5 fields, got 4"),
        ("au,a,AU1,high,percent\n", "line 2: expected a number, got 'high'"),
        ("au,a,AU1,1,percent\nau,a,AU1,2,percent\n", "line 3: AU1 of this row came before, in line 2"),
    ],
)
def test_a_long_table_that_cannot_be_read(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        tables(tmp_path, "t.csv", LONG + rows)


def test_a_wide_table(tmp_path: Path) -> None:
    text = """| system | profile | seed | P (F1, %) | Anger | Joy | from |
| :-- | :-- | --: | --: | --: | --: | --: |
| ours | demo | 0 | 8.29 [6.93, 9.91]† | 8.0† | **8.58** | run 0a1 |
| theirs |  |  | 44.0 | 40.0 ± 0.3 | 48.0* | published [1] |
| others |  |  | 44.0 | - | 48.0 | published [2] |
| nothing |  |  |  | 40 | 48 | n/a |
"""
    found = tables(tmp_path, "t.md", text)
    assert told(found) == [
        (3, "ours, demo, 0, run 0a1", {"Anger": "8.0", "Joy": "8.58"}, "8.29"),
        (4, "theirs, published [1]", {"Anger": "40.0", "Joy": "48.0"}, "44.0"),
    ]
    assert found.not_checked == 2


def test_a_latex_table_with_a_header_of_two_rows_and_numbers_as_names(tmp_path: Path) -> None:
    text = r"""\begin{tabular}{lccc}
 & \multicolumn{2}{c}{AU} & \\
Method & 1 & 2 & Avg. \\
Ours & 55.29 & 51.40 & 53.35 \\
Mean & 1 & 2 & \\
\end{tabular}"""
    assert told(tables(tmp_path, "t.tex", text)) == [(4, "Ours", {"1": "55.29", "2": "51.40"}, "53.35")]


def test_a_latex_table_with_groups_over_its_columns(tmp_path: Path) -> None:
    text = r"""\begin{tabular}{lccccc}
\multirow{2}{*}{Method} & \multicolumn{2}{c}{VA} & \multicolumn{2}{c}{EXPR} & \multirow{2}{*}{Avg.} \\
 & V & A & x & y & \\
Ours & 0.10 & 0.20 & 0.30 & 0.40 & 0.25 \\
Theirs & 0.30 & 0.20 & 0.40 & 0.50 & 0.35 \\
\end{tabular}"""
    values = {"V": "0.10", "A": "0.20", "x": "0.30", "y": "0.40"}
    found = tables(tmp_path, "t.tex", text)
    assert told(found)[0] == (4, "Ours", values, "0.25")
    assert found.not_checked == 0
    assert lint(found.rows) == []
    assert tables(tmp_path, "t.tex", text, "V", "A", "x", "y") == found


def test_groups_that_repeat_their_columns_are_told_apart(tmp_path: Path) -> None:
    text = r"""\begin{tabular}{lcccccc}
Method & \multicolumn{3}{c}{Valid} & \multicolumn{3}{c}{Test} \\
 & V & A & P & V & A & P \\
Ours & 1 & 3 & 2 & 5 & 7 & 6 \\
\end{tabular}"""
    with pytest.raises(UserError, match="several columns look like an average: Valid P, Test P; --average"):
        tables(tmp_path, "t.tex", text)
    found = tables(tmp_path, "t.tex", text, "Test V", "Test A", average="Test P")
    assert [(values, average) for _, _, values, average in told(found)] == [({"Test V": "5", "Test A": "7"}, "6")]


@pytest.mark.parametrize(
    "column",
    ["FLOPs", "GFLOPs", "MACs (G)", "Params", "#Params (M)", "Parameters", "Time", "Inference time (ms)", "Latency",
     "Year", "#", "# frames", "Rank", "Ref", "Ref.", "Reference", "Model size (MB)", "Memory", "GPU hours", "Std",
     "Batch", "lr", "Layers", "Submissions", "Index", "p-value"],
)  # fmt: skip
def test_columns_that_are_no_scores_are_not_averaged(tmp_path: Path, column: str) -> None:
    found = tables(tmp_path, "t.csv", f"m,{column},Anger,Joy,Avg\nx,86.1,1,3,2\n")
    assert told(found) == [(2, "x, 86.1", {"Anger": "1", "Joy": "3"}, "2")]


@pytest.mark.parametrize("column", ["Timid", "N", "Surprise", "AU12", "Other", "F1 score", "Sadness (1)"])
def test_labels_are_averaged(tmp_path: Path, column: str) -> None:
    [(_, _, values, _)] = told(tables(tmp_path, "t.csv", f"m,{column},Joy,Avg\nx,1,3,2\n"))
    assert list(values) == [column, "Joy"]


def test_a_score_is_the_average_where_nothing_else_is(tmp_path: Path) -> None:
    text = "| # | m | Anger score | Joy score | Score (%) |\n|--|--|--|--|--|\n| 1 | x | 1 | 3 | 2 |\n"
    assert told(tables(tmp_path, "t.md", text)) == [(3, "1, x", {"Anger score": "1", "Joy score": "3"}, "2")]
    text = "m,a,b,Score,Avg\nx,1,3,9,2\n"
    assert told(tables(tmp_path, "t.csv", text)) == [(2, "x, 9", {"a": "1", "b": "3"}, "2")]
    long = LONG + "au,a,x,1,\nau,a,y,3,\nau,a,Total score,2,\n"
    assert told(tables(tmp_path, "t.csv", long)) == [(4, "au, a", {"x": "1", "y": "3"}, "2")]


def test_of_two_averages_the_other_is_not_averaged(tmp_path: Path) -> None:
    found = tables(tmp_path, "t.csv", "m,a,b,avg,mean\nx,1,3,2,2\n", average="mean")
    assert told(found) == [(2, "x, 2", {"a": "1", "b": "3"}, "2")]


def test_a_column_of_dashes_still_counts(tmp_path: Path) -> None:
    text = "m,a,b,avg\nx,1,3,2\ny,1,-,1\nz,1,\N{EM DASH},1\n"
    assert [name for _, name, _, _ in told(tables(tmp_path, "t.csv", text))] == ["x"]


def test_columns_can_be_named(tmp_path: Path) -> None:
    text = "m,size,a,b,score\nx,86,1,3,2\n"
    assert told(tables(tmp_path, "t.csv", text, "a", "b", average="score")) == [(2, "x, 86", {"a": "1", "b": "3"}, "2")]
    with pytest.raises(UserError, match=r"No column of this table is called 'c'"):
        tables(tmp_path, "t.csv", text, "a", "c", average="score")
    with pytest.raises(UserError, match=r"expected a column \(.*\) called 'total'; got m, size, a, b, score"):
        tables(tmp_path, "t.csv", text, average="total")
    long = LONG + "au,a,x,1,\nau,a,y,3,\nau,a,z,9,\nau,a,score,2,\n"
    assert told(tables(tmp_path, "t.csv", long, "x", "y", average="score")) == [(5, "au, a", {"x": "1", "y": "3"}, "2")]


def test_names_that_a_long_table_does_not_have(tmp_path: Path) -> None:
    text = LONG + "au,a,x,1,\nau,a,y,3,\nau,a,avg,2,\n"
    with pytest.raises(UserError, match=r"No label of this table is called 'z'"):
        tables(tmp_path, "t.csv", text, "x", "z")
    with pytest.raises(UserError, match=r"\(in a long table a label\) called 'score'; got task, split, label"):
        tables(tmp_path, "t.csv", text, average="score")


def test_averages_with_nothing_beside_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected rows with an average and 2 values or more beside it, got none"):
        tables(tmp_path, "t.csv", LONG + "au,a,avg,2,\n")


def test_two_averages_must_be_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 1: several columns look like an average: avg, mean; --average"):
        tables(tmp_path, "t.csv", "m,a,b,avg,mean\nx,1,3,2,2\n")


@pytest.mark.parametrize("text", ["m,a,b\nx,1,2\n", "m,a,b\nMean,1,2\n", ""])
def test_a_table_without_an_average(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"called avg, average, mean, overall, P or score \(--average names another\)"):
        tables(tmp_path, "t.csv", text)


@pytest.mark.parametrize(
    ("name", "average"),
    [("AVG", True), ("Average F1", True), ("CCC-mean", True), ("P (CCC)", True), ("Overall", True),
     ("Pain", False), ("meaningful", False), ("", False), ("p value", False)],
)  # fmt: skip
def test_names_of_averages(name: str, average: bool) -> None:
    assert is_average(name) == average
