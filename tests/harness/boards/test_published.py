from __future__ import annotations

from pathlib import Path

import pytest

from harness.boards.published import read_published
from harness.boards.rows import Score
from harness.errors import HarnessError

HEAD = "task,system,team,split,label,value,unit,source\n"


def test_percent_becomes_a_fraction_and_avg_becomes_p(tmp_path: Path):
    file = tmp_path / "published.csv"
    file.write_text(
        HEAD + "au,m,Team,official,AU1,55.29,percent,Table 1\nau,m,Team,official,Avg,56.94,percent,Table 1\n"
    )
    (line,) = read_published(file)
    assert (line.data, line.metric, line.name, line.published) == ("aff-wild2", "f1", "Team: m", "Table 1")
    assert line.p == Score(pytest.approx(0.5694, abs=1e-12))
    assert line.labels == {"AU1": Score(pytest.approx(0.5529, abs=1e-12))}


def test_the_committed_facts_belong_to_the_three_real_data_sets(repository: Path):
    lines = read_published(repository / "leaderboards" / "published.csv")
    assert {(line.task, line.data) for line in lines} == {
        *(("va", "aff-wild2"), ("expr", "aff-wild2"), ("au", "aff-wild2")),
        *(("ce", "c-expr"), ("emi", "hume-vidmimic2")),
    }
    of_paper = {line.split: line.p.value for line in lines if line.system == "netease_abaw6" and line.task == "expr"}
    assert of_paper == pytest.approx(
        {"official": 0.5555, "fold-1": 0.4983, "fold-2": 0.5283, "fold-3": 0.5632, "fold-4": 0.5465, "fold-5": 0.5551}
    )


def test_p_of_the_paper_is_the_mean_of_its_labels(repository: Path):
    """The facts are consistent: up to rounding, and to the paper's own slips of at most half a point."""
    for line in read_published(repository / "leaderboards" / "published.csv"):
        if line.labels:
            mean = sum(score.value for score in line.labels.values()) / len(line.labels)
            assert line.p.value == pytest.approx(mean, abs=0.005), (line.task, line.split)


def test_a_task_of_ones_own_says_where_it_was_measured(tmp_path: Path):
    file = tmp_path / "published.csv"
    file.write_text(HEAD.replace("source", "source,data,metric") + "pain,m,,official,Avg,0.5,fraction,A,unbc,pearson\n")
    (line,) = read_published(file)
    assert (line.data, line.metric, line.title, line.name) == ("unbc", "pearson", "pain", "m")


def test_contamination_is_unknown_unless_stated(tmp_path: Path):
    file = tmp_path / "published.csv"
    file.write_text(HEAD + "au,m,T,official,Avg,0.5,fraction,A\n")
    assert [line.contamination for line in read_published(file)] == ["unknown"]
    head = HEAD.replace("source", "source,contamination")
    file.write_text(head + "au,m,T,official,Avg,0.5,fraction,A,held-out\nau,n,T,official,Avg,0.5,fraction,A,\n")
    assert [line.contamination for line in read_published(file)] == ["held-out", "unknown"]
    file.write_text(head + "au,m,T,official,Avg,0.5,fraction,A,clean\n")
    with pytest.raises(HarnessError, match="line 2: expected contamination to be one of in-sample, held-out, unknown"):
        read_published(file)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("au,m,T,official,Avg,56.94,permille,S", "line 2: expected a unit of percent, fraction, came 'permille'"),
        ("au,m,T,official,Avg,high,percent,S", "line 2: expected a number, came 'high'"),
        ("au,m,T,official,Avg,56.94,fraction,S", "line 2: expected a score between -1 and 1, came 56.94 fraction"),
        ("au,m,T,official,Avg,nan,fraction,S", "line 2: expected a score between -1 and 1"),
        ("au,m,T,official,AU1,50,percent,S", "line 2: expected a score Avg"),
        ("au,m,T,official,Avg,1,percent,S\nau,m,T,official,Avg,2,percent,S", "line 3: Avg .* twice"),
        ("pain,m,T,official,Avg,50,percent,S", "line 2: task 'pain' is none of va, expr, au, ce, emi"),
        ("au,,,official,Avg,50,percent,S", "line 2: expected a source, and a system or a team"),
        ("au,m,T,official", "line 2: expected 8 fields, came fewer"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, row: str, message: str):
    file = tmp_path / "published.csv"
    file.write_text(f"{HEAD}{row}\n")
    with pytest.raises(HarnessError, match=message):
        read_published(file)


def test_missing_columns_are_named(tmp_path: Path):
    file = tmp_path / "published.csv"
    file.write_text("task,value\nau,1\n")
    with pytest.raises(HarnessError, match="missing: system, team, split, label, unit, source"):
        read_published(file)
