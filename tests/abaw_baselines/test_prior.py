from __future__ import annotations

import pytest
import torch

from abaw_baselines.prior import Prior
from harness.errors import HarnessError
from harness.kinds import ANY_OF, ONE_OF, continuous

NAN = float("nan")
TOKENS = {"image": torch.zeros(1, 4, 2)}
MASK = {"image": torch.ones(1, 4, dtype=torch.bool)}


@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        (ONE_OF, [[1, 0], [0, 1], [0, 1], [NAN, NAN]], [1 / 3, 2 / 3]),
        (ANY_OF, [[1, 0], [1, 1], [0, NAN], [NAN, NAN]], [2 / 3, 1 / 2]),
        (continuous("ccc", -1, 1), [[0.5, -1], [0, -0.5], [NAN, NAN], [NAN, NAN]], [0.25, -0.75]),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_answer_is_the_training_share_or_mean(kind, target, expected):
    model = Prior({"image": 2}, 2)
    model.solve(iter([(TOKENS, MASK, torch.tensor([target]))]), kind)
    copy = Prior({"image": 2}, 2)
    copy.load_state_dict(model.state_dict())
    scores_BTL = kind.squash(copy({"image": torch.randn(3, 5, 2)}, {}))
    torch.testing.assert_close(scores_BTL, torch.tensor(expected).expand(3, 5, 2))


def test_a_label_without_a_row():
    with pytest.raises(HarnessError, match=r"\[1\]"):
        Prior({"image": 2}, 2).solve([(TOKENS, MASK, torch.tensor([[[1, NAN]] * 4]))], ANY_OF)
