from __future__ import annotations

from typing import Any

import pytest
import tiny_world
import torch
from torch import nn

from harness.errors import MissingData, UserError
from harness.outlook import ASSUMED_WIDTH, NotStored, Peek, outlook, refuse_if_too_big
from harness.store import Entry


def test_what_is_still_to_compute(tiny):
    world = tiny()
    found = outlook(world.prepare())
    frames = sum(20 + n % 10 - 2 for n in range(14))
    assert found["stages"] == {
        "adapt image": 1, "encode image": 14, "encode audio": 14, "encode text": 14,
        "partition": 1, "fit": 2, "predict": 2,
    }  # fmt: skip
    assert found["up_to"] == ["fit", "predict"]
    assert (found["frames_to_encode"], found["splits"], found["to_run"]) == (frames, ["official"], ["official"])
    world.row()
    assert outlook(world.prepare())["to_run"] == []
    after = outlook(world.prepare(sets={"fusion.width": 5}))
    assert (after["stages"], after["frames_to_encode"], after["disk_needed_bytes"]) == ({"fit": 2, "predict": 2}, 0, 0)
    assert after["up_to"] == []
    assert outlook(world.prepare(sets={"vote": "majority"}))["stages"] == {}
    assert outlook(world.prepare(sets={"overlap": 3}))["stages"] == {"predict": 2}


def test_a_disk_too_small_is_refused():
    refuse_if_too_big({"disk_needed_bytes": 5, "disk_free_bytes": 5, "evictable_bytes": 0})
    with pytest.raises(UserError, match=r"may need 6\.0 GB for tokens and 5\.0 GB are free.*2\.50 GB are features"):
        refuse_if_too_big({"disk_needed_bytes": 6e9, "disk_free_bytes": 5e9, "evictable_bytes": 2_500_000_000})


def test_a_look_ahead_computes_nothing(tmp_path):
    peek = Peek(tmp_path)
    with pytest.raises(NotStored):
        peek.entry("fit", {"a": 1}, lambda: pytest.fail("was computed"))
    assert not list(tmp_path.iterdir())


def test_what_splits_share_is_counted_once(tiny):
    found = outlook(tiny().prepare(splits="all", sets={"adapt.image": None}))
    assert found["stages"]["encode audio"] == found["stages"]["encode image"] == 14
    assert found["frames_to_encode"] == sum(20 + n % 10 - 2 for n in range(14))
    assert found["stages"]["partition"] == len(found["to_run"])


def weighty(*, weights: str, width: int = 6, heads: int = 2, files: str = "") -> tiny_world.Eye:
    """An encoder whose network is built before its weights are looked for."""
    eye = tiny_world.Eye(width)
    eye.module = nn.Linear(48, width, bias=bool(width % heads == 0))
    if weights not in ("random", "data:faces") or files:
        raise MissingData("no such weights")
    return eye


def hungry(*, weights: str) -> tiny_world.Eye:
    """An encoder that looks at its numbers while it is built."""
    assert torch.ones(1).item() == 1
    return tiny_world.Eye(7)


def picky(*, weights: str) -> tiny_world.Eye:
    """An encoder that knows no random weights."""
    if weights != "mine":
        raise UserError(f"weights: expected mine, came {weights!r}")
    return tiny_world.Eye(8)


ENCODERS = {"weighty": weighty, "hungry": hungry, "picky": picky}


@pytest.mark.parametrize(
    ("name", "weights", "width"),
    [("weighty", "random", 6), ("weighty", "gone.pth", 6), ("hungry", "random", None), ("picky", "mine", None)],
)
def test_the_disk_needed_is_told_by_the_encoder_s_width(tiny, name: str, weights: str, width: int | None):
    world = tiny(encoders=ENCODERS)
    found = outlook(world.prepare(sets={"encoders.image": name, "encoders.image.weights": weights}))
    assert (found["token_width"], found["token_width_assumed"]) == (width or ASSUMED_WIDTH, width is None)
    assert found["disk_needed_bytes"] == found["frames_to_encode"] * 4 * (width or ASSUMED_WIDTH)


def test_pre_training_is_told_where_weights_are_a_data_set(tiny, tmp_path):
    (tmp_path / "faces").mkdir()
    world = tiny(encoders=ENCODERS)
    sets = {"encoders.image": "weighty", "encoders.image.weights": "data:faces"}
    found = outlook(world.prepare(sets=sets, data={"tiny": str(world.root), "faces": str(tmp_path / "faces")}))
    assert list(found["stages"])[:2] == ["pretrain image", "adapt image"]
    assert found["up_to"] == ["fit", "predict", "pretrain image"]


def smooth(*, sigmas: str = "1") -> tiny_world.Shrink:
    if "," in sigmas:
        raise UserError(f"sigmas: expected one number, came {sigmas!r}")
    float(sigmas)
    return tiny_world.Shrink()


def narrow(widths: Any, outputs: int, *, heads: int = 2) -> tiny_world.Fusion:
    return tiny_world.Fusion(widths, outputs, sum(widths.values()) // heads)


def thirds(*, k: int = 3) -> tiny_world.Halves:
    if k < 1:
        raise ValueError("k is too small")
    return tiny_world.Halves()


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"postprocess": "smooth", "postprocess.sigmas": "a,b"}, "sigmas: expected one number, came 'a,b'"),
        ({"postprocess": "smooth", "postprocess.sigmas": "a"},
         "postprocess: 'smooth' cannot be built with sigmas='a': could not convert string to float: 'a'"),
        ({"partition": "thirds", "partition.k": 0}, "partition: 'thirds' cannot be built with k=0: k is too small"),
        ({"encoders.image": "weighty", "encoders.image.weights": "x", "encoders.image.heads": 0},
         "encoders.image: 'weighty' cannot be built with weights='x', heads=0: integer modulo by zero"),
        ({"encoders.image": "weighty", "encoders.image.weights": "x", "encoders.audio": None, "encoders.text": None,
          "fusion": "narrow", "fusion.heads": 0},
         "fusion: 'narrow' cannot be built with heads=0: integer division or modulo by zero"),
    ],
)  # fmt: skip
def test_what_a_factory_refuses_is_told_before_any_work(tiny, sets: dict[str, Any], message: str):
    more = {"fusions": {"narrow": narrow}, "partitions": {"thirds": thirds}, "postprocessors": {"smooth": smooth}}
    with pytest.raises(UserError) as raised:
        tiny(encoders=ENCODERS, **more).prepare(sets=sets)
    assert str(raised.value).startswith(message)


def test_a_vote_that_cannot_count_says_so_before_any_work(tiny):
    with pytest.raises(UserError, match="Vote 'majority' needs labels to count"):
        tiny("mood").prepare(sets={"vote": "majority"})
    for vote in ("majority", "mean", "routed"):
        assert tiny().prepare(sets={"vote": vote}).splits


def test_a_partition_that_is_stored_is_not_built_again(tiny):
    built: list[int] = []

    def counted() -> tiny_world.Halves:
        built.append(1)
        return tiny_world.Halves()

    world = tiny(partitions={"counted": counted})
    world.row(sets={"partition": "counted", "adapt.image": None})
    built.clear()
    assert world.prepare(sets={"partition": "counted", "adapt.image": None, "fusion.width": 5}).unfinished()
    assert built == []


def test_an_entry_that_is_there_is_read(tmp_path):
    peek = Peek(tmp_path)
    Peek.__base__(tmp_path).entry("fit", {"a": 1}, lambda: Entry({"x": torch.ones(2)}))
    assert peek.entry("fit", {"a": 1}, lambda: pytest.fail("was computed")).tensors["x"].tolist() == [1, 1]
