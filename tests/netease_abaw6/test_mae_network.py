from __future__ import annotations

import pytest
import torch

from harness.training import optimiser
from harness.types import Recipe
from netease_abaw6.mae import build_vit
from netease_abaw6.mae_network import MaeNetwork

DEPTH = 3


def network(pool: str, narrow: int, drop_path: float = 0.0) -> MaeNetwork:
    torch.manual_seed(0)
    vit = build_vit(width=16, depth=DEPTH, heads=2, patch=8, image=16, drop_path=drop_path, pool=pool)
    return MaeNetwork(vit, narrow)


def layer(name: str) -> int:
    """Where a parameter stands, counted by hand: 0 the embedding, 1 .. DEPTH the blocks, DEPTH + 1 what follows."""
    if name.startswith(("vit.cls_token", "vit.pos_embed", "vit.patch_embed")):
        return 0
    return int(name.split(".")[2]) + 1 if name.startswith("vit.blocks.") else DEPTH + 1


@pytest.mark.parametrize(("pool", "narrow"), [("avg", 0), ("token", 0), ("", 4)])
def test_each_layer_learns_slower_than_the_next(pool: str, narrow: int) -> None:
    module = network(pool, narrow)
    head = torch.nn.Linear(16, 2)
    groups = optimiser([module, head], Recipe(1, 0.1, 1, layer_decay=0.5, weight_decay=0.2)).param_groups
    rate = {id(p): group["lr"] * group.get("lr_scale", 1.0) for group in groups for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    expected = {name: 0.1 * 0.5 ** (DEPTH + 1 - layer(name)) for name, _ in module.named_parameters()}
    assert {n: rate[id(p)] for n, p in module.named_parameters()} == pytest.approx(expected)
    assert {rate[id(p)] for p in head.parameters()} == {0.1}
    spared = ("vit.cls_token", "vit.pos_embed")
    assert {n for n, p in module.named_parameters() if decay[id(p)] == 0} == {
        n for n, p in module.named_parameters() if p.ndim == 1 or n in spared
    }


def test_drop_path_is_at_work_in_training_and_at_rest_otherwise() -> None:
    images_BCHW = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    for drop_path, expected in ((0.9, False), (0.0, True)):
        module = network("avg", 0, drop_path).train()
        assert torch.equal(module(images_BCHW), module(images_BCHW)) is expected
        module.eval()
        assert torch.equal(module(images_BCHW), module(images_BCHW))
