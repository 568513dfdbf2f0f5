from __future__ import annotations

import math

from netease_abaw6.pretrain_recipe import PretrainRecipe


def test_the_rate_warms_up_and_follows_a_cosine() -> None:
    recipe = PretrainRecipe(epochs=800, batch=4096, base_lr=1.5e-4, warmup_epochs=40)
    peak = 1.5e-4 * 16
    points = {0: 0.0, 20: peak / 2, 40: peak, 420: peak / 2, 800: 0.0}
    for epoch, expected in points.items():
        assert math.isclose(recipe.learning_rate(epoch), expected, abs_tol=1e-12)


def test_the_defaults_are_the_published_recipe() -> None:
    assert PretrainRecipe().facts() == {
        "width": 768, "depth": 12, "heads": 12, "patch": 16, "image": 224,
        "decoder_width": 512, "decoder_depth": 8, "decoder_heads": 16,
        "epochs": 800, "batch": 4096, "base_lr": 1.5e-4, "warmup_epochs": 40, "weight_decay": 0.05,
        "beta1": 0.9, "beta2": 0.95, "mask_ratio": 0.75, "smallest_crop": 0.2,
    }  # fmt: skip
