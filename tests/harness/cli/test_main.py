from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
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
        ([], 2, "harness run --plugin"),
        (["cache"], 2, "gc"),
    ],
)
def test_the_command_line(capsys, words: list[str], code: int, said: str):
    assert exit_of(*words) == code
    out = capsys.readouterr()
    assert said in out.out + out.err
    assert "Traceback" not in out.err


@pytest.mark.parametrize(
    ("words", "begins", "ends"),
    [
        (["run"], "harness run: Missing option '--plugin'", " (harness run --help)\n"),
        (
            ["run", "--plugin", "x", "--task", "y", "--precision", "fp64"],
            "harness run: Invalid value for '--precision': 'fp64' is not one of 'fp32', 'bf16'.",
            " (harness run --help)\n",
        ),
        (
            ["run", "--plugin", "x", "--task", "y", "--spilt", "z"],
            "harness run: No such option '--spilt'. Did you mean '--split' or ",
            " (harness run --help)\n",
        ),
        (["cache", "cler"], "harness cache: No such command 'cler'.", " (harness cache --help)\n"),
        (["--hepl"], "harness: No such option '--hepl'.", " (harness --help)\n"),
    ],
)
def test_what_click_refuses_is_one_line(capsys, words: list[str], begins: str, ends: str):
    assert exit_of(*words) == 2
    said = capsys.readouterr().err
    assert (said.startswith(begins), said.endswith(ends), said.count("\n")) == (True, True, 1), said


def test_the_help_names_a_command_once(capsys):
    assert exit_of("--help") == 0
    assert capsys.readouterr().out.count("harness score FILE") == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied", "/etc/x"), "harness: /etc/x: Permission denied\n"),
        (OSError(28, "No space left on device"), "harness: No space left on device\n"),
        (OSError("they are\nnot to be had"), "harness: they are not to be had\n"),
        (OSError(), "harness: OSError\n"),
    ],
)
def test_what_the_system_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys, error: OSError, line: str):
    monkeypatch.setitem(cli.cli.commands, "fail", failing(error))
    assert exit_of("fail") == 2
    assert capsys.readouterr().err == line


def reading(path: Path, how: str) -> click.Command:
    @click.command("fail")
    def fail() -> None:
        if how == "text":
            path.read_text(encoding="utf-8")
        else:
            with path.open(encoding="utf-8", newline="") as file:
                list(csv.reader(file))

    return fail


@pytest.mark.parametrize("how", ["text", "csv"])
def test_a_file_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path, how: str):
    path = tmp_path / "published.csv"
    path.write_bytes("Müller".encode("latin-1"))
    monkeypatch.setitem(cli.cli.commands, "fail", reading(path, how))
    assert exit_of("fail") == 2
    assert capsys.readouterr().err == f"harness: {path}: expected UTF-8 text, came byte 0xfc at position 1\n"


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
