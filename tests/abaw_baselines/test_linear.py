from __future__ import annotations

import numpy as np
import pytest
import torch

from abaw_baselines.fusions import linear
from abaw_baselines.linear import logistic, ridge
from harness.errors import HarnessError
from harness.kinds import ANY_OF, ONE_OF, continuous

VA = continuous("ccc", -1, 1)
WIDTHS = {"image": 5, "audio": 3}


def batch(seed: int, clips: int = 6, frames: int = 8):
    """tokens, mask and no target: the last two frames of the last clip are padding, its sound is missing."""
    rng = torch.Generator().manual_seed(seed)
    tokens = {"image": torch.randn(clips, frames, 5, generator=rng), "audio": torch.randn(clips, 1, 3, generator=rng)}
    mask = {"image": torch.ones(clips, frames, dtype=torch.bool), "audio": torch.ones(clips, 1, dtype=torch.bool)}
    mask["image"][-1, -2:] = False
    mask["audio"][-1] = False
    return tokens, mask


def test_ridge_equals_scikit_learn():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    x, y = rng.normal(2, 3, (200, 6)), rng.normal(size=(200, 2))
    weight_DL, bias_L = ridge(torch.from_numpy(x).float(), torch.from_numpy(y).float(), 0.1)
    reference = Ridge(alpha=0.1 * 200).fit(x.astype(np.float32).astype(float), y.astype(np.float32).astype(float))
    np.testing.assert_allclose(weight_DL.numpy().T, reference.coef_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(bias_L.numpy(), reference.intercept_, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def labelled() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    logits = x @ rng.normal(size=(4, 3)) + np.array([2.0, 0, -1])
    return x, (logits + rng.gumbel(size=logits.shape)).argmax(1)


def test_multinomial_equals_scikit_learn(labelled):
    from sklearn.linear_model import LogisticRegression

    x, y = labelled
    weight_DL, bias_L = logistic(torch.from_numpy(x), torch.eye(3)[y], 0.02, ONE_OF)
    reference = LogisticRegression(C=1 / (0.02 * len(x)), class_weight="balanced", tol=1e-8, max_iter=1000).fit(x, y)
    ours = torch.softmax(torch.from_numpy(x) @ weight_DL + bias_L, -1).numpy()
    np.testing.assert_allclose(ours, reference.predict_proba(x), atol=1e-3)


def test_one_regression_per_label_equals_scikit_learn_and_skips_unknown_entries(labelled):
    from sklearn.linear_model import LogisticRegression

    x, y = labelled
    target_RL = torch.eye(3)[y][:, :2].clone()
    target_RL[:50, 1] = float("nan")
    weight_DL, bias_L = logistic(torch.from_numpy(x), target_RL, 0.02, ANY_OF)
    for label, rows in ((0, slice(0, None)), (1, slice(50, None))):
        n = len(x[rows])
        reference = LogisticRegression(C=1 / (0.02 * n), class_weight="balanced", tol=1e-8, max_iter=1000)
        reference.fit(x[rows], (y == label)[rows])
        ours = torch.sigmoid(torch.from_numpy(x) @ weight_DL[:, label] + bias_L[label]).numpy()
        np.testing.assert_allclose(ours, reference.predict_proba(x)[:, 1], atol=1e-3)


def test_values_come_back_through_the_squash():
    tokens, mask = batch(0, clips=40)
    truth_BTL = torch.stack([0.2 * tokens["image"][..., 0], 0.1 * tokens["audio"][..., 1].expand(-1, 8)], -1)
    truth_BTL = truth_BTL.clamp(-0.9, 0.9)
    target_BTL = truth_BTL.masked_fill(~mask["image"][..., None], float("nan"))
    model = linear(WIDTHS, 2, l2=1e-4)
    model.solve(iter([(tokens, mask, target_BTL)]), VA)
    fresh_tokens, fresh_mask = batch(1)
    scores_BTL = VA.squash(model(fresh_tokens, fresh_mask))
    image_BT, audio_BT = fresh_tokens["image"][..., 0], fresh_tokens["audio"][..., 1].expand(-1, 8)
    truth_BTL = torch.stack([0.2 * image_BT, 0.1 * audio_BT], -1)
    torch.testing.assert_close(scores_BTL[:-1], truth_BTL[:-1], atol=0.05, rtol=0)


def test_what_is_masked_out_is_not_read():
    tokens, mask = batch(2, clips=20)
    target_BTL = torch.rand(20, 8, 2).masked_fill(~mask["image"][..., None], float("nan"))
    model, spoilt = linear(WIDTHS, 2), linear(WIDTHS, 2)
    model.solve([(tokens, mask, target_BTL)], VA)
    broken = {m: t.masked_fill(~mask[m][..., None], float("nan")) for m, t in tokens.items()}
    spoilt.solve([(broken, mask, target_BTL)], VA)
    torch.testing.assert_close(spoilt.state_dict(), model.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(spoilt(broken, mask), model(tokens, mask), rtol=0, atol=0)


@pytest.mark.parametrize("kind", [VA, ONE_OF, ANY_OF], ids=lambda kind: kind.name)
def test_the_state_is_the_model(kind):
    tokens, mask = batch(3)
    target_BTL = torch.eye(3)[torch.randint(3, (6, 8), generator=torch.Generator().manual_seed(0))]
    model, copy = linear(WIDTHS, 3), linear(WIDTHS, 3)
    model.solve([(tokens, mask, target_BTL)], kind)
    copy.load_state_dict(model.state_dict())
    logits_BTL = copy(tokens, mask)
    assert logits_BTL.shape == (6, 8, 3)
    assert logits_BTL.isfinite().all()
    torch.testing.assert_close(logits_BTL, model(tokens, mask), rtol=0, atol=0)


def test_a_label_without_a_positive_row_stays_finite():
    tokens, mask = batch(4)
    never_third_BTL = torch.eye(3)[torch.arange(48).reshape(6, 8) % 2]
    for kind, target_BTL in ((ONE_OF, never_third_BTL), (ANY_OF, torch.zeros(6, 8, 3))):
        model = linear(WIDTHS, 3)
        model.solve([(tokens, mask, target_BTL)], kind)
        scores_BTL = kind.squash(model(tokens, mask))
        assert scores_BTL.isfinite().all()
        assert (scores_BTL[..., 2] < 0.5).all()


def test_rows_are_spread_over_a_clip():
    tokens, mask = batch(5, clips=2)
    target_BTL = torch.zeros(2, 8, 1)
    target_BTL[0, :3] = float("nan")
    model = linear(WIDTHS, 1, frames=2)
    x_RD, _, _ = model._rows([(tokens, mask, target_BTL)], VA)
    assert torch.equal(x_RD[:, :5], torch.cat([tokens["image"][0, [3, 6]], tokens["image"][1, [0, 4]]]))


def test_no_labelled_row():
    tokens, mask = batch(6)
    with pytest.raises(HarnessError, match="no labelled training row"):
        linear(WIDTHS, 1).solve([(tokens, mask, torch.full((6, 8, 1), float("nan")))], VA)
