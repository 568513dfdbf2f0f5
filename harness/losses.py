"""The training objectives of paper section 3.4, Eq. 1, 2 and 4 taken literally, and the label weights in them.

Shapes: R rows, L labels. A target that is NaN is unlabelled: `ce` leaves out the row, the others leave out the entry.
Targets may stay on the host while logits are on a GPU: which rows count is then known without waiting for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from harness.ahead import to_device
from harness.errors import UserError, unknown

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from harness.kinds import Kind

Loss = Callable[[Tensor, Tensor, Tensor, "Kind"], Tensor]
SMALL = 1e-12  # scores of one batch that differ by less are scaled up: float32 ends at their fourth power


def by_name(name: str) -> Loss:
    """The loss called `name`: `(logits_RL, target_RL, weights_L, kind) -> scalar`, differentiable in the logits.

    `ce` and `bce` take the label weights; `ccc`, `pearson` and `mse` have none in them (Eq. 4) and work on
    `kind.squash(logits_RL)`. Without any labelled entry the loss is 0, with a gradient of 0.
    """
    if name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    return LOSSES[name]


def label_weights(positives_L: Sequence[float] | ArrayLike, n_rows: int | Sequence[float] | ArrayLike) -> Tensor:
    """weights_L = max(freq_L) / freq_L with freq_L = positives_L / n_rows, so the most frequent label weighs 1.

    `positives_L` counts the rows in which a label holds, `n_rows` the labelled rows: one number, or one per label where
    some rows are labelled in part. The weights the paper's lab published have this shape, for EXPR and for AU. A label
    that never holds has no frequency and weighs 1.

    >>> label_weights([60, 30, 10], 100)
    tensor([1., 2., 6.])
    """
    positive_L = torch.as_tensor(positives_L, dtype=torch.float64)
    rows_L = torch.as_tensor(n_rows, dtype=torch.float64).expand_as(positive_L)
    seen_L = positive_L > 0
    if not bool(seen_L.any()):
        return torch.ones(positive_L.shape, dtype=torch.float32)
    freq_L = positive_L / torch.where(seen_L, rows_L, 1.0)
    weight_L = freq_L.max() / torch.where(seen_L, freq_L, 1.0)
    return torch.where(seen_L, weight_L, 1.0).to(torch.float32)


def _ce(logits_RL: Tensor, target_RL: Tensor, weights_L: Tensor, kind: Kind) -> Tensor:
    """Eq. 2: -(1/L) sum_j W_j z_j log z^_j, divided by the number of labels and not by the sum of weights."""
    _expect(kind, "one_of", "ce")
    kept_R = _places(~target_RL.isnan().any(dim=1))
    target_RL = _beside(target_RL[kept_R], logits_RL)
    logits_RL = logits_RL[_beside(kept_R, logits_RL, index=True)]
    terms_RL = weights_L.to(logits_RL) * target_RL * torch.log_softmax(logits_RL, dim=1)
    return _mean_over_rows(-terms_RL.mean(dim=1), logits_RL)


def _bce(logits_RL: Tensor, target_RL: Tensor, weights_L: Tensor, kind: Kind) -> Tensor:
    """Eq. 1: -(1/L) sum_j W_j [y_j log y^_j + (1 - y_j) log(1 - y^_j)]; W_j multiplies both terms.

    An unlabelled entry adds nothing to its row's sum, which is still divided by L; rows without any label are left out.
    """
    _expect(kind, "any_of", "bce")
    labelled_RL = ~target_RL.isnan()
    kept_R = _beside(_places(labelled_RL.any(dim=1)), logits_RL, index=True)
    target_RL = _beside(torch.where(labelled_RL, target_RL, 0.0), logits_RL)
    labelled_RL = _beside(labelled_RL, logits_RL, index=True)
    log_on_RL, log_off_RL = functional.logsigmoid(logits_RL), functional.logsigmoid(-logits_RL)
    terms_RL = weights_L.to(logits_RL) * (target_RL * log_on_RL + (1 - target_RL) * log_off_RL)
    row_R = -torch.where(labelled_RL, terms_RL, 0.0).mean(dim=1)
    return _mean_over_rows(row_R[kept_R], logits_RL)


def _ccc(logits_RL: Tensor, target_RL: Tensor, weights_L: Tensor, kind: Kind) -> Tensor:
    """Eq. 4: sum over labels of 1 - CCC (Eq. 3) over all rows of the batch; population moments.

    Where both sides are constant and equal, Eq. 3 is 0/0: CCC counts as 0, as in the metric.
    """
    pairs = _labelled_columns(logits_RL, target_RL, kind)
    return _sum_over_labels([1 - _concordance(pred_R, true_R) for pred_R, true_R in pairs], logits_RL)


def _pearson(logits_RL: Tensor, target_RL: Tensor, weights_L: Tensor, kind: Kind) -> Tensor:
    """Sum over labels of 1 - Pearson's r over all rows of the batch; r counts as 0 where a side is constant."""
    pairs = _labelled_columns(logits_RL, target_RL, kind)
    return _sum_over_labels([1 - _correlation(pred_R, true_R) for pred_R, true_R in pairs], logits_RL)


def _mse(logits_RL: Tensor, target_RL: Tensor, weights_L: Tensor, kind: Kind) -> Tensor:
    """The mean squared error over all labelled entries."""
    row_N, label_N = (~target_RL.isnan()).nonzero(as_tuple=True)
    score_RL = kind.squash(logits_RL)
    score_N = score_RL[_beside(row_N, score_RL, index=True), _beside(label_N, score_RL, index=True)]
    error_N = score_N - _beside(target_RL[row_N, label_N], score_RL)
    return _mean_over_rows(error_N.square(), logits_RL)


def _concordance(pred_R: Tensor, true_R: Tensor) -> Tensor:
    pred_var, true_var, cov = _moments(pred_R, true_R)
    spread = pred_var + true_var + (pred_R.mean() - true_R.mean()).square()
    return 2 * cov / torch.where(spread > 0, spread, 1.0)


def _correlation(pred_R: Tensor, true_R: Tensor) -> Tensor:
    # Constant is what min == max says: rounding in the mean can leave a variance of 1e-16 and a gradient of 1e8.
    varies = (pred_R.min() != pred_R.max()) & (true_R.min() != true_R.max())
    # r has no scale. Where a sigmoid is saturated, scores differ by so little that the gradient would be no number.
    reach = pred_R.detach().max() - pred_R.detach().min()
    pred_R = pred_R / torch.where(varies & (reach < SMALL), reach, 1.0)
    pred_var, true_var, cov = _moments(pred_R, true_R)
    varies = varies & (pred_var.detach().sqrt() * true_var.sqrt() > 0)
    # the inner `where` keeps the gradient of what is not chosen finite
    spread = torch.where(varies, pred_var, 1.0).sqrt() * torch.where(varies, true_var, 1.0).sqrt()
    return torch.where(varies, cov / spread, 0.0)


def _moments(pred_R: Tensor, true_R: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Population variances of both sides and their covariance, in two passes."""
    pred_R, true_R = pred_R - pred_R.mean(), true_R - true_R.mean()
    return pred_R.square().mean(), true_R.square().mean(), (pred_R * true_R).mean()


def _labelled_columns(logits_RL: Tensor, target_RL: Tensor, kind: Kind) -> list[tuple[Tensor, Tensor]]:
    """For each label with a labelled row: its scores and targets, those of half precision as float32."""
    score_RL = kind.squash(logits_RL)
    if score_RL.dtype not in (torch.float32, torch.float64):
        score_RL = score_RL.float()
    labelled_RL = ~target_RL.isnan()
    rows = [_places(labelled_RL[:, label]) for label in range(target_RL.shape[1])]
    return [
        (score_RL[_beside(row_N, score_RL, index=True), j], _beside(target_RL[row_N, j], score_RL))
        for j, row_N in enumerate(rows)
        if len(row_N)
    ]


def _places(mask_R: Tensor) -> Tensor:
    """Where a mask holds, as indices: how many there are is then a shape and nothing to ask a device for."""
    return mask_R.nonzero().squeeze(1)


def _beside(tensor: Tensor, other: Tensor, *, index: bool = False) -> Tensor:
    """The tensor where `other` is, and of its type unless it is an index; nobody waits for the copy."""
    there = to_device(tensor, str(other.device)) if tensor.device != other.device else tensor
    return there if index else there.to(other.dtype)


def _sum_over_labels(terms: list[Tensor], logits_RL: Tensor) -> Tensor:
    return torch.stack(terms).sum() if terms else 0 * logits_RL.sum()


def _mean_over_rows(loss_R: Tensor, logits_RL: Tensor) -> Tensor:
    return loss_R.mean() if len(loss_R) else 0 * logits_RL.sum()


def _expect(kind: Kind, name: str, loss: str) -> None:
    if kind.name != name:
        raise UserError(f"Loss {loss!r} is for {name} labels, this task's are {kind.name}. Known: {', '.join(LOSSES)}")


LOSSES: dict[str, Loss] = {"ce": _ce, "bce": _bce, "ccc": _ccc, "pearson": _pearson, "mse": _mse}
