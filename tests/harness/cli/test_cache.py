from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness.cli import main
from harness.store import Store

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(own_home: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def go(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["cache", *words])
        out = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out.out, out.err

    return go


@pytest.fixture
def store(own_home: Path) -> Store:
    """Three entries of two stages, and a row and a demo file beside them that no command may touch."""
    store = Store(own_home / "cache" / "store")
    for stage, name in (("fit", "a"), ("fit", "b"), ("encode", "c")):
        store.stage(stage, {"name": name}, lambda: {"t": torch.zeros(1000)})
    for kept in (own_home / "runs" / "row.json", own_home / "cache" / "demo" / "demo.json"):
        kept.parent.mkdir(parents=True)
        kept.write_text("{}")
    return store


def others(home: Path) -> list[bool]:
    return [(home / "runs" / "row.json").exists(), (home / "cache" / "demo" / "demo.json").exists()]


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def test_stats_of_nothing(call: Call, own_home: Path):
    assert call("stats") == (0, f"store: {own_home / 'cache' / 'store'}\nempty\n", "")


def test_stats(call: Call, store: Store):
    code, out, _ = call("stats", "--json")
    found = json.loads(out)
    sizes = {
        stage: sum(p.stat().st_size for p in store.entries() if p.parent.name == stage) for stage in ("fit", "encode")
    }
    assert code == 0
    assert found == {
        "root": str(store.root),
        "stages": {"fit": {"entries": 2, "bytes": sizes["fit"]}, "encode": {"entries": 1, "bytes": sizes["encode"]}},
        "evictable": {"entries": 0, "bytes": 0},
    }
    assert "fit              2 entries" in call("stats")[1]


def test_verify(call: Call, store: Store):
    assert call("verify")[:2] == (0, "3 whole, 0 damaged\n")


def test_verify_sets_damaged_entries_aside(call: Call, store: Store):
    damage(store.path("fit", {"name": "a"}))
    code, out, err = call("verify")
    assert (code, out) == (1, "2 whole, 1 damaged\n")
    assert "set aside as" in err
    assert "harness: 1 damaged entries were set aside" in err
    assert call("verify")[:2] == (0, "2 whole, 0 damaged\n")


def test_gc_removes_what_is_old_damaged_or_unfinished(call: Call, store: Store, own_home: Path):
    old, broken = store.path("fit", {"name": "a"}), store.path("fit", {"name": "b"})
    long_ago = time.time() - 40 * 86400
    os.utime(old, (long_ago, long_ago))
    damage(broken)
    store.whole(broken)
    unfinished = store.root / "fit" / ".x.safetensors.1-2.tmp"
    unfinished.write_text("half")
    os.utime(unfinished, (long_ago, long_ago))
    young = store.root / "fit" / ".y.safetensors.1-2.tmp"
    young.write_text("being written now")
    code, out, _ = call("gc")
    assert code == 0
    assert out.startswith("removed 3 files")
    left = sorted(path.name for path in store.root.rglob("*") if path.is_file())
    assert left == sorted([young.name, store.path("encode", {"name": "c"}).name])
    assert others(own_home) == [True, True]


def test_evictable_entries_are_counted(call: Call, store: Store):
    store.mark_evictable("encode", {"name": "c"})
    size = store.path("encode", {"name": "c"}).stat().st_size
    assert json.loads(call("stats", "--json")[1])["evictable"] == {"entries": 1, "bytes": size}
    assert "evictable        1 entries" in call("stats")[1]


def test_gc_takes_evictable_entries_first(call: Call, store: Store):
    old, marked = store.path("fit", {"name": "a"}), store.path("encode", {"name": "c"})
    long_ago = time.time() - 40 * 86400
    os.utime(old, (long_ago, long_ago))
    store.mark_evictable("encode", {"name": "c"})
    assert call("gc", "--need", "0.000001")[1].startswith("removed 1 files")
    assert (old.exists(), marked.exists(), marked.with_suffix(".evictable").exists()) == (True, False, False)
    assert call("gc")[1].startswith("removed 1 files")
    assert not old.exists()


def test_gc_keeps_what_was_read_lately(call: Call, store: Store):
    path = store.path("fit", {"name": "a"})
    os.utime(path, (time.time(), time.time() - 40 * 86400))
    assert call("gc", "--days", "30")[1].startswith("removed 0 files")
    assert path.exists()


def test_clear_takes_the_store_alone(call: Call, store: Store, own_home: Path):
    code, out, _ = call("clear", "--yes")
    assert code == 0
    assert out.startswith("removed 3 files")
    assert list(store.entries()) == []
    assert others(own_home) == [True, True]


def refuse(text: str) -> str:
    return "n"


def hang_up(text: str) -> str:
    raise EOFError


@pytest.mark.parametrize("answer", [refuse, hang_up])
def test_clear_asks_first(call: Call, store: Store, monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], str]):
    monkeypatch.setattr("click.termui.visible_prompt_func", answer)
    code, out, err = call("clear")
    assert (code, out) == (1, "")
    assert err.endswith("harness: nothing removed\n")
    assert "interrupted" not in err
    assert len(list(store.entries())) == 3


@pytest.mark.parametrize("words", [("--days", "-1"), ("--days", "9" * 400), ("--need", "-1"), ("--need", "nan")])
def test_gc_takes_no_number_that_means_nothing(call: Call, store: Store, words: tuple[str, str]):
    code, _, err = call("gc", *words)
    assert code == 2
    assert words[0] in err
    assert len(list(store.entries())) == 3
