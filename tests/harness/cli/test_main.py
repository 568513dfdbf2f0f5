from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest

from harness import cli, plugins
from harness.cli import main
from harness.errors import HarnessError, MissingData, SomeTasksFailed, UserError

HEAVY = ("torch", "pandas", "sklearn", "av", "transformers", "timm", "matplotlib", "torchaudio", "scipy")


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])


def exit_of(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_help_and_the_list_of_plugins_import_nothing_heavy():
    """In a process of its own, with every installed plugin."""
    check = f"""
import contextlib, io, sys
from harness.cli import main
for words in (["--help"], ["plugins", "list"], ["run", "--help"], ["cache", "--help"]):
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            main(words)
    except SystemExit as end:
        assert end.code == 0, (words, end.code)
    assert out.getvalue(), words
    print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:4] == ["[]"] * 4, done.stdout


def failing(error: BaseException) -> Callable[..., Any]:
    @click.command("fail")
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("say what"), 2, "harness: say what\n"),
        (MissingData("not here"), 3, "harness: not here\n"),
        (SomeTasksFailed("1 of 5"), 4, "harness: 1 of 5\n"),
        (HarnessError("the loss became nan"), 1, "harness: the loss became nan\n"),
        (KeyboardInterrupt(), 130, "harness: interrupted; nothing is lost, the same command goes on from here\n"),
    ],
)
def test_a_mistake_is_one_line_and_its_code(monkeypatch: pytest.MonkeyPatch, capsys, error, code: int, line: str):
    monkeypatch.setitem(cli.cli.commands, "fail", failing(error))
    assert exit_of("fail") == code
    assert capsys.readouterr().err.strip() == line.strip()


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(cli.cli.commands, "fail", failing(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        main(["fail"])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--help"], 0, "harness run --plugin"),
        (["--version"], 0, "version"),
        (["rnu"], 2, "No command is called 'rnu'. Did you mean 'run'?"),
        (["run"], 2, "Missing option '--plugin'"),
        (["run", "--plugin", "x", "--task", "y", "--precision", "fp64"], 2, "fp64"),
        (["run", "--plugin", "x", "--task", "y", "--spilt", "z"], 2, "--spilt"),
        (["cache", "cler"], 2, "cler"),
    ],
)
def test_the_command_line(capsys, words: list[str], code: int, said: str):
    assert exit_of(*words) == code
    out = capsys.readouterr()
    assert said in out.out + out.err
    assert "Traceback" not in out.err


def test_plugins_add_commands(monkeypatch: pytest.MonkeyPatch, capsys):
    from types import ModuleType

    from harness.hookspecs import hookimpl

    mine = ModuleType("mine")

    def add_commands(cli: click.Group) -> None:
        cli.add_command(click.Command("knit", help="Knit.", callback=lambda: click.echo("knitted")))

    mine.add_commands = hookimpl(add_commands)  # type: ignore[attr-defined]
    real = plugins.load
    monkeypatch.setattr(plugins, "load", lambda: real({"mine": mine}))
    monkeypatch.setattr(cli.cli, "commands", {})
    assert exit_of("knit") == 0
    assert exit_of("--help") == 0
    assert exit_of("knti") == 2
    out = capsys.readouterr()
    assert "knitted" in out.out
    assert "Knit." in out.out
    assert "Did you mean 'knit'?" in out.err
