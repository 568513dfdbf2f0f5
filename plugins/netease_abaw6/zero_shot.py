"""Compound expressions without a label of them: from the basic ones of a finished EXPR run (zero-shot).

The run's own encoders and classifiers are used as they are; a compound's score is the mean of its two basic
probabilities. Shapes: B batch, T frames of a clip, N tokens, D width, C basic classes, L compounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness.errors import UserError, unknown

if TYPE_CHECKING:
    from harness.model import Model
    from harness.resources import Resources
    from harness.types import Encoder


class CompoundOfBasic(nn.Module):
    """tokens -> logits_BTL of compounds: the log of the mean of two probabilities, these the mean over classifiers."""

    def __init__(self, classifiers: Sequence[nn.Module], pairs: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.classifiers = nn.ModuleList(classifiers)
        self.pairs = list(pairs)

    def forward(self, tokens: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> Tensor:
        shares = [torch.softmax(one(tokens, mask).float(), dim=-1) for one in self.classifiers]
        basic_BTC = torch.stack(shares).mean(dim=0)
        mean_BTL = torch.stack([basic_BTC[..., pair].mean(dim=-1) for pair in map(list, self.pairs)], dim=-1)
        return mean_BTL.clamp_min(torch.finfo(mean_BTL.dtype).tiny).log()


def compound_of_basic(widths: Mapping[str, int], outputs: int, *, run: str, compounds: str) -> CompoundOfBasic:
    """The classifiers of the EXPR run in folder `run` (the run's, or its `model`), for compounds of its classes.

    `compounds` names two basic classes per label of the task, in its order: "Fear+Surprise,Happiness+Surprise".
    """
    model = _model(run, "cpu")
    pairs = [tuple(name.strip() for name in one.split("+")) for one in compounds.split(",")]
    if len(pairs) != outputs or any(len(pair) != 2 for pair in pairs):
        raise UserError(f"compounds: expected {outputs} pairs like Fear+Surprise, came {compounds!r}")
    for name in (name for pair in pairs for name in pair):
        if name not in model.labels:
            raise unknown(f"class of the run {run}", name, model.labels)
    if dict(widths) != dict(model.about["widths"]):
        raise UserError(
            f"{run}: its classifiers take tokens of {model.about['widths']}, the encoders give {dict(widths)}"
        )
    return CompoundOfBasic(model.classifiers, [(model.labels.index(a), model.labels.index(b)) for a, b in pairs])


def of_run(modality: str, *, run: str, resources: Resources) -> Encoder:
    """The encoder of one modality of the finished run in folder `run`, fine-tuned as it was there."""
    model = _model(run, resources.device)
    if modality not in model.encoders:
        raise UserError(f"{run} has no {modality} encoder; say --set encoders.{modality}=none")
    return model.encoders[modality]


def _model(run: str, device: str) -> Model:
    if not run:
        raise UserError("Zero-shot needs a finished EXPR run: --set components.run=runs/expr/SYSTEM/RUN/model")
    folder = Path(run).expanduser()
    return _loaded(folder / "model" if (folder / "model").is_dir() else folder, device)


@cache
def _loaded(folder: Path, device: str) -> Model:
    from harness.model import load

    return load(folder, device)
