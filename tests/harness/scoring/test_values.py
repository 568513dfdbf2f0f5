from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from table_files import CLIP, COLOUR, MOOD, UNITS, read, write

from harness.errors import UserError
from harness.kinds import continuous
from harness.scoring.layouts import Layout
from harness.scoring.predicted import Reading
from harness.scoring.values import plain


def test_decisions_in_words(tmp_path: Path):
    path = write(tmp_path / "a.csv", "video,decision", "v,Green", "v,red", "v,")
    found = read(path)
    assert found.decided
    np.testing.assert_array_equal(found.videos[0].scores_NL, [[0, 1, 0], [1, 0, 0], [np.nan] * 3])
    found = read(write(tmp_path / "b.csv", "video,decision", "v,a+b", "v,", "v,b"), UNITS)
    assert found.videos[0].scores_NL.tolist() == [[1, 1], [0, 0], [0, 1]]
    with pytest.raises(UserError, match=r"No label of task 'colour' \(in .*\) is called 'gren'. Did you mean 'green'"):
        read(write(tmp_path / "c.csv", "video,decision", "v,gren"))
    with pytest.raises(UserError, match="expected columns named x, y, came decisions alone"):
        read(path, MOOD)


def test_a_class_that_the_task_lacks_is_a_decision_for_none(tmp_path: Path):
    path = write(tmp_path / "a.csv", "video,decision", "v,grey", "v,red", "v,grey")
    found = read(path, layout=Layout("", others=frozenset({"grey"})))
    assert found.videos[0].scores_NL.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert found.notes == ("2 rows decide for grey, which is no label of this task: wrong",)


def test_rows_that_failed_hold_no_value(tmp_path: Path):
    path = write(tmp_path / "v.csv", "ok,x,y", "1,0.5,0.5", "0,0,0")
    found = read(path, MOOD, layout=Layout("", valid=("ok",)))
    np.testing.assert_array_equal(found.videos[0].scores_NL, [[0.5, 0.5], [np.nan, np.nan]])
    assert found.notes == ("1 rows say ok 0 and so hold no prediction",)


def test_presence_is_0_1_or_a_probability(tmp_path: Path):
    with pytest.raises(UserError, match=r"line 3: expected 0, 1 or a probability for b, got 3\.4; an"):
        read(write(tmp_path / "v.csv", "a,b", "0,1", "0.5,3.4"), UNITS)


def test_values_lie_within_the_range_of_the_task(tmp_path: Path):
    with pytest.raises(UserError, match=r"v\.csv, line 3: expected y from -1 to 1, or -5 for no prediction, got 34"):
        read(write(tmp_path / "v.csv", "x,y", "0.5,0.5", "-1,34"), MOOD)
    table = pa.table({"video": ["a", "b", "b"], "x": [0.0, 0.5, 1.0], "y": [0.0, -0.01, 1.0]})
    pq.write_table(table, tmp_path / "w.parquet")
    with pytest.raises(UserError, match=r"w\.parquet, row 2: expected y from 0 to 1, or -5 .*, got -0\.01"):
        read(tmp_path / "w.parquet", CLIP)
    assert read(tmp_path / "w.parquet", MOOD).notes == ()
    with pytest.raises(UserError, match="got inf"):
        read(write(tmp_path / "i.csv", "x,y", "inf,0"), MOOD)


def test_minus_5_is_no_prediction(tmp_path: Path):
    """As in label files and in the competition's own: the row has none, whatever its other column says."""
    path = write(tmp_path / "v.csv", "x,y", "0.5,0.5", "-5,-5", "-5.0,0.5")
    found = read(path, MOOD)
    np.testing.assert_array_equal(found.videos[0].scores_NL, [[0.5, 0.5], [np.nan] * 2, [np.nan] * 2])
    assert found.notes == ("2 rows say -5 and so hold no prediction",)
    found = read(write(tmp_path / "w.csv", "x", "0.5", "-5"), MOOD)
    np.testing.assert_array_equal(found.videos[0].scores_NL, [[0.5, np.nan], [np.nan] * 2])
    wide = dataclasses.replace(MOOD, kind=continuous("ccc", -10, 10))
    assert read(path, wide).videos[0].scores_NL[1].tolist() == [-5, -5]


def test_rows_that_failed_are_not_held_to_any_range(tmp_path: Path):
    path = write(tmp_path / "v.csv", "ok,x,y", "1,0.5,0.5", "0,99,99")
    assert read(path, MOOD, layout=Layout("", valid=("ok",))).notes == ("1 rows say ok 0 and so hold no prediction",)


def test_decisions_as_class_numbers(tmp_path: Path):
    path = write(tmp_path / "a.csv", "video,decision", "v,2", "v,-1", "v,0", "v,Green", "v,1.0", "v,")
    found = read(path)
    nothing = [np.nan] * 3
    expected = [[0, 0, 1], nothing, [1, 0, 0], [0, 1, 0], [0, 1, 0], nothing]
    np.testing.assert_array_equal(found.videos[0].scores_NL, expected)
    pq.write_table(pa.table({"video": ["v", "v"], "decision": [1, -1]}), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")
    np.testing.assert_array_equal(found.videos[0].scores_NL, [[0, 1, 0], nothing])
    for number in ("3", "-2", "-5"):
        with pytest.raises(UserError) as caught:
            read(write(tmp_path / "b.csv", "video,decision", "v,1", f"v,{number}"))
        assert str(caught.value) == (
            f"{tmp_path / 'b.csv'}, line 3: expected a label of task 'colour' or its number, 0 to 2 (-1: no "
            f"prediction), got '{number}'"
        )
    for text, task in (("1.5", COLOUR), ("1", UNITS)):
        with pytest.raises(UserError, match=f"No label of task .* is called '{text}'"):
            read(write(tmp_path / "c.csv", "video,decision", f"v,{text}"), task)


def test_a_tool_with_classes_of_its_own_numbers_them_in_its_own_way(tmp_path: Path):
    with pytest.raises(UserError, match=r"No label of task .* is called '1'"):
        read(write(tmp_path / "a.csv", "video,decision", "v,1"), layout=Layout("", others=frozenset({"grey"})))


def test_where_another_class_scores_highest_none_of_the_labels_is_decided_for(tmp_path: Path):
    path = write(tmp_path / "v.csv", "red,green,blue,Grey", "1,0,2,3", "1,0,2,2", "1,0,2,", ",,,3")
    layout = Layout("", others=frozenset({"grey"}))
    found = read(path, layout=layout)
    best, none = [1, 0, 2], [np.nan] * 3
    np.testing.assert_array_equal(found.videos[0].scores_NL, [[-np.inf] * 3, best, best, none])
    assert (found.decided, found.unused) == (False, ())
    assert found.notes == ("1 rows score Grey highest, which is no label of this task: wrong",)
    found = read(path, layout=layout, reading=Reading({"Grey": "red"}))  # said to be ours
    assert (found.videos[0].scores_NL[0].tolist(), found.notes) == ([3, 0, 2], ())
    assert read(path).unused == ("Grey",)  # a table of which nobody knows what its columns are


@pytest.mark.parametrize(
    ("name", "expected"),
    [("AU01", "au1"), ("au_1", "au1"), ("AU 10", "au10"), ("Empathic_Pain", "empathicpain"), ("AU100", "au100")],
)
def test_plain_names(name: str, expected: str):
    assert plain(name) == expected
