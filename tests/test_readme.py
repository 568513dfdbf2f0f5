"""What README.md and docs/ tell a reader to type exists: commands, options, make targets, plugins, files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from harness import plugins
from harness.cli import cli
from harness.cli.run import request_of
from harness.resolve import resolve

PAGES = ("README.md", "docs/results.md")


def typed(repository: Path) -> list[list[str]]:
    """Every line of every sh block as words, without comments."""
    text = "\n".join((repository / page).read_text() for page in PAGES)
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def parsed(words: list[str]) -> click.Context:
    """The context of a `harness` command line, every option checked, nothing invoked."""
    context, command, rest = click.Context(cli), cli, words
    while isinstance(command, click.Group):
        name, command, rest = command.resolve_command(context, rest)
        assert name is not None
        assert command is not None
        context = click.Context(command, parent=context, info_name=name)
    return command.make_context(str(context.info_name), list(rest))


def test_every_command_line_is_understood(repository: Path):
    lines = typed(repository)
    assert {words[0] for words in lines} <= {"make", "harness", "python"}
    harness = [parsed(words[1:]).info_name for words in lines if words[0] == "harness"]
    assert {"run", "leaderboard", "compare", "predict", "check", "list"} <= set(harness)


def test_every_run_names_what_there_is(repository: Path):
    loaded = plugins.load()
    runs = [parsed(words[1:]) for words in typed(repository) if words[:2] == ["harness", "run"]]
    assert len(runs) > 5
    for context in runs:
        words = dict(context.params)
        plugin, task = words.pop("plugin"), words.pop("task")
        request = request_of(plugin, words)
        for name in loaded.provided("tasks") if task == "all" else [task]:
            resolve(loaded, name, plugin, words["profile"] or "demo", sets=request.sets)


def test_make_targets(repository: Path):
    makefile = (repository / "Makefile").read_text()
    targets = [words[1] for words in typed(repository) if words[0] == "make"]
    assert targets == ["run", "test"]
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, flags=re.MULTILINE)] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(repository: Path, page: str):
    links = re.findall(r"\]\(([^)#]+)\)", (repository / page).read_text())
    inside = [link for link in links if not link.startswith("https://")]
    assert [link for link in inside if not ((repository / page).parent / link).exists()] == []


def test_scripts_are_there(repository: Path):
    scripts = [words[1] for words in typed(repository) if words[0] == "python"]
    assert [script for script in scripts if not (repository / script).exists()] == []
