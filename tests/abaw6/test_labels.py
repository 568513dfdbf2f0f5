from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abaw6.labels import count_rows, read_rows
from abaw6.specs import AU, CE, EXPR, VA
from harness.errors import UserError

EXPR_HEADER = ",".join(EXPR.labels)
AU_HEADER = ",".join(AU.labels)
NAN = np.nan


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "video1.txt"
    path.write_bytes(content.encode())
    return path


def test_values_with_minus_five_as_invalid(tmp_path: Path) -> None:
    path = written(tmp_path, "valence,arousal\n0.5,-1\n-5,-5\n-5,0.2\n")
    np.testing.assert_array_equal(read_rows(path, VA, "any"), np.array([[0.5, -1], [NAN, NAN], [NAN, NAN]], np.float32))


def test_columns_are_matched_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, "Arousal, Valence\n0.25,0.5\n")
    np.testing.assert_array_equal(read_rows(path, VA, "any"), np.array([[0.5, 0.25]], np.float32))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_classes_are_one_number_a_row_below_eight_names(tmp_path: Path, end: str) -> None:
    path = written(tmp_path, end.join([EXPR_HEADER, "4", "-1", "0", "7", "", ""]))
    target_RL = read_rows(path, EXPR, "any")
    assert count_rows(path) == len(target_RL) == 4
    assert target_RL.dtype == np.float32
    assert np.nanargmax(target_RL[[0, 2, 3]], axis=1).tolist() == [4, 0, 7]
    assert target_RL[[0, 2, 3]].sum() == 3
    assert np.isnan(target_RL[1]).all()


def test_class_numbers_follow_the_files_own_header(tmp_path: Path) -> None:
    path = written(tmp_path, "Anger,Neutral,Disgust,Fear,Happiness,Sadness,Surprise,Other\n0\n1\n")
    assert read_rows(path, EXPR, "any").argmax(axis=1).tolist() == [1, 0]


def test_a_header_may_end_in_a_comma_and_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = written(tmp_path, f"\ufeff{','.join(CE.labels)},\n6\n")
    assert read_rows(path, CE, "any").argmax(axis=1).tolist() == [6]


PARTLY = "1,0,-1,0,0,0,0,0,0,0,0,1"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("any", [NAN] * 12), ("all", [1, 0, 0, *[0] * 8, 1]), ("mask", [1, 0, NAN, *[0] * 8, 1])],
)
def test_partly_invalid_rows_by_policy(tmp_path: Path, policy: str, expected: list[float]) -> None:
    path = written(tmp_path, "\n".join([AU_HEADER, PARTLY, ",".join(["-1"] * 12), ",".join(["1"] * 12)]))
    target_RL = read_rows(path, AU, policy)  # type: ignore[arg-type]
    np.testing.assert_array_equal(target_RL[0], np.array(expected, np.float32))
    assert np.isnan(target_RL[1]).all()
    assert (target_RL[2] == 1).all()


@pytest.mark.parametrize(
    ("task", "content", "line", "came"),
    [
        (EXPR, f"{EXPR_HEADER}\n3\n8\n", 3, "'8'"),
        (EXPR, f"{EXPR_HEADER}\n1.5\n", 2, "'1.5'"),
        (EXPR, f"{EXPR_HEADER}\n1\n\n2\n", 3, "''"),
        (EXPR, f"{EXPR_HEADER}\n1,\n", 2, "'1,'"),
        (EXPR, f"{EXPR_HEADER}\n-5\n", 2, "'-5'"),
        (EXPR, "Neutral,Anger\n1\n", 1, "'Neutral,Anger'"),
        (EXPR, "0\n1\n", 1, "'0'"),
        (VA, "valence,arousal\n0.1,0.2\n0.1;0.2\n", 3, "'0.1;0.2'"),
        (VA, "valence,arousal\n0.1\n", 2, "'0.1'"),
        (VA, "valence,arousal\n0.1,1.01\n", 2, "'0.1,1.01'"),
        (VA, "valence,arousal\nnan,0\n", 2, "'nan,0'"),
        (AU, f"{AU_HEADER}\n{PARTLY}\n{PARTLY},1\n", 3, "1,1'"),
        (AU, f"{AU_HEADER}\n{PARTLY.replace('-1', '2')}\n", 2, "2,"),
        (AU, "", 1, "an empty file"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, task: object, content: str, line: int, came: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UserError) as error:
        read_rows(path, task, "any")  # type: ignore[arg-type]
    assert f"{path}, line {line}: expected " in str(error.value)
    assert came in str(error.value)
    assert error.value.exit_code == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(
    classes=st.lists(st.integers(-1, 7), max_size=30),
    end=st.sampled_from(["\n", "\r\n"]),
    blank=st.integers(0, 3),
)
def test_rows_counted_are_rows_read(tmp_path: Path, classes: list[int], end: str, blank: int) -> None:
    path = written(tmp_path, end.join([EXPR_HEADER, *map(str, classes)]) + end * blank)
    target_RL = read_rows(path, EXPR, "any")
    assert count_rows(path) == len(target_RL) == len(classes)
    assert [-1 if np.isnan(row).any() else int(row.argmax()) for row in target_RL] == classes
