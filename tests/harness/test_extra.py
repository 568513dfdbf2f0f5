from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_world

from harness.errors import MissingData, UserError
from harness.extra import kept, taken_of
from harness.types import Extra, Video

NAN = np.nan
COLOUR, UNITS = tiny_world.TASKS["colour"], tiny_world.TASKS["units"]
MORE = {"extra_train.more": "more", "extra_train.more.stages": "adapt,fit"}


class Rest(tiny_world.TinyReader):
    """Another data set in the tiny layout."""


@pytest.fixture
def world(tiny, tmp_path: Path) -> Any:
    """`world(task)`: that task with a second data set, `more`, beside it."""

    def make(task: str = "colour") -> Any:
        one = tiny(task, readers={"more": Rest})
        other = tiny_world.write(tmp_path / "more", one.spec)
        one.both = {"tiny": str(one.root), "more": str(other)}
        return one

    return make


def test_a_row_whose_class_is_not_kept_is_unknown():
    target_RL = np.array([[1, 0, 0], [0, 1, 0], [NAN, NAN, NAN]], np.float32)
    found_RL = kept(target_RL, Extra("more", "red,blue"), COLOUR)
    np.testing.assert_array_equal(found_RL, [[1, 0, 0], [NAN] * 3, [NAN] * 3])
    np.testing.assert_array_equal(kept(target_RL, Extra("more"), COLOUR), target_RL)


def test_a_label_that_is_not_kept_is_unknown_where_several_hold():
    target_RL = np.array([[1, 0], [NAN, 1]], np.float32)
    np.testing.assert_array_equal(kept(target_RL, Extra("more", "b"), UNITS), [[NAN, 0], [NAN, 1]])


class Some:
    """Ten train videos of 3 rows, one without faces, one of the valid side."""

    def videos(self) -> list[Video]:
        names = [(f"v{i}", "train", i != 4) for i in range(10)] + [("held", "valid", True)]
        return [Video(name, name, side, 3, 10.0, np.full(3, face)) for name, side, face in names]  # type: ignore[arg-type]

    def targets(self, video: Video) -> Any:
        return np.eye(3, dtype=np.float32)[[1, 1, int(video.id == "v7")]]


def taken(extra: Extra) -> list[str]:
    some: Any = Some()
    return [video.id for video in taken_of(some.videos(), some, extra, COLOUR)]


def test_a_cap_takes_whole_videos_of_the_train_side_that_have_a_face():
    every = taken(Extra("more"))
    assert sorted(every) == [f"v{i}" for i in range(10) if i != 4]
    assert taken(Extra("more", cap=7)) == every[:2]
    assert taken(Extra("more", "red", cap=2)) == [name for name in every if name != "v7"][:2]
    assert taken(Extra("more", "blue")) == []


def test_it_joins_the_training_part_and_the_row_counts_it(world):
    one = world("units")
    plain, row = one.row(), one.row(data=one.both, sets=MORE | {"extra_train.more.labels": "b"})
    assert "extra_train" not in plain
    added = row["extra_train"]["more"]
    frames = [20 + n % 10 for n, side in enumerate(tiny_world.SIDES) if side == "train"]
    rows = sum(n - 2 for n in frames)
    assert (added["data"], added["labels"], added["stages"], added["cap"]) == ("more", "b", "adapt,fit", 0)
    assert (added["videos"], added["rows"]) == (10, rows)
    assert set(added["by_label"]) == {"b"}
    assert row["coverage"] == plain["coverage"]
    assert (row["run"], row["score"]) != (plain["run"], plain["score"])
    assert row["cost"]["computed"].keys() == {"adapt", "encode", "fit", "predict"}


def test_each_stage_takes_what_is_meant_for_it(world):
    one = world()
    for stages, expected in (("adapt", (10, 0)), ("fit", (0, 10)), ("adapt,fit", (10, 10))):
        context = one.prepare(data=one.both, sets=MORE | {"extra_train.more.stages": stages}).context
        assert tuple(len(context.extra_videos(stage)) for stage in ("adapt", "fit")) == expected
    videos = context.extra_videos("fit")
    assert {video.id.partition(":")[0] for video in videos} == {"more"}
    assert {video.side for video in videos} == {"train"}
    video = videos[0]
    own = next(v for v in context.extra[0].reader.videos() if v.id == video.id.removeprefix("more:"))
    np.testing.assert_array_equal(
        context.view().images(video, [3])[0], context.extra[0].reader.view().images(own, [3])[0]
    )
    np.testing.assert_array_equal(context.targets((video,))[video.key], context.extra[0].reader.targets(own))


def test_what_no_stage_takes_is_not_asked_for(world):
    one = world()
    sets = {"extra_train.more": "more", "adapt.image": None}
    assert one.prepare(sets=sets).context.extra == ()


def test_only_the_stages_that_take_it_are_computed_again(world):
    one = world()
    one.row(data=one.both)
    row = one.row(data=one.both, sets=MORE | {"extra_train.more.stages": "fit"})
    assert set(row["cost"]["computed"]) == {"encode", "fit", "predict"}
    assert row["cost"]["computed"]["encode"] == 30  # three modalities of ten videos


def test_missing_extra_data_says_how_to_run_without(world):
    one = world()
    with pytest.raises(MissingData) as error:
        one.prepare(sets=MORE)
    assert error.value.exit_code == 3
    for words in ("No data set 'more'", "--data more=PATH", "--set extra_train.more=none", "--set extra_train=none"):
        assert words in str(error.value)
    with pytest.raises(MissingData, match=r"has no training sample of red, at most 1 rows; to run without it: --set"):
        one.prepare(data=one.both, sets=MORE | {"extra_train.more.labels": "red", "extra_train.more.cap": 1})


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"extra_train.more": "mor"}, "No reader is called 'mor'. Did you mean 'more'?"),
        (
            MORE | {"extra_train.more.labels": "rad"},
            r"No label of task 'colour' .* is called 'rad'. Did you mean 'red'?",
        ),
        ({"train": "extra"}, "train=extra: there is no extra_train to train on"),
        ({"train": "none"}, "train=none: nothing is trained.*--set adapt.image=none"),
        ({"fit.sampling": "balanced"}, "fit.sampling: expected uniform"),
    ],
)
def test_what_makes_no_sense_is_said_before_any_work(world, sets: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        world().prepare(sets=sets)


def test_training_on_extra_data_alone(world):
    one = world()
    prepared = one.prepare(data=one.both, sets=MORE | {"train": "extra", "partition": "whole"})
    (split,) = prepared.splits
    assert {video.id.partition(":")[0] for video in (*split.train, *split.inner)} == {"more"}
    assert (len(split.train) + len(split.inner), len(split.held)) == (10, 4)
    row = one.row(data=one.both, sets=MORE | {"train": "extra", "partition": "whole"})
    assert row["score"]["P"]["value"] > 0.5
    assert row["extra_train"]["more"]["videos"] == 10


def test_a_limited_trial_limits_it_too(world):
    one = world()
    assert len(one.prepare(data=one.both, sets=MORE, limit=3).context.extra[0].videos) == 3
