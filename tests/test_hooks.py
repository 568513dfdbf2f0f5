"""One test per hook: what a plugin gives is what the core gets."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import pytest

from harness import plugins
from harness.errors import UserError
from harness.hookspecs import hookimpl

NOUN_HOOKS = [
    "provide_tasks",
    "provide_readers",
    "provide_detectors",
    "provide_encoders",
    "provide_corpora",
    "provide_fusions",
    "provide_partitions",
    "provide_votes",
    "provide_postprocessors",
    "provide_pipelines",
    "provide_formats",
]


@pytest.fixture(autouse=True)
def _only_these(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])


def plugin(name: str, hook: str, implementation: Any) -> ModuleType:
    module = ModuleType(name)
    setattr(module, hook, hookimpl(implementation))
    return module


def test_no_noun_is_left_out():
    assert [hook.removeprefix("provide_") for hook in NOUN_HOOKS] == list(plugins.NOUNS)


@pytest.mark.parametrize("hook", NOUN_HOOKS)
def test_a_noun_is_found_by_name_with_its_plugin(hook: str):
    thing = SimpleNamespace()
    loaded = plugins.load({"mine": plugin("mine", hook, lambda: {"thing": thing})})
    provided, argument = loaded.get(hook.removeprefix("provide_"), "thing")
    assert provided.thing is thing
    assert (provided.name, provided.plugin, argument) == ("thing", "mine", None)


@pytest.mark.parametrize("hook", NOUN_HOOKS)
def test_one_name_from_two_plugins_is_an_error_naming_both(hook: str):
    with pytest.raises(UserError, match=r"'thing' is provided twice: by '(mine|yours)' and by '(mine|yours)'"):
        plugins.load({name: plugin(name, hook, lambda: {"thing": object()}) for name in ("mine", "yours")}).provided(
            hook.removeprefix("provide_")
        )


def test_add_commands_gets_the_command_line():
    def implementation(cli: click.Group) -> None:
        cli.add_command(click.Command("mine"))

    cli = click.Group()
    plugins.load({"mine": plugin("mine", "add_commands", implementation)}).hook.add_commands(cli=cli)
    assert list(cli.commands) == ["mine"]


def test_locate_dataset_believes_the_first_who_answers():
    def knows(name: str) -> Path | None:
        return Path("here") if name == "mine" else None

    def knows_nothing(name: str, demo: bool) -> Path | None:
        return None

    loaded = plugins.load(
        {"a": plugin("a", "locate_dataset", knows), "b": plugin("b", "locate_dataset", knows_nothing)}
    )
    assert loaded.hook.locate_dataset(name="mine", demo=False) == Path("here")
    assert loaded.hook.locate_dataset(name="other", demo=True) is None


def test_row_scored_reaches_everybody():
    seen: list[float] = []
    hear = {name: plugin(name, "row_scored", lambda row: seen.append(row["P"])) for name in ("a", "b")}
    plugins.load(hear).hook.row_scored(row={"P": 0.5})
    assert seen == [0.5, 0.5]


def test_a_misspelt_hook_is_an_error():
    with pytest.raises(UserError, match="provide_encoder'"):
        plugins.load({"mine": plugin("mine", "provide_encoder", lambda: {})})
