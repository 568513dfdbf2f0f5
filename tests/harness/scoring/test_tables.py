from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.errors import MissingData, UserError
from harness.scoring.tables import header, open_table, tables, whole_numbers


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_columns_by_name(tmp_path: Path, separator: str, line_end: str):
    lines = [["video", " score ", "rest"], ["08072", " 0.5", "x"], ["1", "", "y"], ["b c", "nan", "z"]]
    path = write(tmp_path / "a.csv", "\ufeff" + line_end.join(separator.join(cells) for cells in lines) + line_end)
    table = open_table(path)
    assert table.names == ("video", "score", "rest")
    read = table.read(["score"], ["video"])
    assert list(read) == ["score", "video"]
    np.testing.assert_array_equal(read["score"], [0.5, np.nan, np.nan])
    assert read["video"].tolist() == ["08072", "1", "b c"]
    assert table.read() == {}


def test_windows_ways_to_say_not_a_number(tmp_path: Path):
    read = open_table(write(tmp_path / "a.csv", "x,y\n-nan(ind),1\n1.#QNAN,2\n")).read(["x", "y"])
    np.testing.assert_array_equal(read["x"], [np.nan, np.nan])


def test_parquet_columns_by_name(tmp_path: Path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"video": [8072, 1], "x": pa.array([1, None], pa.int8()), "y": ["a", "b"]}), path)
    read = open_table(path).read(["x"], ["video"])
    np.testing.assert_array_equal(read["x"], [1, np.nan])
    assert read["video"].tolist() == ["8072", "1"]
    with pytest.raises(UserError, match=r"a\.parquet: expected a table"):
        open_table(path).read(["y"])


def test_faults_name_the_file(tmp_path: Path):
    table = open_table(write(tmp_path / "a.csv", "x,y,x\n1,b,2\n"))
    with pytest.raises(UserError, match=r"a\.csv: expected a table, .*'b'"):
        table.read(["y"])
    with pytest.raises(UserError, match="column 'x' stands 2 times"):
        table.read(["x"])
    with pytest.raises(UserError, match="line 1: expected a header, got an empty line"):
        open_table(write(tmp_path / "b.csv", "\n1,2\n"))
    (tmp_path / "c.csv").write_bytes(b"\xff\xfe\n")
    with pytest.raises(UserError, match="line 1: expected a header in UTF-8"):
        open_table(tmp_path / "c.csv")
    with pytest.raises(UserError, match=r"d\.parquet: expected parquet"):
        open_table(write(tmp_path / "d.parquet", "no"))
    assert header(tmp_path / "d.parquet") == ()
    assert header(tmp_path / "a.csv") == ("x", "y", "x")


def test_the_tables_of_a_folder(tmp_path: Path):
    for name in ("b.csv", "a.parquet", ".hidden.csv", "c.png", "d.TXT"):
        write(tmp_path / name, "x")
    assert [path.name for path in tables(tmp_path)] == ["a.parquet", "b.csv", "d.TXT"]
    assert tables(tmp_path / "c.png") == [tmp_path / "c.png"]
    with pytest.raises(MissingData, match="No predictions at"):
        tables(tmp_path / "none")


def test_whole_numbers():
    assert whole_numbers(np.array([1.0, 3.0]), "here").tolist() == [1, 3]
    with pytest.raises(UserError, match=r"here: expected whole numbers, got 1\.5 in row 2"):
        whole_numbers(np.array([1.0, 1.5]), "here")
    with pytest.raises(UserError, match="got nan in row 1"):
        whole_numbers(np.array([np.nan]), "here")
