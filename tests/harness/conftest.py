"""A tiny world for tests of the core, and a way to run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.append(str(Path(__file__).parent))  # for tiny_world: a component's module must be importable by name

import tiny_world

from harness import builtin, judge, plugins
from harness.plugins import Plugins
from harness.session import Prepared, Request, carry_out, prepare
from harness.types import TaskSpec


class Tiny:
    """One task of the tiny world on disk with plugins to run on it."""

    def __init__(self, folder: Path, spec: TaskSpec, loaded: Plugins, root: Path) -> None:
        self.folder, self.spec, self.plugins, self.root = folder, spec, loaded, root
        self.said: list[str] = []

    def request(self, **words: Any) -> Request:
        words = {"plugin": "tiny", "data": {"tiny": str(self.root)}, "runs": self.folder / "runs"} | words
        return Request(**words)

    def prepare(self, **words: Any) -> Prepared:
        return prepare(self.plugins, self.spec.name, self.request(**words), report=self.said.append)

    def rows(self, **words: Any) -> list[dict[str, Any]]:
        return carry_out(self.prepare(**words), self.plugins)

    def row(self, **words: Any) -> dict[str, Any]:
        [row] = self.rows(**words)
        return row


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cache, home and current folder below `tmp_path`; no data configured."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    monkeypatch.delenv("HARNESS_PLUGINS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tiny(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`tiny(task, **nouns)`: that task, written to disk, with the plugin's nouns replaced or extended."""
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    monkeypatch.setattr(os, "fsync", lambda file: None)  # a power cut is no part of these tests
    monkeypatch.setattr(judge, "DRAWS", 200)
    torch.set_num_threads(1)

    def make(task: str | TaskSpec = "colour", target: Any = tiny_world.target_of, **replaced: Any) -> Tiny:
        spec = tiny_world.TASKS[task] if isinstance(task, str) else task
        tasks: Mapping[str, TaskSpec] = {spec.name: spec} | replaced.pop("tasks", {})
        loaded = plugins.load({"builtin": builtin, "tiny": tiny_world.plugin(tasks=tasks, **replaced)})
        root = own_home / "data" / spec.name
        return Tiny(own_home, spec, loaded, root if root.exists() else tiny_world.write(root, spec, target))

    return make
