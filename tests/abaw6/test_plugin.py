from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

import abaw6.plugin
from abaw6.demo import write as demo_write
from harness.plugins import load


def test_provides_five_tasks_and_the_readers_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_PLUGINS", "builtin")
    tasks = abaw6.plugin.provide_tasks()
    assert list(tasks) == ["va", "expr", "au", "ce", "emi"]
    extra = {"bp4d", "raf-db", "raf-db-compound", "affectnet"}
    assert {task.reader for task in tasks.values()} | extra == set(abaw6.plugin.provide_readers())


def test_the_demo_world_is_written_below_the_cache_only_when_asked_for(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(demo_write, "write", lambda *given: calls.append(given))
    assert abaw6.plugin.locate_dataset(name="c-expr", demo=False) is None
    assert abaw6.plugin.locate_dataset(name="imagenet", demo=True) is None
    assert calls == []
    assert abaw6.plugin.locate_dataset(name="c-expr", demo=True) == own_cache / "demo" / "c-expr"
    assert [call[:2] for call in calls] == [("c-expr", own_cache / "demo" / "c-expr")]


def test_adds_data_demo() -> None:
    from harness.cli.data import data

    abaw6.plugin.add_commands(click.Group("harness"))
    assert "demo" in data.commands


def test_loads_as_a_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.plugins.entry_points", lambda group: ())
    plugins = load({"abaw6": abaw6.plugin})
    assert {"aff-wild2", "c-expr", "hume-vidmimic2"} < set(plugins.provided("readers"))
