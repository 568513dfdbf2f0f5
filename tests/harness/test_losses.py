"""Eq. 1, 2 and 4 against sums written out by hand in float64, with nothing of the implementation in them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from harness import losses
from harness.errors import UserError
from harness.kinds import ANY_OF, ONE_OF, continuous

NAN = float("nan")
VA = continuous("ccc", -1, 1)
EMI = continuous("pearson", 0, 1)
EXPR_WEIGHTS = [1.0, 10.40, 16.23, 19.61, 1.86, 2.23, 5.61, 1.06]
AU_WEIGHTS = [5.28, 12.43, 3.92, 2.37, 1.57, 1.82, 2.59, 22.66, 20.12, 22.10, 1.0, 8.26]


def draw(rows: int, labels: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, labels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def ce_by_hand(logits, target, weights) -> float:
    rows = []
    for x, z in zip(logits, target, strict=True):
        if any(map(math.isnan, z)):
            continue
        total = sum(math.exp(v) for v in x)
        terms = [w * zj * math.log(math.exp(v) / total) for w, zj, v in zip(weights, z, x, strict=True)]
        rows.append(-sum(terms) / len(x))
    return sum(rows) / len(rows)


def bce_by_hand(logits, target, weights) -> float:
    rows = []
    for x, y in zip(logits, target, strict=True):
        if all(map(math.isnan, y)):
            continue
        total = 0.0
        for w, yj, v in zip(weights, y, x, strict=True):
            if not math.isnan(yj):
                total -= w * (yj * math.log(sigmoid(v)) + (1 - yj) * math.log(1 - sigmoid(v)))
        rows.append(total / len(x))
    return sum(rows) / len(rows)


def ccc_by_hand(pred, true) -> float:
    n = len(pred)
    mp, mt = sum(pred) / n, sum(true) / n
    vp, vt = sum((p - mp) ** 2 for p in pred) / n, sum((t - mt) ** 2 for t in true) / n
    rho = sum((p - mp) * (t - mt) for p, t in zip(pred, true, strict=True)) / n / math.sqrt(vp * vt)
    return 2 * rho * math.sqrt(vp) * math.sqrt(vt) / (vp + vt + (mp - mt) ** 2)


def test_ce_is_equation_2():
    logits, label = draw(20, 8), torch.randint(8, (20,), generator=torch.Generator().manual_seed(1))
    target = torch.eye(8, dtype=torch.float64)[label]
    got = losses.by_name("ce")(logits, target, torch.tensor(EXPR_WEIGHTS, dtype=torch.float64), ONE_OF)
    assert got.item() == pytest.approx(ce_by_hand(logits.tolist(), target.tolist(), EXPR_WEIGHTS), rel=1e-12)


def test_ce_divides_by_the_number_of_labels_and_not_by_the_sum_of_weights():
    logits, target = draw(20, 8), torch.eye(8, dtype=torch.float64)[[3] * 20]
    ones, tens = torch.ones(8), torch.full((8,), 10.0)
    plain = torch.nn.functional.cross_entropy(logits, target)
    torch.testing.assert_close(losses.by_name("ce")(logits, target, ones, ONE_OF), plain / 8)
    torch.testing.assert_close(losses.by_name("ce")(logits, target, tens, ONE_OF), 10 * plain / 8)


def test_ce_takes_soft_targets():
    logits, target = draw(6, 8), torch.softmax(draw(6, 8, seed=1), dim=1)
    got = losses.by_name("ce")(logits, target, torch.ones(8), ONE_OF)
    assert got.item() == pytest.approx(ce_by_hand(logits.tolist(), target.tolist(), [1.0] * 8), rel=1e-12)


def test_ce_leaves_out_unlabelled_rows():
    logits, target = draw(4, 8), torch.eye(8, dtype=torch.float64)[[0, 1, 2, 3]]
    target[1], target[3] = NAN, NAN
    weights = torch.tensor(EXPR_WEIGHTS)
    got = losses.by_name("ce")(logits, target, weights, ONE_OF)
    torch.testing.assert_close(got, losses.by_name("ce")(logits[[0, 2]], target[[0, 2]], weights, ONE_OF))


def test_bce_is_equation_1():
    logits, target = draw(20, 12), (draw(20, 12, seed=1) > 0).double()
    got = losses.by_name("bce")(logits, target, torch.tensor(AU_WEIGHTS, dtype=torch.float64), ANY_OF)
    assert got.item() == pytest.approx(bce_by_hand(logits.tolist(), target.tolist(), AU_WEIGHTS), rel=1e-12)


def test_bce_weights_multiply_both_terms():
    logits = draw(1, 12)
    for value in (0.0, 1.0):
        target = torch.full((1, 12), value, dtype=torch.float64)
        once = losses.by_name("bce")(logits, target, torch.ones(12), ANY_OF)
        torch.testing.assert_close(losses.by_name("bce")(logits, target, torch.full((12,), 3.0), ANY_OF), 3 * once)


def test_bce_leaves_out_unlabelled_entries_and_rows():
    logits, target = draw(5, 12), (draw(5, 12, seed=1) > 0).double()
    target[0, :4], target[3, 11], target[2] = NAN, NAN, NAN
    got = losses.by_name("bce")(logits, target, torch.tensor(AU_WEIGHTS, dtype=torch.float64), ANY_OF)
    assert got.item() == pytest.approx(bce_by_hand(logits.tolist(), target.tolist(), AU_WEIGHTS), rel=1e-12)


@pytest.mark.parametrize(("name", "kind"), [("ce", ONE_OF), ("bce", ANY_OF)])
def test_extreme_logits_stay_finite(name, kind):
    logits = torch.tensor([[1000.0, -1000.0], [-1000.0, 1000.0]], requires_grad=True)
    loss = losses.by_name(name)(logits, torch.eye(2).flip(0), torch.ones(2), kind)
    loss.backward()
    assert loss.item() == pytest.approx(2000 / 2 if name == "ce" else 1000)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_ccc_is_equation_4():
    logits, target = draw(50, 2), torch.tanh(draw(50, 2, seed=1))
    pred = [[-1 + 2 * sigmoid(v) for v in column] for column in logits.T.tolist()]
    by_hand = sum(1 - ccc_by_hand(p, t) for p, t in zip(pred, target.T.tolist(), strict=True))
    assert losses.by_name("ccc")(logits, target, torch.ones(2), VA).item() == pytest.approx(by_hand, rel=1e-12)


def test_ccc_of_the_targets_themselves_is_one():
    logits = draw(7, 2)
    assert losses.by_name("ccc")(logits, VA.squash(logits), torch.ones(2), VA).item() == pytest.approx(0, abs=1e-12)


def test_pearson_is_the_sum_of_one_minus_r():
    logits, target = draw(50, 6), torch.sigmoid(draw(50, 6, seed=1))
    pred = torch.sigmoid(logits).numpy()
    by_hand = sum(1 - np.corrcoef(pred[:, j], target.numpy()[:, j])[0, 1] for j in range(6))
    assert losses.by_name("pearson")(logits, target, torch.ones(6), EMI).item() == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("offset", [0, -20, -40, -50, -80])
@pytest.mark.parametrize("spread", [1e-3, 1.0])
def test_pearson_of_saturated_scores_has_the_gradient_of_float64(offset: int, spread: float):
    """Where a sigmoid is nearly 0, scores of one batch can differ by 1e-22, whose fourth power leaves float32."""
    logits_RL, target = spread * draw(64, 2) + offset, torch.sigmoid(draw(64, 2, seed=1))
    found = []
    for dtype in (torch.float64, torch.float32):
        ready_RL = logits_RL.to(dtype).clone().requires_grad_()
        losses.by_name("pearson")(ready_RL, target.to(dtype), torch.ones(2), EMI).backward()
        assert ready_RL.grad is not None
        found.append(ready_RL.grad.double())
    torch.testing.assert_close(found[1], found[0], atol=5e-3 * float(found[0].abs().max()), rtol=0)


def test_mse_is_the_mean_over_labelled_entries():
    logits, target = torch.zeros(2, 2, dtype=torch.float64), torch.tensor([[0.5, 1.0], [NAN, 0.0]], dtype=torch.float64)
    assert losses.by_name("mse")(logits, target, torch.ones(2), EMI).item() == pytest.approx((0 + 0.25 + 0.25) / 3)


@pytest.mark.parametrize("name", ["ccc", "pearson"])
def test_unlabelled_entries_leave_a_label_by_itself(name):
    logits, target = draw(30, 2), torch.tanh(draw(30, 2, seed=1))
    target[5:9, 0] = NAN
    rest = [r for r in range(30) if not 5 <= r < 9]
    loss = losses.by_name(name)
    alone = loss(logits[rest][:, :1], target[rest][:, :1], torch.ones(1), VA)
    alone = alone + loss(logits[:, 1:], target[:, 1:], torch.ones(1), VA)
    torch.testing.assert_close(loss(logits, target, torch.ones(2), VA), alone)


@pytest.mark.parametrize("name", ["ccc", "pearson"])
@pytest.mark.parametrize(
    ("logits", "target"),
    [
        ([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [0.3] * 7),
        ([0.0] * 7, [0.0] * 7),
        ([0.3], [0.4]),
        ([-90.0, -91.0], [0.0, 1.0]),
    ],
    ids=["prediction", "target", "both equal", "one row", "underflow"],
)
def test_constants_count_as_no_agreement_with_a_finite_gradient(name, logits, target):
    logits_RL = torch.tensor(logits)[:, None].requires_grad_()
    kind = EMI if min(logits) < -9 else VA
    loss = losses.by_name(name)(logits_RL, torch.tensor(target)[:, None], torch.ones(1), kind)
    loss.backward()
    assert loss.item() == pytest.approx(1, abs=1e-6)
    assert logits_RL.grad is not None
    assert torch.isfinite(logits_RL.grad).all()


@pytest.mark.parametrize(
    ("name", "kind"), [("ce", ONE_OF), ("bce", ANY_OF), ("ccc", VA), ("pearson", EMI), ("mse", EMI)]
)
class TestEveryLoss:
    def target(self, kind, rows=16):
        if kind is ONE_OF:
            return torch.eye(4)[torch.arange(rows) % 4]
        values = torch.rand(rows, 4, generator=torch.Generator().manual_seed(2))
        return values.round() if kind is ANY_OF else values

    def test_without_labels_is_zero_with_a_zero_gradient(self, name, kind):
        logits = draw(3, 4).requires_grad_()
        loss = losses.by_name(name)(logits, torch.full((3, 4), NAN), torch.ones(4), kind)
        loss.backward()
        assert loss.item() == 0
        assert torch.equal(logits.grad, torch.zeros(3, 4, dtype=torch.float64))

    def test_a_step_down_its_gradient_lowers_it(self, name, kind):
        logits, target, weights = draw(16, 4).requires_grad_(), self.target(kind), torch.ones(4)
        loss = losses.by_name(name)(logits, target, weights, kind)
        (slope,) = torch.autograd.grad(loss, logits)
        assert losses.by_name(name)(logits - 0.1 * slope, target, weights, kind).item() < loss.item()

    def test_unlabelled_entries_get_no_gradient(self, name, kind):
        logits, target = draw(16, 4).requires_grad_(), self.target(kind)
        target[3] = NAN
        losses.by_name(name)(logits, target, torch.ones(4), kind).backward()
        assert torch.equal(logits.grad[3], torch.zeros(4, dtype=torch.float64))
        assert logits.grad.abs().sum() > 0

    def test_half_precision_gives_a_finite_loss(self, name, kind):
        logits = draw(16, 4).to(torch.bfloat16).requires_grad_()
        loss = losses.by_name(name)(logits, self.target(kind), torch.ones(4), kind)
        loss.backward()
        exact = losses.by_name(name)(logits.detach().double(), self.target(kind), torch.ones(4), kind)
        assert loss.item() == pytest.approx(exact.item(), rel=0.05)


def test_a_wrong_name_lists_near_ones():
    with pytest.raises(UserError, match=r"No loss is called 'cccc'\. Did you mean 'ccc'"):
        losses.by_name("cccc")


@pytest.mark.parametrize(("name", "kind"), [("ce", VA), ("bce", ONE_OF)])
def test_a_loss_for_other_labels_is_refused(name, kind):
    with pytest.raises(UserError, match=f"Loss '{name}' is for"):
        losses.by_name(name)(draw(2, 2), draw(2, 2), torch.ones(2), kind)


@pytest.mark.parametrize("published", [EXPR_WEIGHTS, AU_WEIGHTS], ids=["expr", "au"])
def test_label_weights_give_back_the_published_ones_from_frequencies_of_that_shape(published):
    rows = 1_000_000
    positives = [0.4 * rows / w for w in published]
    torch.testing.assert_close(losses.label_weights(positives, rows), torch.tensor(published))


def test_label_weights_count_the_labelled_rows_of_each_label():
    got = losses.label_weights(np.array([50, 10, 0]), np.array([100, 40, 0]))
    torch.testing.assert_close(got, torch.tensor([1.0, 2.0, 1.0]))


def test_label_weights_without_any_label_are_ones():
    assert torch.equal(losses.label_weights([0, 0], 10), torch.ones(2))
