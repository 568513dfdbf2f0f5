from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_world
import torch

from harness.adapt import Adapted, _hard, balanced, fine_tune, loss_weights
from harness.errors import HarnessError
from harness.types import Recipe

RECIPE = Recipe(epochs=4, lr=0.02, batch=64)


def adapted(world: Any, modality: str = "image", **sets: Any) -> Adapted:
    prepared = world.prepare(sets={k.replace("__", "."): v for k, v in sets.items()})
    return Adapted(prepared.context, prepared.splits[0], modality)


def test_the_best_epoch_on_inner_is_kept_and_told(tiny):
    entry = fine_tune(*_of(adapted(tiny(), adapt__image__epochs=4)))
    info = entry.info
    assert (info["what"], info["by"]) == ("epoch of adapt image", "f1 on inner")
    assert len(info["scores"]) == 4
    assert info["chosen"] == int(np.argmax(info["scores"])) + 1
    assert sorted(entry.tensors) == ["bias", "weight"]


def _of(one: Adapted) -> tuple[Any, Any, str]:
    return one.context, one.split, one.modality


def test_it_learns(tiny):
    one = adapted(tiny(), adapt__image__epochs=4)
    before, after = one.fresh(), one.build()
    assert before.module is not None
    assert after.module is not None
    assert not torch.equal(before.module.weight, after.module.weight)
    assert fine_tune(*_of(one)).info["scores"][-1] > 0.8
    assert not after.module.training


def test_a_fresh_encoder_depends_on_the_seed_alone(tiny):
    world = tiny()
    one, again, other = (
        Adapted(p.context, p.splits[0], "image").fresh() for p in (world.prepare(seed=s) for s in (0, 0, 1))
    )
    torch.manual_seed(99)
    assert torch.equal(one.module.weight, again.module.weight)
    assert not torch.equal(one.module.weight, other.module.weight)


def test_it_reads_labels_of_train_and_inner_only(tiny, monkeypatch: pytest.MonkeyPatch):
    one = adapted(tiny())
    read: list[str] = []
    real = tiny_world.TinyReader.targets
    monkeypatch.setattr(
        tiny_world.TinyReader, "targets", lambda self, video: read.append(video.key) or real(self, video)
    )
    one.train()
    assert sorted(read) == sorted(v.key for v in (*one.split.train, *one.split.inner))


def test_a_frozen_encoder(tiny):
    one = adapted(tiny(), adapt__image=None)
    assert one.train() == {"frozen": True}
    assert one.stored
    assert torch.equal(one.build().module.weight, one.fresh().module.weight)
    assert "split" not in one.identity


def test_a_second_look_trains_nothing(tiny):
    world = tiny()
    one = adapted(world)
    assert not one.stored
    first = one.train()
    assert one.stored
    assert adapted(world).train() == first
    assert [visit.computed for visit in one.context.store.visits] == [True]


def test_an_encoder_without_a_module_cannot_be_adapted(tiny):
    with pytest.raises(HarnessError, match=r"encoder 'ear' has no module to adapt; say --set adapt.audio=none"):
        adapted(tiny(), "audio", adapt__audio=RECIPE).train()


def test_nothing_labelled_to_learn_from(tiny):
    world = tiny(target=lambda spec, number, frames, rng: np.full((frames, len(spec.labels)), np.nan, np.float32))
    with pytest.raises(HarnessError, match="adapt image: no labelled samples in train of official"):
        adapted(world).train()


class Deaf(torch.nn.Module):
    """An audio encoder that can learn."""

    modality, dim, input = "audio", 3, tiny_world.Ear.input

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(tiny_world.RATE, 3)

    @property
    def module(self) -> torch.nn.Module:
        return self.layer

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(batch)
        return out


@pytest.mark.parametrize("task", ["colour", "units", "mood", "clip"])
def test_sound_learns_too_in_every_kind_of_task(tiny, task: str):
    world = tiny(task, encoders={"deaf": Deaf})
    one = adapted(world, "audio", encoders__audio="deaf", adapt__audio=RECIPE)
    info = one.train()
    assert len(info["scores"]) == 4
    assert all(np.isfinite(info["scores"]))


@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        ("one_of", [[0.2, 0.5, 0.3], [0.5, 0.5, 0.0]], [[0, 1, 0], [1, 0, 0]]),
        ("any_of", [[0.2, 0.5], [np.nan, 0.9]], [[0, 1], [np.nan, 1]]),
        ("continuous", [[0.2, np.nan]], [[0.2, np.nan]]),
    ],
)
def test_the_mean_of_labels_becomes_the_one_that_holds_most(kind: str, target: Any, expected: Any):
    np.testing.assert_array_equal(_hard(np.array(target, np.float32), kind), np.array(expected, np.float32))


def test_balanced_sampling_draws_rare_labels_as_often_as_frequent_ones():
    target_NL = np.repeat(np.eye(3, dtype=np.float32), [90, 9, 1], axis=0)
    share_N = balanced(target_NL)
    np.testing.assert_allclose(share_N @ target_NL, [1 / 3] * 3, rtol=1e-6)


def test_balanced_sampling_of_labels_that_hold_together():
    target_NL = np.array([[1, 0], [1, 1], [1, np.nan], [0, 0]], np.float32)  # the second holds in 1 of 3, as 4/9 of 3/4
    np.testing.assert_allclose(balanced(target_NL), np.array([1, 2.25, 1, 1]) / 5.25, rtol=1e-6)


def test_it_learns_from_balanced_samples(tiny):
    entry, other = (
        fine_tune(*_of(adapted(tiny(), adapt__image__sampling=sampling))) for sampling in ("balanced", "uniform")
    )
    assert entry.info["scores"][-1] > 0.8
    assert not torch.equal(entry.tensors["weight"], other.tensors["weight"])


def test_weights_are_by_frequency_of_labelled_rows():
    target_NL = np.array([[1, 0], [1, 1], [1, 0], [np.nan, 1], [0, np.nan]], np.float32)
    weights_L = loss_weights(target_NL, RECIPE, "any_of")
    assert weights_L.tolist() == pytest.approx([1.0, 0.75 / 0.5])


def test_no_weights_where_there_are_none():
    target_NL = np.array([[1, 0], [1, 0]], np.float32)
    assert loss_weights(target_NL, RECIPE, "continuous").tolist() == [1.0, 1.0]
    assert loss_weights(target_NL, Recipe(1, 0.1, 1, label_weights="none"), "one_of").tolist() == [1.0, 1.0]
