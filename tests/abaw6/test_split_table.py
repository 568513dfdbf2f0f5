from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from abaw6.specs import EMI
from abaw6.split_table import SplitTable
from harness.errors import UserError

HEADER = "Filename,Admiration,Amusement,Determination,Empathic Pain,Excitement,Joy"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_are_read_from_their_place(disk: Any, end: str) -> None:
    lines = ("08072,0,0.25,0.5,0.75,1,0.125", "00009,0,0,0,0,0,0", '"10",0.5,0,0,0,0,0', "")
    table = SplitTable(disk.text("train_split.csv", HEADER, *lines, end=end), EMI.labels)
    assert table.ids() == ["08072", "00009", "00010"]
    assert table.target("08072").tolist() == [[0, 0.25, 0.5, 0.75, 1, 0.125]]
    assert table.target("00009").tolist() == [[0] * 6]  # all zero is a valid row
    assert table.target("00010").dtype == np.float32


def test_columns_by_name(disk: Any) -> None:
    header = "\ufefffilename,Joy,Admiration,Amusement,Determination,Empathic_Pain,Excitement"
    table = SplitTable(disk.text("a.csv", header, "00001,1,0,0,0,0.5,0"), EMI.labels)
    assert table.target("00001").tolist() == [[0, 0, 0, 0.5, 0, 1]]


def test_a_test_table_has_names_alone(disk: Any) -> None:
    table = SplitTable(disk.text("test_split.csv", "Filename", "00001"), EMI.labels)
    assert (table.ids(), table.labelled()) == (["00001"], False)


@pytest.mark.parametrize("line", ["00001,0,0,0,0,0", "00001,0,0,0,0,0,1.5", "00001,0,0,0,0,0,", "00001,0,0,0,0,0,nan"])
def test_a_malformed_line_is_named(disk: Any, line: str) -> None:
    path = disk.text("a.csv", HEADER, "00002,0,0,0,0,0,0", line)
    with pytest.raises(UserError) as error:
        SplitTable(path, EMI.labels).target("00001")
    assert str(error.value) == f"{path}, line 3: expected Filename and 6 numbers from 0 to 1, got {line!r}"


def test_a_wrong_header_and_a_repeated_clip_are_errors(disk: Any) -> None:
    with pytest.raises(UserError, match="line 1: expected the header Filename,Admiration"):
        SplitTable(disk.text("a.csv", "Filename,Admiration", "00001,0"), EMI.labels)
    with pytest.raises(UserError, match="line 3: '00001' came before, in line 2"):
        SplitTable(disk.text("b.csv", HEADER, "00001,0,0,0,0,0,0", "1,0,0,0,0,0,0"), EMI.labels)


def test_no_label_stays_in_memory(disk: Any) -> None:
    table = SplitTable(disk.text("a.csv", HEADER, "00001,0.123,0,0,0,0,0"), EMI.labels)
    assert "0.123" not in repr(vars(table))
