from __future__ import annotations

import numpy as np
import pytest
import torch

from harness import losses
from harness.errors import UserError
from harness.kinds import ANY_OF, ONE_OF, Kind, continuous

VA = continuous("ccc", -1, 1)
EMI = continuous("pearson", 0, 1)
LOGITS_RL = torch.tensor([[0.0, 1.0, -2.0], [30.0, -30.0, 0.5]])


def test_the_kinds_name_their_metric_and_loss():
    assert (ONE_OF.metric, ONE_OF.loss_name) == ("f1", "ce")
    assert (ANY_OF.metric, ANY_OF.loss_name) == ("f1", "bce")
    assert Kind("continuous", "ccc", "ccc", -1, 1) == VA
    assert Kind("continuous", "pearson", "pearson", 0, 1) == EMI


def test_one_of_squashes_to_shares():
    scores_RL = ONE_OF.squash(LOGITS_RL)
    torch.testing.assert_close(scores_RL.sum(dim=1), torch.ones(2))
    torch.testing.assert_close(scores_RL, LOGITS_RL.exp() / LOGITS_RL.exp().sum(dim=1, keepdim=True))


def test_one_of_squashes_the_last_axis_of_clips_too():
    clips_BTL = LOGITS_RL.reshape(1, 2, 3).expand(4, 2, 3)
    torch.testing.assert_close(ONE_OF.squash(clips_BTL)[2], ONE_OF.squash(LOGITS_RL))


def test_any_of_squashes_each_label_by_itself():
    torch.testing.assert_close(ANY_OF.squash(LOGITS_RL), 1 / (1 + (-LOGITS_RL).exp()))


@pytest.mark.parametrize(("kind", "middle"), [(VA, 0.0), (EMI, 0.5), (continuous("ccc", 2, 6), 4.0)])
def test_continuous_squashes_into_its_bounds(kind, middle):
    scores = kind.squash(torch.tensor([[-200.0, 0.0, 200.0]]))
    torch.testing.assert_close(scores, torch.tensor([[kind.low, middle, kind.high]]))


def test_one_of_decides_for_the_first_of_the_best():
    scores_RL = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4], [0.0, 0.0, 0.0]], np.float32)
    np.testing.assert_array_equal(ONE_OF.decide(scores_RL), [[0, 1, 0], [1, 0, 0], [1, 0, 0]])
    assert ONE_OF.decide(scores_RL).dtype == np.float32


def test_any_of_decides_for_a_label_from_one_half_on():
    below = np.nextafter(np.float32(0.5), np.float32(0))
    decided_RL = ANY_OF.decide(np.array([[0.5, below, 0.9]], np.float32))
    np.testing.assert_array_equal(decided_RL, [[1, 0, 1]])
    assert decided_RL.dtype == np.float32


def test_continuous_decides_for_the_value_itself():
    scores_RL = np.array([[-0.3, 0.7]], np.float32)
    np.testing.assert_array_equal(VA.decide(scores_RL), scores_RL)


@pytest.mark.parametrize("kind", [ONE_OF, ANY_OF])
@pytest.mark.parametrize("rows", [0, 1])
def test_decisions_keep_the_shape(kind, rows):
    assert kind.decide(np.zeros((rows, 5), np.float32)).shape == (rows, 5)


@pytest.mark.parametrize("kind", [ONE_OF, ANY_OF, VA, EMI], ids=lambda kind: kind.loss_name)
def test_the_loss_is_the_one_named(kind):
    target_RL, weights_L = torch.eye(3)[[1, 0]], torch.tensor([1.0, 2.0, 3.0])
    named = losses.by_name(kind.loss_name)(LOGITS_RL, target_RL, weights_L, kind)
    assert torch.equal(kind.loss(LOGITS_RL, target_RL, weights_L), named)


def test_an_unknown_loss_is_a_users_mistake():
    kind = Kind("any_of", "f1", "focal")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="No loss is called 'focal'"):
        kind.loss(LOGITS_RL, LOGITS_RL, torch.ones(3))
