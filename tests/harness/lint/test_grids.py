from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import MissingData, UserError
from harness.lint.grids import Grid, read_grids


def grids(tmp_path: Path, name: str, text: str) -> list[Grid]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_grids(path)


def test_csv_with_the_line_each_row_ends_in(tmp_path: Path) -> None:
    text = '\ufeffa,Avg\n"x, y", 0.5\n\n"two\nlines",\N{MINUS SIGN}1\n'
    [grid] = grids(tmp_path, "t.csv", text)
    assert grid.rows == ((1, ("a", "Avg")), (2, ("x, y", "0.5")), (5, ("two\nlines", "-1")))


def test_every_markdown_table_without_its_marks(tmp_path: Path) -> None:
    text = """# Title

| a \\| b | Avg |
| :-- | --: |
| **x** | *0.5* |
| [y](y.md) | `1` |

a | Avg
--|--
z | 2
text
"""
    first, second = grids(tmp_path, "t.md", text)
    assert first.rows == ((3, ("a | b", "Avg")), (5, ("x", "0.5")), (6, ("y", "1")))
    assert second.rows == ((8, ("a", "Avg")), (10, ("z", "2")))


def test_latex_without_its_commands_and_with_a_header_of_one_row(tmp_path: Path) -> None:
    text = r"""\begin{table}
\begin{tabular}{@{}l|c{1}c@{}} % the columns
\toprule
 & \multicolumn{2}{c}{\textbf{F1}} \\ \cmidrule(lr){2-3}
System & A\_1 & Avg. \\
\midrule
\multirow{2}{*}{Ours \& co} & {\bf 0.50} & \underline{55}$_{\pm 0.3}$ \\[2pt]
% left & out & 1 \\
 & 12\,\% & $0.5^{\dagger}$ \\
\bottomrule
\end{tabular}
\end{table}
"""
    [grid] = grids(tmp_path, "t.tex", text)
    assert grid.rows == (
        (5, ("System", "A_1", "Avg.")),
        (7, ("Ours & co", "0.50", "55_± 0.3")),
        (9, ("", "12 %", "0.5^†")),
    )


def test_what_is_no_table(tmp_path: Path) -> None:
    assert grids(tmp_path, "t.md", "a | b\n") == []
    assert grids(tmp_path, "t.csv", "") == []
    with pytest.raises(UserError, match=r"No format of a table is called '\.pdf'"):
        grids(tmp_path, "t.pdf", "")
    with pytest.raises(MissingData, match="No table at"):
        read_grids(tmp_path / "none.csv")
