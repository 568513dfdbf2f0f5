"""What every optimisation shares: AdamW, the schedule, and keeping the epoch that is best on `inner`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, UserError
from harness.types import Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass
class Best:
    """The weights of the best epoch so far, and every epoch's score on `inner`."""

    scores: list[float]
    epoch: int = 0
    state: dict[str, Tensor] | None = None

    def see(self, score: float, module: nn.Module) -> None:
        """Keep `module` if this epoch's score is the best yet (the first of equals); HarnessError for no number."""
        if not math.isfinite(score):
            raise HarnessError(f"the score on inner became {score} in epoch {len(self.scores) + 1}")
        self.scores.append(score)
        if self.state is None or score > self.scores[self.epoch - 1]:
            self.epoch = len(self.scores)
            self.state = copy.deepcopy(kept_state(module))


def kept_state(module: nn.Module) -> dict[str, Tensor]:
    """What training changes: trainable parameters and buffers. Frozen weights come from where they came from."""
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    buffers = {name for name, _ in module.named_buffers()}
    return {name: value.detach() for name, value in module.state_dict().items() if name in trained | buffers}


def optimiser(modules: Iterable[nn.Module], recipe: Recipe) -> Any:
    """AdamW over trainable parameters; no weight decay on vectors (norms and biases).

    With `layer_decay` below 1, earlier layers learn slower where a module tells its layers as timm models do
    (`group_matcher`; its `no_weight_decay` is heeded too). UserError where none of the modules does.
    """
    import torch
    from timm.optim import param_groups_layer_decay

    modules = list(modules)
    layered = [m for m in modules if hasattr(m, "group_matcher")] if recipe.layer_decay < 1 else []
    if recipe.layer_decay < 1 and not layered:
        who = " and ".join(type(module).__name__ for module in modules)
        raise UserError(f"layer_decay={recipe.layer_decay:g}: {who} cannot tell their layers (timm's group_matcher)")
    groups: list[dict[str, Any]] = []
    for module in modules:
        if module in layered:
            names: Any = getattr(module, "no_weight_decay", tuple)
            spared = names()
            groups += param_groups_layer_decay(module, recipe.weight_decay, spared, layer_decay=recipe.layer_decay)
            continue
        parameters = [p for p in module.parameters() if p.requires_grad]
        groups.append({"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay})
        groups.append({"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0})
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=recipe.lr, fused=True)


def schedule(step: int, steps: int, recipe: Recipe) -> float:
    """The learning rate of a step: linear warm-up over `recipe.warmup` of all steps, then a cosine to zero."""
    warm = max(1, round(recipe.warmup * steps))
    if step < warm:
        return recipe.lr * (step + 1) / warm
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def train(
    modules: list[nn.Module],
    recipe: Recipe,
    steps_per_epoch: int,
    epoch_losses: Callable[[int], Iterator[Tensor]],
    after_epoch: Callable[[int], None],
    title: str,
) -> None:
    """Run `recipe.epochs` epochs over the losses that `epoch_losses(epoch)` yields, one a batch.

    A loss or a weight that is not finite stops the run: it never becomes a row.
    """
    import torch

    adamw = optimiser(modules, recipe)
    steps = max(1, recipe.epochs * steps_per_epoch)
    step = 0
    for epoch in range(recipe.epochs):
        for module in modules:
            module.train()
        for loss in epoch_losses(epoch):
            for group in adamw.param_groups:
                group["lr"] = schedule(step, steps, recipe) * group.get("lr_scale", 1.0)
            adamw.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for m in modules for p in m.parameters()], recipe.clip_grad)
            adamw.step()
            step += 1
        if step and not bool(torch.isfinite(loss)):
            became = float(loss.detach())
            raise HarnessError(f"{title}: the loss became {became} in epoch {epoch + 1}; lower the learning rate")
        if not all(bool(torch.isfinite(p).all()) for m in modules for p in m.parameters() if p.requires_grad):
            raise HarnessError(f"{title}: weights are not finite after epoch {epoch + 1}; lower the learning rate")
        for module in modules:
            module.eval()
        after_epoch(epoch)
