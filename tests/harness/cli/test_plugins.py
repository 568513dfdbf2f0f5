from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import pytest

from harness import plugins
from harness.cli import main


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`call(words...)` with the built-in plugin and one that fails to import."""
    points = [
        EntryPoint("builtin", "harness.builtin", "harness"),
        EntryPoint("broken", "no_such_module_at_all", "harness"),
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: list(points))
    monkeypatch.delenv("HARNESS_PLUGINS", raising=False)

    def go(*words: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["plugins", *words])
        out = capsys.readouterr()
        return ended.value.code, out.out, out.err

    return go


REASON = "ModuleNotFoundError: No module named 'no_such_module_at_all'"


def test_who_provides_what_with_a_warning_for_a_broken_one(call):
    code, out, err = call("list")
    assert code == 0
    assert out.splitlines() == [
        "builtin 0",
        "  partitions      random_k, whole",
        "  votes           majority, mean, routed",
        "  postprocessors  none",
        "  formats         csv, emotiefflib, libreface, openface, parquet, py-feat",
    ]
    assert err == f"warning: plugin 'broken' failed to import: {REASON}\n"


def test_as_json(call):
    code, out, _ = call("list", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["failed"] == {"broken": REASON}
    assert found["plugins"]["builtin"]["version"] == "0"
    assert sorted(found["plugins"]["builtin"]["votes"]) == ["majority", "mean", "routed"]


def test_an_unknown_name_in_the_environment(call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HARNESS_PLUGINS", "nobody")
    code, out, err = call("list")
    assert (code, out) == (2, "")
    assert err.startswith("harness: No installed plugin (HARNESS_PLUGINS) is called 'nobody'.")
