"""Fine-tuning an encoder per task and split (paper 3.1, 3.4): the encoder's module and a fully connected head.

The core does this, evenly for every plugin, on the train part alone; the epoch is the one best on `inner`.
An encoder without a recipe stays as it is (paper 3.1 for VGGish).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.ahead import ahead
from harness.context import Context
from harness.errors import HarnessError
from harness.plugins import files_hash
from harness.rng import derive, stream
from harness.samples import Samples, samples_of
from harness.splits import Split
from harness.store import Entry
from harness.training import Best, kept_state, train
from harness.types import Encoder, Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn

SOURCE = (
    "harness.adapt",
    "harness.samples",
    "harness.augment",
    "harness.training",
    "harness.losses",
    "harness.kinds",
    "harness.pixels",
)
JUDGED_BATCH = 256
INNER_SAMPLES = 1500  # how many samples of `inner` an epoch is judged on at most


@dataclass(frozen=True)
class Adapted:
    """An encoder of one split, by the identity of what it was made from; built only when somebody needs it."""

    context: Context
    split: Split
    modality: str

    @property
    def recipe(self) -> Recipe | None:
        return self.context.plan.pipeline.adapt.get(self.modality)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What the weights depend on: the component, and, where it is fine-tuned, the recipe and the split."""
        context = self.context
        base = {
            "encoder": context.plan.encoders[self.modality].identity(),
            "seed": context.plan.seed,
            "data": context.resources.identity(context.plan.encoders[self.modality].component),
        }
        if self.recipe is None:
            return base
        return {
            **base,
            "recipe": vars(self.recipe),
            "split": dict(context.split_parts(self.split, "adapt")),
            "source": files_hash(SOURCE),
        }

    @property
    def stored(self) -> bool:
        """Whether nothing is left to train."""
        return self.recipe is None or self.context.store.has("adapt", self.identity)

    def train(self) -> Mapping[str, Any]:
        """Fine-tune unless the store has it; returns what was chosen."""
        if self.recipe is None:
            return {"frozen": True}
        entry = self.context.store.entry(
            "adapt", self.identity, lambda: fine_tune(self.context, self.split, self.modality)
        )
        return entry.info

    def build(self) -> Encoder:
        """The encoder with its fine-tuned weights, in evaluation mode on the context's device."""
        encoder = self.fresh()
        if self.recipe is not None:
            entry = self.context.store.entry(
                "adapt", self.identity, lambda: fine_tune(self.context, self.split, self.modality)
            )
            assert encoder.module is not None
            encoder.module.load_state_dict(dict(entry.tensors), strict=False)
        if encoder.module is not None:
            encoder.module.eval()
        return encoder

    def fresh(self) -> Encoder:
        """The encoder as its factory makes it, on its own random stream."""
        part = self.context.plan.encoders[self.modality]
        with stream(derive(self.context.plan.seed, "encoder", self.modality)):
            encoder: Encoder = part.make(resources=self.context.resources)
        if encoder.module is not None:
            encoder.module.to(self.context.place.device)
        elif self.recipe is not None:
            raise HarnessError(
                f"encoder {part.component.name!r} has no module to adapt; say --set adapt.{self.modality}=none"
            )
        return encoder


def fine_tune(context: Context, split: Split, modality: str) -> Entry:
    """Train the encoder's module and a new head; the entry holds what training changed, of the best epoch."""
    import torch

    adapted = Adapted(context, split, modality)
    recipe, kind = context.plan.pipeline.adapt[modality], context.plan.task.kind
    seed = context.seed("adapt", split, modality)
    encoder = adapted.fresh()
    assert encoder.module is not None
    view = context.view()
    train_part = (*split.train, *context.extra_videos("adapt"))
    learn = samples_of(encoder, train_part, view, context.targets(train_part), context.squares)
    inner = samples_of(encoder, split.inner, view, context.targets(split.inner), context.squares)
    if not len(learn) or not len(inner):
        raise HarnessError(
            f"adapt {modality}: no labelled samples in {'train' if not len(learn) else 'inner'} of {split.name}"
        )
    with stream(seed):
        head = torch.nn.Linear(encoder.dim, len(context.plan.task.labels)).to(context.place.device)
        best = _run(context, encoder, head, learn, inner, recipe, seed, f"adapt {modality} ({split.name})")
    assert best.state is not None
    chosen = {
        "what": f"epoch of adapt {modality}",
        "chosen": best.epoch,
        "by": f"{kind.metric} on inner",
        "scores": best.scores,
    }
    return Entry(best.state, chosen)


def _run(
    context: Context,
    encoder: Encoder,
    head: nn.Module,
    learn: Samples,
    inner: Samples,
    recipe: Recipe,
    seed: int,
    title: str,
) -> Best:
    from harness.losses import by_name
    from harness.metrics import get

    kind, device = context.plan.task.kind, context.place.device
    weights_L = loss_weights(learn.target_NL, recipe, kind.name).to(device)
    share_N = balanced(learn.target_NL) if recipe.sampling == "balanced" else None
    loss_of = by_name(kind.loss_name)
    per_epoch = min(len(learn), recipe.samples_per_epoch or len(learn))
    steps = -(-per_epoch // recipe.batch)
    watched = np.linspace(0, len(inner) - 1, min(len(inner), INNER_SAMPLES)).astype(int)
    best = Best([])
    ticks = context.progress(range(recipe.epochs * steps), title, total=recipe.epochs * steps)

    def losses(epoch: int) -> Iterator[Tensor]:
        rng = np.random.default_rng(derive(seed, "epoch", epoch))
        drawn = rng.permutation(len(learn)) if share_N is None else rng.choice(len(learn), per_epoch, p=share_N)
        order = drawn[:per_epoch].tolist()
        chosen = [order[at : at + recipe.batch] for at in range(0, per_epoch, recipe.batch)]
        tasks = (partial(learn.fetch, ids, learn.draw(len(ids), rng, recipe)) for ids in chosen)
        for ids, fetched in zip(chosen, ahead(tasks, torch.get_num_threads()), strict=True):
            with context.place.autocast():
                logits_BL = head(encoder(learn.ready(fetched, device)))
            # targets stay on the host: what is labelled is known there, so the device is never waited for
            yield loss_of(logits_BL.float(), torch.from_numpy(learn.target_NL[ids]), weights_L, kind)
            next(ticks, None)

    def judge(epoch: int) -> None:
        scores_NL = _scores(context, encoder, head, inner, watched)
        metric = get(kind.metric)
        best.see(
            float(
                metric.score(metric.stats(kind.decide(scores_NL), _hard(inner.target_NL[watched], kind.name))).mean()
            ),
            both,
        )

    import torch

    assert encoder.module is not None
    both = torch.nn.ModuleDict({"module": encoder.module, "head": head})
    train([encoder.module, head], recipe, steps, losses, judge, title)
    next(ticks, None)
    assert best.state is not None
    best.state = {
        name.removeprefix("module."): value for name, value in best.state.items() if name.startswith("module.")
    }
    return best


def _scores(context: Context, encoder: Encoder, head: nn.Module, samples: Samples, ids: np.ndarray[Any, Any]) -> Any:
    import torch

    out, device = [], context.place.device
    chosen = [ids[at : at + JUDGED_BATCH].tolist() for at in range(0, len(ids), JUDGED_BATCH)]
    with torch.inference_mode():
        for fetched in ahead([partial(samples.fetch, some) for some in chosen], torch.get_num_threads()):
            with context.place.autocast():
                logits_BL = head(encoder(samples.ready(fetched, device)))
            out.append(context.plan.task.kind.squash(logits_BL.float()))
    return torch.cat(out).cpu().numpy()


def _hard(target_NL: Any, kind: str) -> Any:
    """Targets of windows are means over frames; the metric wants the label that holds most of the time."""
    if kind == "continuous":
        return target_NL
    if kind == "any_of":
        return np.where(np.isnan(target_NL), np.nan, target_NL >= 0.5)
    return np.eye(target_NL.shape[1], dtype=np.float32)[np.nan_to_num(target_NL).argmax(axis=1)]


def balanced(target_NL: Any) -> Any:
    """share_N: how likely each sample is drawn, so that rare labels come up as often as frequent ones.

    A sample weighs as much as the rarest label it holds, by the weights of Eq. 1 and 2; one without any, as little as
    the most frequent label.

    >>> balanced(np.array([[1, 0], [1, 0], [1, 0], [0, 1]], np.float32)).round(3).tolist()
    [0.167, 0.167, 0.167, 0.5]
    """
    from harness.losses import label_weights

    held_NL = np.nan_to_num(target_NL) >= 0.5
    weight_L = label_weights(held_NL.sum(axis=0), (~np.isnan(target_NL)).sum(axis=0)).numpy().astype(np.float64)
    weight_N = np.where(held_NL, weight_L, 1.0).max(axis=1)
    return weight_N / weight_N.sum()


def loss_weights(target_NL: Any, recipe: Recipe, kind: str) -> Tensor:
    """W of Eq. 1 and 2 from the training rows' label frequencies, their square roots ("root") or ones ("none")."""
    import torch

    from harness.losses import label_weights

    if recipe.label_weights == "none" or kind == "continuous":
        return torch.ones(target_NL.shape[1])
    weights_L = label_weights(np.nansum(target_NL, axis=0), (~np.isnan(target_NL)).sum(axis=0))
    return weights_L.sqrt() if recipe.label_weights == "root" else weights_L


__all__ = ["Adapted", "fine_tune", "kept_state", "loss_weights"]
