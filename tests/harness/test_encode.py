from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_world
import torch

from harness import encode as encode_module
from harness.adapt import Adapted
from harness.context import Place
from harness.encode import encode, media_of, tokens
from harness.pixels import normalised, square, stacked
from harness.types import Video
from harness.windows import windows


@pytest.fixture
def prepared(tiny):
    return tiny().prepare(sets={"adapt.image": None})


@pytest.fixture
def view(prepared):
    return prepared.context.reader.view()


def held(prepared) -> tuple[Video, ...]:
    return prepared.splits[0].held


def test_image_tokens_are_those_of_the_frames_with_a_face(prepared, view):
    video = held(prepared)[0]
    eye = tiny_world.eye()
    found = tokens(eye, media_of(eye, video, view), Place())
    frames = [i for i in range(video.frames) if i not in (5, 6)]
    assert found["frames"].tolist() == frames
    images = [square(image, eye.input) for image in view.images(video, frames)]
    images_BCHW = normalised(stacked(images, eye.input.size, "cpu"), eye.input, "cpu")
    torch.testing.assert_close(found["tokens"], eye(images_BCHW).detach())
    assert not found["tokens"].requires_grad


def test_pieces_and_batches_change_nothing(prepared, view, monkeypatch: pytest.MonkeyPatch):
    video, eye = held(prepared)[0], tiny_world.eye()
    whole = tokens(eye, media_of(eye, video, view), Place())
    monkeypatch.setattr(encode_module, "BATCH", 3)
    monkeypatch.setattr(encode_module, "PIECE", 7)
    assert len(list(media_of(eye, video, view))) > 2
    small = tokens(eye, media_of(eye, video, view), Place())
    torch.testing.assert_close(small["tokens"], whole["tokens"])
    assert torch.equal(small["frames"], whole["frames"])


def test_audio_tokens_with_their_seconds(prepared, view):
    video, ear = held(prepared)[0], tiny_world.ear()
    found = tokens(ear, media_of(ear, video, view), Place())
    samples_NS, times_N2 = windows(view.audio(video), ear.input, video)
    assert torch.equal(found["times"], times_N2)
    torch.testing.assert_close(found["tokens"], ear(samples_NS))


def test_a_transcript_is_one_token_and_none_is_none(prepared, view):
    words = tiny_world.words()
    found = {v.id: tokens(words, media_of(words, v, view), Place())["tokens"] for v in held(prepared)}
    assert {name: len(token_ND) for name, token_ND in found.items()} == {
        v.id: int(view.text(v) is not None) for v in held(prepared)
    }
    assert {token_ND.shape[1] for token_ND in found.values()} == {1}
    assert 0 in map(len, found.values())


class Blank:
    """A video without faces, sound and words."""

    def images(self, video: Video, indices: Any) -> list[Any]:
        assert not list(indices)
        return []

    def audio(self, video: Video) -> None:
        return None

    def text(self, video: Video) -> None:
        return None


@pytest.mark.parametrize("make", [tiny_world.eye, tiny_world.ear, tiny_world.words])
def test_nothing_to_encode_is_no_token_of_the_right_width(make):
    video = Video("v", "g", "train", 3, 10.0, np.zeros(3, bool))
    encoder = make()
    found = tokens(encoder, media_of(encoder, video, Blank()), Place())  # type: ignore[arg-type]
    assert found["tokens"].shape == (0, encoder.dim)


def test_an_encoder_in_training_mode_is_put_into_evaluation(prepared, view):
    video, eye = held(prepared)[0], tiny_world.eye()
    eye.module = torch.nn.Sequential(torch.nn.Linear(48, 6), torch.nn.Dropout(0.5)).train()
    one, two = (tokens(eye, media_of(eye, video, view), Place())["tokens"] for _ in range(2))
    assert torch.equal(one, two)


def test_only_what_the_store_lacks_is_encoded(prepared, monkeypatch: pytest.MonkeyPatch):
    context, split = prepared.context, prepared.splits[0]
    adapted = Adapted(context, split, "image")
    some = encode(context, adapted, split.held[:2])
    context.store.visits.clear()
    everything = encode(context, adapted, split.held)
    assert sum(visit.computed for visit in context.store.visits) == 2
    assert list(everything) == [v.key for v in split.held]
    for key, entry in some.items():
        assert torch.equal(entry["tokens"], everything[key]["tokens"])


def test_with_everything_stored_no_encoder_is_built(prepared, monkeypatch: pytest.MonkeyPatch):
    context, split = prepared.context, prepared.splits[0]
    encode(context, Adapted(context, split, "image"), split.held)
    monkeypatch.setattr(Adapted, "fresh", None)
    monkeypatch.setattr(tiny_world.TinyReader, "view", lambda self: None)
    assert len(encode(context, Adapted(context, split, "image"), split.held)) == 4


def test_media_that_cannot_be_read_stop_the_run(prepared, monkeypatch: pytest.MonkeyPatch):
    def images(self: Any, video: Video, indices: Any) -> Any:
        raise OSError(f"cannot read {video.id}")

    monkeypatch.setattr(tiny_world.TinyView, "images", images)
    context, split = prepared.context, prepared.splits[0]
    with pytest.raises(OSError, match="cannot read video10"):
        encode(context, Adapted(context, split, "image"), split.held)
    assert not list(context.store.entries())


def test_tokens_belong_to_a_place_and_to_the_data(prepared):
    context, split = prepared.context, prepared.splits[0]
    adapted, video = Adapted(context, split, "image"), split.held[0]
    base = encode_module.encode_parts(context, adapted, video)
    others = [
        dataclasses.replace(context, place=Place("cpu", "bf16")),
        dataclasses.replace(context, place=Place("cuda:1")),
        dataclasses.replace(context, fingerprint="other"),
    ]
    keys = [encode_module.encode_parts(one, adapted, video) for one in others]
    assert len({repr(parts) for parts in (base, *keys)}) == 4
    same_kind = dataclasses.replace(context, place=Place("cpu:0"))
    assert encode_module.encode_parts(same_kind, adapted, video) == base


def test_bf16_tokens_are_float32_and_near(prepared, view):
    video, eye = held(prepared)[0], tiny_world.eye()
    plain = tokens(eye, media_of(eye, video, view), Place())["tokens"]
    half = tokens(eye, media_of(eye, video, view), Place(precision="bf16"))["tokens"]
    assert half.dtype == torch.float32
    assert not torch.equal(half, plain)
    torch.testing.assert_close(half, plain, atol=0.05, rtol=0.05)


def test_the_media_folder_alone_is_opened(prepared, tmp_path: Path):
    assert {type(value) for value in vars(prepared.context.reader.view()).values()} == {type(tmp_path)}
