from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from harness.errors import HarnessError, UserError
from harness.training import Best, kept_state, optimiser, schedule, train
from harness.types import Recipe

RECIPE = Recipe(epochs=3, lr=0.1, batch=4, weight_decay=0.2, warmup=0.25)


def linear(value: float = 0.0) -> nn.Linear:
    module = nn.Linear(2, 1)
    nn.init.constant_(module.weight, value)
    return module


def test_the_first_of_equally_good_epochs_is_kept():
    best = Best([])
    for value, score in enumerate([0.1, 0.7, 0.3, 0.7]):
        best.see(score, linear(value))
    assert (best.epoch, best.scores) == (2, [0.1, 0.7, 0.3, 0.7])
    assert best.state is not None
    assert best.state["weight"].tolist() == [[1.0, 1.0]]


def test_what_is_kept_does_not_move_with_the_module():
    module, best = linear(1.0), Best([])
    best.see(0.5, module)
    nn.init.constant_(module.weight, 9.0)
    assert best.state is not None
    assert best.state["weight"].tolist() == [[1.0, 1.0]]


def test_a_score_below_zero_is_a_score():
    best = Best([])
    best.see(-0.5, linear())
    best.see(-0.2, linear())
    assert best.epoch == 2


def test_frozen_weights_are_not_kept_and_buffers_are():
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    module[0].requires_grad_(False)
    assert sorted(kept_state(module)) == [
        "1.bias",
        "1.num_batches_tracked",
        "1.running_mean",
        "1.running_var",
        "1.weight",
    ]


def test_no_decay_on_vectors_and_nothing_frozen():
    one, frozen = linear(), linear()
    frozen.requires_grad_(False)
    groups = optimiser([one, frozen], RECIPE).param_groups
    assert [(len(group["params"]), group["weight_decay"]) for group in groups] == [(1, 0.2), (1, 0.0)]
    assert {group["lr"] for group in groups} == {0.1}


def test_layer_decay_of_a_timm_model():
    import timm

    model = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=3, embed_dim=48, num_classes=2)
    groups = optimiser([model], Recipe(1, 0.1, 1, layer_decay=0.5)).param_groups
    scales = {group["lr_scale"] for group in groups}
    assert max(scales) == 1.0
    assert min(scales) == 0.5**4
    assert sum(len(group["params"]) for group in groups) == sum(1 for _ in model.parameters())


def test_a_module_that_cannot_tell_its_layers_is_named():
    with pytest.raises(UserError, match=r"layer_decay=0.5: Linear and Linear cannot tell their layers"):
        optimiser([linear(), linear()], Recipe(1, 0.1, 1, layer_decay=0.5))


def test_a_warm_up_then_a_cosine_to_zero():
    rates = [schedule(step, 12, RECIPE) for step in range(12)]
    assert rates[:3] == pytest.approx([0.1 / 3, 0.2 / 3, 0.1])
    assert rates[3] == pytest.approx(0.1)
    assert rates[3:] == pytest.approx([0.05 * (1 + math.cos(math.pi * i / 9)) for i in range(9)])
    assert schedule(12, 12, RECIPE) == pytest.approx(0.0)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_schedule_of_few_steps(steps: int):
    assert all(0 < schedule(step, steps, RECIPE) <= RECIPE.lr for step in range(steps))


def run(module: nn.Module, losses, recipe: Recipe = RECIPE) -> list[bool]:
    """Train; whether the module was in evaluation mode after each epoch."""
    seen: list[bool] = []
    train([module], recipe, 2, losses, lambda epoch: seen.append(not module.training), "try")
    return seen


def test_training_learns_and_judges_in_evaluation_mode():
    module = linear()
    x, y = torch.randn(8, 2, generator=torch.Generator().manual_seed(0)), torch.ones(8, 1)
    was: list[float] = []

    def losses(epoch: int):
        for _ in range(2):
            assert module.training
            loss = (module(x) - y).square().mean()
            was.append(float(loss.detach()))
            yield loss

    assert run(module, losses) == [True] * 3
    assert len(was) == 6
    assert was[-1] < was[0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("when", [0, 1])
def test_a_loss_that_is_not_finite_stops_the_run(bad: float, when: int):
    module = linear()

    def losses(epoch: int):
        for step in range(2):
            yield (module.weight.sum() + 1) * (bad if (epoch, step) == (1, when) else 1.0)

    with pytest.raises(HarnessError, match=r"try: the loss became (nan|-?inf) in epoch 2; lower the learning rate"):
        run(module, losses)


def test_a_score_that_is_not_a_number_stops_the_run():
    """A finite loss may have a gradient that is not: then the weights are spoilt after the epoch's last step."""
    best = Best([])
    with pytest.raises(HarnessError):
        best.see(float("nan"), linear())


def test_gradients_are_clipped():
    module = linear()
    nn.init.zeros_(module.bias)
    before = module.weight.clone()

    def losses(epoch: int):
        for _ in range(2):
            yield 1e6 * module.weight.sum()
            assert module.weight.grad is not None
            assert float(module.weight.grad.norm()) <= 1.0001

    run(module, losses, Recipe(epochs=1, lr=0.01, batch=1, clip_grad=1.0))
    assert not torch.equal(module.weight, before)
