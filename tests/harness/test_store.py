from __future__ import annotations

import errno
import json
import multiprocessing
import os
import threading
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import store as store_module
from harness.errors import HarnessError
from harness.store import Entry, Store, checksum, key_of, leftovers, write_whole

PARTS = {"b": 1, "a": ["x", None, 0.5]}


def entry_of(value: float = 1.0) -> Entry:
    return Entry({"t": torch.full((3, 2), value), "n": torch.arange(4, dtype=torch.int32)}, {"chosen": 3})


def never() -> Entry:
    raise AssertionError("computed again")


def damage(path: Path, at: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(bytes(content))


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_key_is_the_same_everywhere_and_for_ever():
    assert key_of("fit", PARTS) == "396dadaffe44f45418ac196b99d768124e1acf95"
    assert key_of("fit", dict(reversed(PARTS.items()))) == key_of("fit", PARTS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
PARTS_OF_A_KEY = st.dictionaries(st.text(max_size=3), JSON, max_size=3)


@settings(max_examples=100, deadline=None)
@given(PARTS_OF_A_KEY, PARTS_OF_A_KEY)
def test_keys_are_equal_just_when_the_parts_are(one, other):
    assert (key_of("fit", one) == key_of("fit", other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )
    assert key_of("fit", one) != key_of("adapt", one)


def test_a_key_never_holds_a_number_that_is_not_one():
    with pytest.raises(ValueError, match="JSON compliant"):
        key_of("fit", {"lr": float("nan")})


def test_an_entry_is_computed_once_and_read_back(store: Store):
    first = store.entry("fit", PARTS, entry_of)
    again = store.entry("fit", PARTS, never)
    for entry in (first, again):
        assert entry.info == {"chosen": 3}
        assert {name: tensor.tolist() for name, tensor in entry.tensors.items()} == {
            "t": [[1.0, 1.0]] * 3,
            "n": [0, 1, 2, 3],
        }
    assert [(visit.stage, visit.computed) for visit in store.visits] == [("fit", True), ("fit", False)]
    assert files(store.root) == [f"{key_of('fit', PARTS)}.safetensors"]


def test_has_and_entries(store: Store):
    assert not store.has("fit", PARTS)
    store.entry("fit", PARTS, entry_of)
    store.stage("adapt", PARTS, lambda: {"w": torch.zeros(1)})
    assert store.has("fit", PARTS)
    assert list(store.entries()) == [store.path("adapt", PARTS), store.path("fit", PARTS)]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(0, 5),
        torch.tensor(1.5),
        torch.tensor([True, False]),
        torch.randn(2, 3).bfloat16(),
        torch.randn(4, 3).T,
        torch.randn(3, requires_grad=True),
    ],
    ids=["empty", "scalar", "bool", "bf16", "transposed", "graph"],
)
def test_every_sort_of_tensor_comes_back_as_it_was(store: Store, tensor: torch.Tensor):
    back = store.stage("x", {}, lambda: {"t": tensor})["t"]
    assert torch.equal(back, tensor.detach())
    assert (back.dtype, back.shape) == (tensor.dtype, tensor.shape)


def test_an_entry_without_tensors(store: Store):
    store.entry("x", {}, lambda: Entry({}, {"k": 1}))
    assert store.entry("x", {}, never).info == {"k": 1}


def test_what_cannot_be_told_as_json_is_never_written(store: Store):
    with pytest.raises(ValueError, match="JSON compliant"):
        store.entry("x", {}, lambda: Entry({}, {"score": float("nan")}))
    assert files(store.root) == []


@pytest.mark.parametrize("how", ["last byte", "first byte", "truncated", "empty", "text"])
def test_a_damaged_entry_is_set_aside_computed_again_and_reported(tmp_path: Path, how: str):
    said: list[str] = []
    store = Store(tmp_path, said.append)
    store.entry("fit", PARTS, entry_of)
    path = store.path("fit", PARTS)
    whole = path.read_bytes()
    {
        "last byte": lambda: damage(path),
        "first byte": lambda: damage(path, 0),
        "truncated": lambda: path.write_bytes(whole[:-5]),
        "empty": lambda: path.write_bytes(b""),
        "text": lambda: path.write_text("not safetensors" * 9),
    }[how]()
    broken = path.read_bytes()
    again = store.entry("fit", PARTS, lambda: entry_of(2.0))
    assert again.tensors["t"].unique().tolist() == [2.0]
    [aside] = leftovers(tmp_path)
    assert aside.read_bytes() == broken
    assert len(said) == 1
    assert aside.name in said[0]
    assert "computed again" in said[0]
    assert [visit.computed for visit in store.visits] == [True, True]


@settings(max_examples=150, deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_no_flipped_bit_goes_unseen(tmp_path_factory: pytest.TempPathFactory, place: float, bit: int):
    store = Store(tmp_path_factory.mktemp("flip"))
    store.entry("fit", PARTS, entry_of)
    path = store.path("fit", PARTS)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(bytes(content))
    found = store.entry("fit", PARTS, entry_of)
    assert found.info == {"chosen": 3}
    assert {name: tensor.tolist() for name, tensor in found.tensors.items()} == {
        "t": [[1.0, 1.0]] * 3,
        "n": [0, 1, 2, 3],
    }


def test_whole_tells_and_sets_aside(store: Store):
    store.entry("fit", PARTS, entry_of)
    path = store.path("fit", PARTS)
    assert store.whole(path)
    damage(path)
    assert not store.whole(path)
    assert not store.has("fit", PARTS)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_crash_while_writing_leaves_no_entry(store: Store, monkeypatch: pytest.MonkeyPatch, call: str):
    def crash(*arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(*{"fsync": (os, "fsync", crash), "replace": (Path, "replace", crash)}[call])
    with pytest.raises(OSError, match="no space left"):
        store.entry("fit", PARTS, entry_of)
    monkeypatch.undo()
    assert files(store.root) == []
    assert store.entry("fit", PARTS, entry_of).info == {"chosen": 3}


def test_a_killed_write_leaves_a_temporary_file_that_is_no_entry(tmp_path: Path):
    def die_in_the_middle() -> None:
        store_module.os.fsync = lambda file: os._exit(9)  # type: ignore[attr-defined]
        Store(tmp_path).entry("fit", PARTS, entry_of)

    process = multiprocessing.get_context("fork").Process(target=die_in_the_middle)
    process.start()
    process.join()
    assert process.exitcode == 9
    [left] = tmp_path.rglob("*.tmp")
    store = Store(tmp_path)
    assert not store.has("fit", PARTS)
    assert list(store.entries()) == []
    assert leftovers(tmp_path) == []  # it may be another process's, still writing
    store.entry("fit", PARTS, entry_of)
    os.utime(left, (time.time() - 7200,) * 2)
    assert leftovers(tmp_path) == [left]


def test_a_failed_computation_leaves_nothing(store: Store):
    with pytest.raises(AssertionError):
        store.entry("fit", PARTS, never)
    assert files(store.root) == []
    assert store.visits == []


def run_together(count: int, work) -> list[BaseException]:
    """Run `work(i)` in threads that start at once; what they raised."""
    gate, raised = threading.Barrier(count), []

    def one(i: int) -> None:
        gate.wait()
        try:
            work(i)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_threads_that_write_one_entry_all_read_it_whole(tmp_path: Path):
    found: list[float] = []

    def work(i: int) -> None:
        for n in range(10):
            found.append(float(Store(tmp_path).entry("x", {"n": n}, entry_of).tensors["t"].sum()))

    assert run_together(8, work) == []
    assert found == [6.0] * 80
    assert len(files(tmp_path)) == 10


def test_threads_that_meet_one_damaged_entry_all_get_a_whole_one(tmp_path: Path):
    found: list[float] = []
    for n in range(10):
        store = Store(tmp_path)
        store.entry("x", {"n": n}, entry_of)
        damage(store.path("x", {"n": n}))

    def work(i: int) -> None:
        for n in range(10):
            found.append(float(Store(tmp_path).entry("x", {"n": n}, entry_of).tensors["t"].sum()))

    assert run_together(8, work) == []
    assert found == [6.0] * 80


def _write_many(root: Path, n: int) -> None:
    for i in range(n):
        Store(root).entry("x", {"i": i}, entry_of)


def test_processes_that_write_one_entry(tmp_path: Path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write_many, args=(tmp_path, 20)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    store = Store(tmp_path)
    assert len(files(tmp_path)) == 20
    assert all(store.whole(path) for path in store.entries())


def test_write_whole_replaces_and_makes_folders(tmp_path: Path):
    path = tmp_path / "a" / "b.json"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert files(tmp_path) == ["b.json"]


def test_a_checksum_sees_names_types_shapes_and_bytes():
    base = {"a": torch.zeros(2, 3)}
    others = [
        {"b": torch.zeros(2, 3)},
        {"a": torch.zeros(2, 3, dtype=torch.int32)},
        {"a": torch.zeros(3, 2)},
        {"a": torch.ones(2, 3)},
        {"a": torch.zeros(2, 3), "b": torch.zeros(0)},
    ]
    assert len({checksum(tensors) for tensors in (base, *others)}) == 6
    assert checksum({"b": torch.ones(1), "a": torch.zeros(1)}) == checksum({"a": torch.zeros(1), "b": torch.ones(1)})


def test_an_evictable_entry_that_is_read_again_is_needed_again(store: Store):
    store.entry("encode", PARTS, entry_of)
    store.mark_evictable("encode", {"no": "entry"})
    assert store.evictable() == []
    store.mark_evictable("encode", PARTS)
    path = store.path("encode", PARTS)
    assert (store.evictable(), store.evictable_bytes()) == ([path], path.stat().st_size)
    store.entry("encode", PARTS, never)
    assert store.evictable() == []


def test_a_full_disk_says_what_could_be_evicted(store: Store, monkeypatch: pytest.MonkeyPatch):
    store.entry("encode", PARTS, lambda: Entry({"t": torch.zeros(3_000_000)}))
    store.mark_evictable("encode", PARTS)

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module, "write_whole", full)
    with pytest.raises(HarnessError, match=r"The disk is full: .* 0\.01 GB are features of finished"):
        store.entry("fit", PARTS, entry_of)
