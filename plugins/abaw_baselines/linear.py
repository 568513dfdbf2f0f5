"""Linear models on frozen tokens, fitted in one go: ridge for values, class-balanced logistic regression for labels.

Shapes: B batch, T frames of a clip, N tokens, R rows, D width, L labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from harness.errors import HarnessError
from harness.kinds import Kind

Tokens = Mapping[str, Tensor]
EDGE = 1e-4  # predicted values are kept this share of the range away from its ends, where logits would be infinite
STEPS = 200  # L-BFGS iterations at most; standardised features converge well before


class Linear(nn.Module):
    """logits_BTL, each frame from [its image token, the clip's mean image token, audio, text].

    `l2` is the penalty per squared weight of standardised features, beside the mean loss of a row; `clip_mean` adds
    the clip's mean image token; `solve` keeps `frames` evenly spread rows of a clip, and `rows` of all.
    A modality that is absent counts as the training mean of its tokens.
    """

    weight_DL: Tensor
    bias_L: Tensor
    mean_D: Tensor
    scale_D: Tensor
    range_2: Tensor
    values: Tensor

    def __init__(
        self, widths: Mapping[str, int], outputs: int, *, l2: float, clip_mean: bool, frames: int, rows: int
    ) -> None:
        super().__init__()
        self.widths, self.clip_mean = dict(widths), clip_mean
        self.l2, self.frames, self.rows = l2, frames, rows
        width = sum(widths.values()) + clip_mean * widths["image"]
        self.register_buffer("weight_DL", torch.zeros(width, outputs))
        self.register_buffer("bias_L", torch.zeros(outputs))
        self.register_buffer("mean_D", torch.zeros(width))
        self.register_buffer("scale_D", torch.zeros(width))
        self.register_buffer("range_2", torch.tensor([0.0, 1.0]))
        self.register_buffer("values", torch.tensor(False))  # whether the linear map gives values rather than logits

    def forward(self, tokens: Tokens, mask: Tokens) -> Tensor:
        x_BTD, there_BTD = self._features(tokens, mask)
        out_BTL = torch.where(there_BTD, (x_BTD - self.mean_D) * self.scale_D, 0.0) @ self.weight_DL + self.bias_L
        if not bool(self.values):
            return out_BTL
        low, high = self.range_2
        return ((out_BTL - low) / (high - low)).clamp(EDGE, 1 - EDGE).logit()

    def solve(self, batches: Iterable[tuple[Tokens, Tokens, Tensor]], kind: Kind) -> None:
        """Fit to the labelled rows: for values those where every label is known, for labels each known entry."""
        x_RD, there_RD, target_RL = self._rows(batches, kind)
        count_D = there_RD.sum(0).clamp(min=1)
        mean_D = torch.where(there_RD, x_RD, 0).sum(0, dtype=torch.float64) / count_D
        centred_RD = torch.where(there_RD, x_RD - mean_D.float(), 0)
        deviation_D = (centred_RD.double().square().sum(0) / count_D).sqrt()
        scale_D = torch.where(deviation_D > 1e-6, 1 / deviation_D, 0).float()
        z_RD = centred_RD.mul_(scale_D)
        values = kind.name == "continuous"
        weight_DL, bias_L = ridge(z_RD, target_RL, self.l2) if values else logistic(z_RD, target_RL, self.l2, kind)
        self.weight_DL.copy_(weight_DL)
        self.bias_L.copy_(bias_L)
        self.mean_D.copy_(mean_D)
        self.scale_D.copy_(scale_D)
        self.range_2.copy_(torch.tensor([kind.low, kind.high]))
        self.values.fill_(values)

    def _features(self, tokens: Tokens, mask: Tokens) -> tuple[Tensor, Tensor]:
        image_BTD, seen_BT1 = tokens["image"].float(), mask["image"][..., None]
        parts, there = [image_BTD], [seen_BT1.expand_as(image_BTD)]
        frames = image_BTD.shape[1]
        whole_clip = ["image"] if self.clip_mean else []
        for modality in [*whole_clip, *sorted(self.widths.keys() - {"image"})]:
            seen_BN1 = mask[modality][..., None]
            count_B1 = seen_BN1.sum(1)
            mean_BD = torch.where(seen_BN1, tokens[modality].float(), 0).sum(1) / count_B1.clamp(min=1)
            parts.append(mean_BD[:, None].expand(-1, frames, -1))
            there.append((count_B1 > 0)[:, None].expand_as(parts[-1]))
        return torch.cat(parts, -1), torch.cat(there, -1)

    def _rows(self, batches: Iterable[tuple[Tokens, Tokens, Tensor]], kind: Kind) -> tuple[Tensor, Tensor, Tensor]:
        kept: list[tuple[Tensor, Tensor, Tensor]] = []
        for tokens, mask, target_BTL in batches:
            known_BTL = target_BTL.isfinite()
            known_BT = known_BTL.all(-1) if kind.name == "continuous" else known_BTL.any(-1)
            chosen_BT = _spread(known_BT, self.frames)
            x_BTD, there_BTD = self._features(tokens, mask)
            kept.append((x_BTD[chosen_BT], there_BTD[chosen_BT], target_BTL[chosen_BT]))
        if not sum(len(target_RL) for _, _, target_RL in kept):
            raise HarnessError("no labelled training row to fit a linear model to")
        x_RD, there_RD, target_RL = (torch.cat(columns) for columns in zip(*kept, strict=True))
        step = -(-len(x_RD) // self.rows)
        return x_RD[::step], there_RD[::step], target_RL[::step]


def ridge(z_RD: Tensor, target_RL: Tensor, l2: float) -> tuple[Tensor, Tensor]:
    """argmin mean((z w + b - y)^2) + l2 |w|^2 in closed form (float64); returns weight_DL, bias_L."""
    z, y = z_RD.double(), target_RL.double()
    centre_D, bias_L = z.mean(0), y.mean(0)
    z = z - centre_D
    gram_DD = z.T @ z / len(z) + l2 * torch.eye(z.shape[1], dtype=z.dtype)
    weight_DL = torch.linalg.solve(gram_DD, z.T @ (y - bias_L) / len(z))
    return weight_DL.float(), (bias_L - centre_D @ weight_DL).float()


def logistic(z_RD: Tensor, target_RL: Tensor, l2: float, kind: Kind) -> tuple[Tensor, Tensor]:
    """Multinomial (exclusive labels) or one logistic regression per label, balanced; returns weight_DL, bias_L.

    argmin of the weighted mean cross-entropy + l2/2 |w|^2, by L-BFGS. Balanced: the labels of an exclusive set, or
    yes and no of a label, weigh the same in sum. NaN entries count nowhere.
    """
    width, labels = z_RD.shape[1], target_RL.shape[1]
    theta = torch.zeros(width + 1, labels, requires_grad=True)
    known_RL = target_RL.isfinite()
    y_RL = target_RL.nan_to_num()
    weight_RL = _balanced(y_RL, known_RL, kind)

    def loss() -> Tensor:
        logits_RL = z_RD @ theta[:-1] + theta[-1]
        if kind.name == "one_of":
            fit = -(weight_RL * y_RL * logits_RL.log_softmax(-1)).sum()
        else:
            fit = (weight_RL * nn.functional.binary_cross_entropy_with_logits(logits_RL, y_RL, reduction="none")).sum()
        return fit + l2 / 2 * theta[:-1].square().sum()

    optimiser = torch.optim.LBFGS(
        [theta], max_iter=STEPS, tolerance_grad=1e-5, tolerance_change=1e-8, line_search_fn="strong_wolfe"
    )

    def step() -> float:
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    optimiser.step(step)
    fitted = theta.detach()
    return fitted[:-1].clone(), fitted[-1].clone()


def _balanced(y_RL: Tensor, known_RL: Tensor, kind: Kind) -> Tensor:
    """Weights that sum to 1 over all rows (exclusive labels) or over the rows of each label."""
    yes_L = y_RL.sum(0)
    if kind.name == "one_of":
        present = int((yes_L > 0).sum())
        return known_RL / (yes_L.clamp(min=1) * present)
    no_L = known_RL.sum(0) - yes_L
    sides_L = (yes_L > 0).float() + (no_L > 0).float()
    return known_RL * torch.where(y_RL > 0, 1 / yes_L.clamp(min=1), 1 / no_L.clamp(min=1)) / sides_L.clamp(min=1)


def _spread(known_BT: Tensor, frames: int) -> Tensor:
    """At most `frames` of the known rows of each clip, evenly spread."""
    order_BT = known_BT.cumsum(1)
    total_B1 = order_BT[:, -1:]
    keep_B1 = total_B1.clamp(max=frames)
    bin_BT = (order_BT - 1) * keep_B1 // total_B1.clamp(min=1)
    before_BT = (order_BT - 2) * keep_B1 // total_B1.clamp(min=1)
    return known_BT & (bin_BT != before_BT)
