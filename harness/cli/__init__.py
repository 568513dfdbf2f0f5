"""The command line: `harness --help` imports neither torch, pandas nor sklearn; each command loads its own."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from harness import progress
from harness.errors import HarnessError

COMMANDS = {
    "run": "harness.cli.run:run",
    "leaderboard": "harness.cli.leaderboard:leaderboard",
    "ablate": "harness.cli.ablate:ablate",
    "compare": "harness.cli.compare:compare",
    "interval": "harness.cli.interval:interval",
    "score": "harness.cli.score:score",
    "data": "harness.cli.data:data",
    "lint-table": "harness.cli.lint_table:lint_table",
    "report": "harness.cli.report:report",
    "predict": "harness.cli.predict:predict",
    "plugins": "harness.cli.plugins:plugins",
    "cache": "harness.cli.cache:cache",
}


class Commands(click.Group):
    """The built-in commands, imported when used, and those plugins add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._ask_plugins()
        return sorted({*COMMANDS, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module, attribute = COMMANDS[cmd_name].split(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        self._ask_plugins()
        return self.commands.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from harness.errors import unknown

        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise unknown("command", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def _ask_plugins(self) -> None:
        if not self.commands:
            from harness.plugins import load

            load().hook.add_commands(cli=self)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="abaw-harness")
def cli() -> None:
    """Benchmark methods of affective behaviour analysis on the five ABAW6 tracks: VA, EXPR, AU, CE and EMI.

    \b
    harness run --plugin netease_abaw6 --task expr      one method, one task, the official split
    harness leaderboard                                 tables of what was run, beside published scores
    harness report RUN                                  one page about one run
    harness predict CLIP --task expr                    a finished run's model on a raw video
    harness score FILE --task expr                      what others predicted, judged like a run
    harness data check                                  what of a data set is there

    With no data set configured, everything runs on a small made-up world and says "demo".
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a user's mistake is one line on standard error and its exit code."""
    # waiting threads may spin; one fit took 382 s beside another process and 23 s alone, so they are asked not to
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code = cli.main(arguments, prog_name="harness", standalone_mode=False)
    except HarnessError as error:
        _end(f"harness: {error}", error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _end("harness: interrupted; nothing is lost, the same command goes on from here", 130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _end(_refused(error), error.exit_code)
    except OSError as error:
        _end(f"harness: {_reason(error)}", 2)
    except UnicodeDecodeError as error:
        _end(f"harness: {_not_text(error)}", 2)
    sys.exit(code if isinstance(code, int) else 0)


def _end(line: str, code: int) -> NoReturn:
    progress.clear()
    click.echo(line, err=True)
    sys.exit(code)


def _refused(error: click.ClickException) -> str:
    """What click says of a command line, which it prints on four lines, on one."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    said = " ".join(error.format_message().split())
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        near = " or ".join(map(repr, error.possibilities))
        said = f"No such option {error.option_name!r}. Did you mean {near}?"
    return f"{context.command_path}: {said} ({context.command_path} --help)" if context else f"harness: {said}"


def _reason(error: OSError) -> str:
    """The file, where one is known, and what the system says of it."""
    if error.strerror is None:  # raised by a library, in its own words
        return " ".join(str(error).split()) or type(error).__name__
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


def _not_text(error: UnicodeDecodeError) -> str:
    """The file, where the functions that read it know one, and the first byte that is not UTF-8."""
    paths = [
        value
        for frame, _ in traceback.walk_tb(error.__traceback__)
        for name, value in frame.f_locals.items()
        if name in ("self", "path") and isinstance(value, Path)
    ]
    where = f"{paths[-1]}: " if paths else ""
    return f"{where}expected UTF-8 text, came byte {error.object[error.start]:#04x} at position {error.start:,}"
