from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import tiny_world
import torch

from harness.partition import partition
from harness.types import Video, View


class Noting(tiny_world.Halves):
    """Three parts, by what is in the last figure of the name; notes who was asked about."""

    k, source = 3, "outer border"

    def __init__(self, noted: list[Any]) -> None:
        self.noted = noted

    def fit(self, videos: Sequence[Video], view: View, seed: int) -> Noting:
        self.noted.append(([video.key for video in videos], seed))
        return self

    def assign(self, video: Video, view: View) -> int:
        return int(video.id[-1]) % 3

    def state(self) -> dict[str, Any]:
        return {"names": torch.tensor([3])}


def test_it_is_fitted_on_training_videos_and_places_every_one(tiny):
    noted: list[Any] = []
    world = tiny(partitions={"noting": lambda: Noting(noted)})
    prepared = world.prepare(sets={"partition": "noting"})
    split = prepared.splits[0]
    parts = partition(prepared.context, split)
    assert [keys for keys, _ in noted] == [[v.key for v in split.train]]
    assert (parts.k, parts.source) == (3, "outer border")
    assert parts.of == {v.key: int(v.id[-1]) % 3 for v in (*split.train, *split.inner, *split.held)}
    again = partition(prepared.context, split)
    assert (again.of, again.k, again.source) == (parts.of, parts.k, parts.source)
    assert len(noted) == 1
    assert {name: t.tolist() for name, t in again.state.items()} == {"names": [3]}


def test_every_split_and_seed_has_its_own(tiny):
    noted: list[Any] = []
    world = tiny(partitions={"noting": lambda: Noting(noted)})
    for words in ({"splits": "fold-1"}, {"splits": "fold-2"}, {"splits": "fold-1", "seed": 1}):
        prepared = world.prepare(sets={"partition": "noting"}, **words)
        partition(prepared.context, prepared.splits[0])
    assert len({seed for _, seed in noted}) == 3


def test_parts_and_their_sizes_are_in_the_row(tiny):
    row = tiny().row(sets={"adapt.image": None, "fit.epochs": 1})
    scores = row["parts"].pop("scores")
    assert row["parts"] == {
        "partition": "halves", "k": 2, "source": "layout", "train_videos": {"part 0": 4, "part 1": 4},
    }  # fmt: skip
    # held-out videos are none of the first half
    assert {name: (one["videos"], one["few"]) for name, one in scores.items()} == {"part 1": (4, True)}
    assert scores["part 1"]["P"] == pytest.approx(row["score"]["P"]["value"], abs=1e-12)
