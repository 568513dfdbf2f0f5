from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import MissingData, UserError
from harness.progress import silent
from netease_abaw6 import pretrain_shards
from netease_abaw6.pretrain_ranks import Ranks
from netease_abaw6.pretrain_shards import Shard, Shards, Turns, counted, expand, members
from netease_abaw6.pretrain_stream import Share


def packed(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Shard]:
    """1,000 images, as WebDataset packs them, in 13 shards of different lengths."""
    folder, lengths = tmp_path_factory.mktemp("shards"), np.random.default_rng(0).multinomial(1000, np.ones(13) / 13)
    begin, made = 0, []
    for number, length in enumerate(lengths.tolist()):
        files = {f"{i:05d}.{ext}": f"{i}".encode() for i in range(begin, begin + length) for ext in ("jpg", "json")}
        path = packed(folder / f"faces-{number:06d}.tar", files)
        made.append(Shard(str(path), path.stat().st_size, length))
        begin += length
    return made


@pytest.mark.parametrize(("lanes", "world", "each"), [(64, 32, 4), (64, 8, 10), (64, 8, 14), (64, 3, 5), (5, 4, 4)])
def test_no_process_has_two_lanes_more_than_another(lanes: int, world: int, each: int) -> None:
    every = [Share(index, world, each).mine(np.arange(lanes)) for index in range(world * each)]
    assert sorted(np.concatenate(every)) == list(range(lanes))
    by_process = [sum(map(len, every[rank * each : (rank + 1) * each])) for rank in range(world)]
    assert max(by_process) - min(by_process) <= 1
    assert max(by_process) == Share(0, world, each).largest(np.arange(lanes))
    for rank in range(world):
        by_worker = [len(lanes_N) for lanes_N in every[rank * each : (rank + 1) * each]]
        assert max(by_worker) - min(by_worker) <= 1


def seen(
    order: Shards, *, epoch: int = 0, step: int = 0, batch: int = 48, world: int = 1, each: int = 1
) -> list[list[int]]:
    """Images by batch, all shares together, in the order of their places."""
    shares = [order.claims(5, epoch, step, batch, Share(index, world, each)) for index in range(world * each)]
    batches = []
    for claims in zip(*shares, strict=True):
        places = np.concatenate([claim.places_B for claim in claims])
        images = [int(sample.content()) for claim in claims for sample in claim.samples]
        by_rank = [sum(len(c.samples) for c in claims[rank * each : (rank + 1) * each]) for rank in range(world)]
        assert {claim.largest for claim in claims} == {max(by_rank)}
        assert sorted(places) == list(range(len(images)))
        batches.append([images[at] for at in places.argsort()])
    return batches


@pytest.mark.parametrize("lanes", [1, 8, 64])
def test_each_of_1000_images_is_seen_once_an_epoch_by_2_ranks_of_2_workers(lanes: int, shards: list[Shard]) -> None:
    order = Shards(shards, lanes=lanes, buffer=100)
    batches = seen(order, world=2, each=2)
    assert sorted(chain.from_iterable(batches)) == list(range(1000))
    assert [len(batch) for batch in batches] == [48] * 20 + [40]
    assert batches == seen(order)  # the same as one process makes


@pytest.mark.parametrize("step", [1, 7, 20])
@pytest.mark.parametrize("buffer", [1, 100, 5000])
def test_an_epoch_goes_on_where_it_stopped_also_among_others(step: int, buffer: int, shards: list[Shard]) -> None:
    order = Shards(shards, lanes=8, buffer=buffer)
    whole = seen(order, world=2, each=2)
    assert seen(order, step=step, world=2, each=2) == whole[step:]
    assert seen(order, step=step, world=3, each=1) == whole[step:]


@pytest.mark.parametrize(("lanes", "buffer"), [(1, 20), (1, 30), (3, 60), (3, 9)])
def test_an_epoch_goes_on_at_every_step(lanes: int, buffer: int, tmp_path: Path) -> None:
    """Also where what is passed over ends with a shard."""
    made = []
    for shard in range(5):
        files = {f"{shard}-{i}.jpg": f"{20 * shard + i}".encode() for i in range(20)}
        made.append(Shard(str(packed(tmp_path / f"{shard}.tar", files)), 0, 20))
    order = Shards(made, lanes=lanes, buffer=buffer)
    whole = seen(order, batch=10)
    assert sorted(chain.from_iterable(whole)) == list(range(100))
    for step in range(1, 10):
        assert seen(order, batch=10, step=step) == whole[step:]


def test_epochs_differ_and_images_of_a_shard_are_apart(shards: list[Shard]) -> None:
    order = Shards(shards, lanes=8, buffer=400)
    first, second = (list(chain.from_iterable(seen(order, epoch=epoch))) for epoch in (0, 1))
    assert first != second
    assert sorted(first) == sorted(second)
    steps = np.abs(np.diff(first))
    assert (steps == 1).mean() < 0.02  # neighbours in a shard are no neighbours in training
    assert len({image // 77 for image in first[:48]}) >= 7  # a batch is of many shards


def test_without_an_interruption_bytes_are_read_as_they_pass(
    shards: list[Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened_again(path: str, member: object) -> bytes:
        raise AssertionError("a second visit to the shard")

    monkeypatch.setattr(pretrain_shards, "_content", opened_again)
    assert len(list(chain.from_iterable(seen(Shards(shards, lanes=8, buffer=100))))) == 1000


def test_before_the_place_to_go_on_no_image_is_read(shards: list[Shard], monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = pretrain_shards._bytes
    monkeypatch.setattr(pretrain_shards, "_bytes", lambda file, member: read.append(1) or original(file, member))
    rest = list(chain.from_iterable(seen(Shards(shards, lanes=8, buffer=100), step=15)))
    assert len(read) == len(rest) == 1000 - 15 * 48


@given(lengths=st.lists(st.integers(0, 12), min_size=1, max_size=6), data=st.data())
def test_lanes_take_turns(lengths: list[int], data: st.DataObject) -> None:
    expected = [lane for turn in range(max(lengths)) for lane, length in enumerate(lengths) if length > turn]
    position = data.draw(st.integers(0, len(expected)))
    turns = Turns(np.array(lengths), position)
    assert turns.taken_L.tolist() == [expected[:position].count(lane) for lane in range(len(lengths))]
    split = data.draw(st.integers(position, len(expected)))
    assert [*turns.next(split - position), *turns.next(len(expected) - split)] == expected[position:]


def test_patterns_name_shards(tmp_path: Path) -> None:
    names = ["a-08.tar", "a-09.tar", "a-10.tar", "b-0-1.tar"]
    for name in names:
        packed(tmp_path / name, {})

    def named(pattern: str) -> list[str]:
        return [Path(path).name for path in expand(str(tmp_path / pattern))]

    assert named("a-{08..10}.tar") == names[:3]
    assert named("b-{0..0}-{1..1}.tar") == named("b*.tar") == named("b-0-1.tar") == ["b-0-1.tar"]
    assert named("*.tar") == names
    for absent in ("a-{08..11}.tar", "c*.tar", "c.tar"):
        with pytest.raises(MissingData, match=r"No folder and no shard at .*(a-11|c\*|c)\.tar"):
            named(absent)


def test_members_are_images_in_any_folder(tmp_path: Path) -> None:
    files = {"x/1.jpg": b"one", "x/1.cls": b"7", "x/._1.jpg": b"stray", "2.PNG": b"two", "l" * 150 + ".webp": b"three"}
    path = packed(tmp_path / "s.tar", files)
    found = [(m.number, m.name, path.read_bytes()[m.offset : m.offset + m.size]) for m in members(str(path))]
    assert found == [(0, "x/1.jpg", b"one"), (1, "2.PNG", b"two"), (2, "l" * 150 + ".webp", b"three")]


def test_a_cut_shard_ends_early_and_its_last_image_is_told(tmp_path: Path) -> None:
    path = packed(tmp_path / "s.tar", {f"{i}.jpg": bytes([65 + i]) * 2000 for i in range(4)})
    path.write_bytes(path.read_bytes()[: 2 * 2560 + 600])
    assert [member.name for member in members(str(path))] == ["0.jpg", "1.jpg", "2.jpg"]


def test_what_a_shard_has_lost_since_is_unreadable_not_an_end(shards: list[Shard], tmp_path: Path) -> None:
    short = packed(tmp_path / "s.tar", {"0.jpg": b"0", "1.jpg": b"1"})
    order = Shards([Shard(str(short), 0, 3), Shard(str(tmp_path / "gone.tar"), 0, 1)], lanes=2, buffer=2)
    read, lost = set(), set()
    for claim in order.claims(0, 0, 0, 4, Share()):
        for sample in claim.samples:
            try:
                read.add(sample.content())
            except OSError:
                lost.add(Path(sample.name).name)
    assert (read, lost) == ({b"0", b"1"}, {"s.tar:image 2", "gone.tar:image 0"})


def test_images_are_counted_once(shards: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern, kept = str(Path(shards[0].path).parent / "*.tar"), tmp_path / "new" / "counts.json"
    assert counted([pattern, shards[0].path], kept, Ranks(), silent) == shards
    monkeypatch.setattr(pretrain_shards, "members", lambda path: pytest.fail("counted again"))
    assert counted([pattern], kept, Ranks(), silent) == shards


def test_only_uncompressed_tar_files_are_shards(tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(b"no tar" * 200)
    (tmp_path / "s.tar.gz").write_bytes(b"")
    with pytest.raises(UserError, match=r"s\.tar is no uncompressed tar file"):
        counted([str(tmp_path / "s.tar")], tmp_path / "c", Ranks(), silent)
    with pytest.raises(UserError, match=r"uncompressed \.tar files: came .*s\.tar\.gz"):
        counted([str(tmp_path / "s.tar.gz")], tmp_path / "c", Ranks(), silent)
    with pytest.raises(MissingData, match="No images in 1 shards"):
        Shards([Shard("s.tar", 0, 0)])


PEAK = """
import resource, sys
from netease_abaw6.pretrain_shards import Shard, Shards
from netease_abaw6.pretrain_stream import Share
path, copies = sys.argv[1], int(sys.argv[2])
order = Shards([Shard(path, 0, 500)] * copies, lanes=4, buffer=200)
images = sum(len(sample.content()) > 0 for claim in order.claims(0, 0, 0, 64, Share()) for sample in claim.samples)
print(images, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_shards(tmp_path: Path) -> None:
    path = packed(tmp_path / "s.tar", {f"{i}.jpg": os.urandom(20_000) for i in range(500)})

    def peak(copies: int) -> int:
        command = [sys.executable, "-c", PEAK, str(path), str(copies)]
        images, kibibytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert int(images) == 500 * copies
        return int(kibibytes)

    few, many = peak(4), peak(120)  # 40 MB and 1.2 GB of images
    assert abs(many - few) < 8 * 1024
