"""No held-out label is in any plugin's reach.

A hostile plugin of every sort searches whatever it is given, at each call: attributes, items, closures, generators,
and the objects that refer to them. The labels of video v are unmistakable: whole multiples of 2^-18 whose last eight
bits say v + 1. Labels of training videos must be found where they are handed out, which shows that the search works.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_world
import torch
from tiny_world import PIPELINE, TASKS
from torch import Tensor

from harness.types import Component, Floats, Reader, TaskSpec, Video, View

STEP, TAGS = 2.0**-18, 256
ENOUGH = 5  # values in a row of an array that all carry a tag
LEVELS, MOST, WIDE = 6, 100_000, 150  # how far a search goes, and how many things it looks at

FRAMES = dataclasses.replace(TASKS["mood"], name="frames", labels=("a", "b"))
CLIPS = dataclasses.replace(TASKS["clip"], name="clips", labels=tuple("abcdef"))


def marked(spec: TaskSpec, number: int, frames: int, rng: np.random.Generator) -> Floats:
    """target_RL of a video whose every value carries its number."""
    rows = frames if spec.level == "frame" else 1
    coarse_RL = rng.integers(0, 900, (rows, len(spec.labels))) * TAGS
    return ((coarse_RL + number + 1) * STEP).astype(np.float32)


def tags(value: Any) -> set[int]:
    """The videos whose labels this array, tensor or list of numbers holds."""
    if is_a(value, Tensor):
        value = value.detach().to("cpu").numpy() if value.dtype in (torch.float32, torch.float64) else None
    elif is_a(value, (list, tuple)):
        value = np.array(value) if len(value) >= ENOUGH and all(type(x) is float for x in value) else None
    if not is_a(value, np.ndarray) or value.dtype.kind != "f" or not ENOUGH <= value.size <= 1_000_000:
        return set()
    known = value[np.isfinite(value)].astype(np.float64)
    steps = known / STEP
    if len(known) < ENOUGH or (steps != np.rint(steps)).any() or (known == 0).all():
        return set()
    tag = np.rint(steps).astype(np.int64) % TAGS
    return set() if ((tag < 1) | (tag > len(tiny_world.SIDES))).any() else set((tag - 1).tolist())


# -- the search -----------------------------------------------------------------------------------

BARRED = (types.ModuleType, type, types.CodeType, types.BuiltinFunctionType, str, bytes, int, float, bool, type(None))


def is_a(thing: Any, kinds: Any) -> bool:
    """As isinstance, but without asking the thing itself, which may be a proxy that wakes up."""
    return issubclass(type(thing), kinds)


def below(start: Iterable[Any], levels: int = LEVELS) -> list[Any]:
    """Everything these things refer to, and what that refers to, and so on."""
    shut = {id(module.__dict__) for module in list(sys.modules.values()) if is_a(module, types.ModuleType)}
    seen: dict[int, Any] = {}
    frontier = list(start)
    for _ in range(levels + 1):
        fresh = []
        for thing in frontier:
            if id(thing) not in seen and id(thing) not in shut and not is_a(thing, BARRED):
                seen[id(thing)] = thing
                fresh.append(thing)
        frontier = [found for thing in fresh for found in below_of(thing)] if len(seen) < MOST else []
    return list(seen.values())


def above(start: Sequence[Any], levels: int = 4) -> list[Any]:
    """What refers to these things and to what they hold, and what refers to that, and so on."""
    frontier = below(start, 1)
    seen = {id(thing): thing for thing in frontier}
    for _ in range(levels):
        own = {id(seen), id(frontier), id(start)}
        found = [thing for thing in gc.get_referrers(*frontier[:WIDE]) if id(thing) not in own]
        frontier = [thing for thing in found if id(thing) not in seen and not is_a(thing, (*BARRED, types.FrameType))]
        seen |= {id(thing): thing for thing in frontier}
    return list(seen.values())


def remembered() -> list[Any]:
    """What the modules of the harness keep: any plugin can import them."""
    ours = [module for name, module in sys.modules.items() if name.partition(".")[0] in ("harness", "tiny_world")]
    return [thing for module in ours for thing in vars(module).values()]


def below_of(thing: Any) -> Iterable[Any]:
    """What a thing refers to; of a function its closure, of a generator its variables, never a module's names."""
    if is_a(thing, types.FunctionType):
        return [*(thing.__closure__ or ()), thing.__defaults__, thing.__kwdefaults__, vars(thing)]
    if is_a(thing, types.GeneratorType):
        return list(thing.gi_frame.f_locals.values()) if thing.gi_frame else []
    if is_a(thing, types.CellType):
        try:
            return [thing.cell_contents]
        except ValueError:  # empty
            return []
    return [found for found in gc.get_referents(thing) if not is_a(found, BARRED)]


@contextlib.contextmanager
def young_garbage() -> Iterator[None]:
    """`gc` knows only what is made from here on: older things are many, and hold no label."""
    import timm.optim  # noqa: F401  # what training imports is old, too

    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class Spy:
    """Searches at each call of a plugin, a few times per place; `found` are the videos whose labels it saw."""

    def __init__(self, labels: Path, times: int = 2) -> None:
        self.labels, self.times = labels, times
        self.split = ""
        self.found: dict[tuple[str, str], set[int]] = {}
        self.readers: set[str] = set()
        self.calls: dict[tuple[str, str], int] = {}

    def look(self, place: str, *given: Any) -> None:
        key = (self.split, place)
        self.calls[key] = self.calls.get(key, 0) + 1
        if self.calls[key] > self.times:
            return
        known = self.found.setdefault(key, set())
        for thing in below([*above(given), *remembered()]):
            known |= tags(thing)
        for thing in below(given, 9):
            if is_a(thing, tiny_world.TinyReader) or (is_a(thing, Path) and thing.is_relative_to(self.labels)):
                self.readers.add(f"{place}: {type(thing).__name__}")


# -- a plugin that spies wherever it is called -----------------------------------------------------


def hostile(spy: Spy) -> dict[str, Any]:
    """Every noun of the tiny plugin, searching first and then doing its work."""

    class Eye(tiny_world.Eye):
        def __call__(self, batch: Tensor) -> Tensor:
            spy.look("image encoder", self, batch)
            return super().__call__(batch)

    class Ear(tiny_world.Ear):
        def __call__(self, batch: Tensor) -> Tensor:
            spy.look("audio encoder", self, batch)
            return super().__call__(batch)

    class Fusion(tiny_world.Fusion):
        def forward(self, tokens: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> Tensor:
            spy.look("fusion", self, tokens, mask)
            return super().forward(tokens, mask)

    class Mean(tiny_world.Mean):
        def solve(self, batches: Any, kind: Any) -> None:
            spy.look("solve", self, batches, kind)
            kept = list(batches)
            spy.look("solve, each batch", kept)
            super().solve(kept, kind)

    class Halves(tiny_world.Halves):
        def fit(self, videos: Sequence[Video], view: View, seed: int) -> Halves:
            spy.look("partition", self, videos, view)
            super().fit(videos, view, seed)
            return self

        def assign(self, video: Video, view: View) -> int:
            spy.look("assign", self, video, view)
            return super().assign(video, view)

    class Shrink(tiny_world.Shrink):
        def __call__(self, scores_RL: Floats, video: Video, setting: float) -> Floats:
            spy.look("smoother", self, scores_RL, video)
            return super().__call__(scores_RL, video, setting)

    def vote(scores_KRL: Floats, kind: Any) -> Floats:
        spy.look("vote", scores_KRL, kind)
        mean_RL: Floats = scores_KRL.mean(axis=0)
        return mean_RL

    def eye(width: int = 6, *, resources: Any) -> Eye:
        spy.look("encoder's factory", resources)
        return Eye(width)

    def halves(*, resources: Any) -> Halves:
        spy.look("partition's factory", resources)
        return Halves()

    encoders = {"image": Component("eye"), "audio": Component("ear")}
    return {
        "encoders": {"eye": eye, "ear": lambda: Ear()},
        "fusions": {
            "mlp": lambda widths, outputs: Fusion(widths, outputs, 8),
            "average": lambda widths, outputs: Mean(outputs),
        },
        "partitions": {"halves": halves},
        "postprocessors": {"shrink": lambda: Shrink()},
        "votes": {"spying": vote},
        "row_scored": lambda row: spy.look("row_scored", row),
        "pipelines": {"tiny": dataclasses.replace(PIPELINE, vote="spying", encoders=encoders, tasks={})},
    }


PLACES = {"image encoder", "audio encoder", "partition", "assign", "smoother", "vote", "encoder's factory",
          "partition's factory", "row_scored"}  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "fusion", "extra"),
    [(FRAMES, "mlp", False), (CLIPS, "average", False), (FRAMES, "mlp", True)],
    ids=["trained", "solved", "with extra data"],
)
def test_no_held_out_label_is_in_reach(
    tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spec: TaskSpec, fusion: str, extra: bool
):
    """Over the official split and two folds: what one split held out, another trained on a moment before."""
    spy = Spy(Path("/"))
    world = tiny(spec, target=marked, **hostile(spy), readers={"more": tiny_world.TinyReader})
    spy.labels = world.root / "labels"
    splits = {"": set(range(len(tiny_world.SIDES)))}  # while a run is prepared, nobody is to see any label
    from harness import session

    real = session.run_split

    def noting(context: Any, split: Any, *rest: Any, **words: Any) -> Any:
        spy.split = split.name
        splits[split.name] = {int(v.id.removeprefix("video")) for v in split.held}
        try:
            return real(context, split, *rest, **words)
        finally:
            spy.split = ""

    monkeypatch.setattr(session, "run_split", noting)
    sets = {"fit.epochs": 1, "adapt.image.epochs": 1, "fusion": fusion, "fit.batch": 64}
    data = {"tiny": str(world.root)}
    if extra:
        data["more"] = str(tiny_world.write(tmp_path / "more", spec))
        sets |= {"extra_train.more": "more", "extra_train.more.stages": "adapt,fit", "extra_train.more.cap": 60}
    with young_garbage():
        for which in ("official", "fold-1", "fold-2"):
            world.row(splits=which, sets=sets, data=data)
    expected = PLACES | ({"fusion"} if fusion == "mlp" else {"solve", "solve, each batch"})
    assert {place for _, place in spy.found} == expected
    leaked = {key: sorted(videos & splits[key[0]]) for key, videos in spy.found.items() if videos & splits[key[0]]}
    assert leaked == {}
    if fusion == "average":  # the search does find labels where they are handed out, of training videos
        assert all(spy.found[split, "solve, each batch"] for split in splits if split)
    assert spy.readers == set()


# -- the search itself ----------------------------------------------------------------------------

HELD_RL = marked(FRAMES, 12, 20, np.random.default_rng(0))


class Holder:
    def __init__(self, thing: Any) -> None:
        self.thing = thing


def closure_over(thing: Any) -> Any:
    return lambda: thing


def generator_over(thing: Any) -> Any:
    yield thing
    yield thing


def started(generator: Any) -> Any:
    next(generator)
    return generator


@pytest.mark.parametrize("wrap", [
    lambda x: x, lambda x: [x], lambda x: {"a": (x,)}, Holder, closure_over,
    lambda x: vars(Holder(closure_over(Holder(x)))), lambda x: torch.from_numpy(x.copy()),
    lambda x: x[:, 0].astype(float).tolist(), lambda x: x.T[:1],
    generator_over, lambda x: started(generator_over(x)), lambda x: Holder(x).__init__,
    lambda x: np.where(np.arange(20)[:, None] < 2, np.nan, x),
])  # fmt: skip
def test_the_search_finds_labels_that_are_handed_to_it(wrap: Any):
    found = {tag for thing in below([wrap(HELD_RL)]) for tag in tags(thing)}
    assert found == {12}


def test_the_search_finds_labels_held_by_who_holds_what_was_given():
    video = Video("video12", "g12", "valid", 20, 10.0, np.ones(20, bool))
    everything = Holder({"videos": [video], "targets": {"valid/video12": HELD_RL.copy()}})
    found = {tag for thing in below(above([video])) for tag in tags(thing)}
    assert found == {12}
    assert everything.thing


def test_the_search_finds_a_reader_and_the_labels_folder(tiny):
    world = tiny(FRAMES, target=marked)
    reader: Reader = tiny_world.TinyReader(world.root, FRAMES, "any")
    spy = Spy(world.root / "labels")
    spy.look("here", [closure_over(reader.videos), world.root / "labels" / "video0.npy"])
    assert spy.readers == {"here: TinyReader", f"here: {type(world.root).__name__}"}


def test_only_labels_look_like_labels():
    rng = np.random.default_rng(0)
    assert tags(HELD_RL) == {12}
    assert tags(np.concatenate([HELD_RL, marked(FRAMES, 3, 9, rng)])) == {3, 12}
    for array in (
        rng.normal(size=(20, 2)).astype(np.float32),
        np.zeros((9, 2), np.float32),
        np.eye(3, dtype=np.float32),
        np.arange(99),
    ):
        assert tags(array) == set()
