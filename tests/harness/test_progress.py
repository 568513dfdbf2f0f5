from __future__ import annotations

import pytest

from harness.progress import shown, silent


@pytest.mark.parametrize("progress", [shown, silent])
def test_items_pass_through_one_by_one(progress, capsys: pytest.CaptureFixture[str]):
    drawn: list[int] = []

    def items():
        for i in range(3):
            drawn.append(i)
            yield i

    seen = progress(items(), "count", total=3)
    assert next(seen) == 0
    assert drawn == [0]
    assert list(seen) == [1, 2]
    assert capsys.readouterr().out == ""


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]):
    list(silent(range(3), "count"))
    assert capsys.readouterr() == ("", "")


def test_off_a_terminal_a_step_is_one_plain_line(capsys: pytest.CaptureFixture[str]):
    assert list(
        shown(range(3), "encode [image] of a rather long name that goes on for more than eighty columns of text")
    ) == [0, 1, 2]
    err = capsys.readouterr().err
    assert err.startswith(
        "encode [image] of a rather long name that goes on for more than eighty columns of text ... done in 0.0 s"
    )
    assert err.count("\n") == 1
    assert "\x1b" not in err


@pytest.mark.parametrize("progress", [shown, silent])
def test_an_error_on_the_way_is_not_swallowed(progress):
    def items():
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(progress(items(), "count", total=2))
