from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.errors import UserError
from netease_abaw6 import pretrain_state
from netease_abaw6.pretrain import Engine, PretrainRecipe, Training
from netease_abaw6.pretrain_ranks import Ranks
from netease_abaw6.pretrain_stream import Part

TINY = PretrainRecipe(
    width=32, depth=1, heads=2, patch=8, image=32, decoder_width=16, decoder_depth=1, decoder_heads=2,
    epochs=2, batch=8, base_lr=0.05, warmup_epochs=1,
)  # fmt: skip
FACTS = {**TINY.facts(), "seed": 0, "images": 24}


def fresh() -> Training:
    return Training(TINY, 0, 24, Ranks(), Engine())


def go(training: Training, until: int) -> Training:
    def part(step: int) -> Part:
        generator = torch.Generator().manual_seed(step)
        images_BCSS = torch.randint(0, 255, (8, 3, 32, 32), dtype=torch.uint8, generator=generator)
        return Part(images_BCSS, torch.rand(8, 16, generator=generator), torch.arange(8), 8)

    for _ in training.run(part(step) for step in range(training.step, until)):
        pass
    return training


def test_a_checkpoint_goes_on_exactly_within_an_epoch(tmp_path: Path) -> None:
    whole = go(fresh(), 6)
    stopped = go(fresh(), 2)
    pretrain_state.save(tmp_path / "new" / "t.pt", stopped, FACTS, {"a.jpg": "broken"})
    again = fresh()
    assert pretrain_state.resume(tmp_path / "new" / "t.pt", again, FACTS) == {"a.jpg": "broken"}
    assert again.step == 2
    go(again, 6)
    assert torch.equal(again.lately, whole.lately)
    assert torch.equal(again.epoch, whole.epoch)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor), name
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["t.pt"]


def test_another_training_is_refused(tmp_path: Path) -> None:
    pretrain_state.save(tmp_path / "t.pt", fresh(), FACTS, {})
    with pytest.raises(UserError, match=r"t\.pt is of another training: seed=0 \(now 1\), images=24 \(now 25\)"):
        pretrain_state.resume(tmp_path / "t.pt", fresh(), {**FACTS, "seed": 1, "images": 25})
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"another training: width=None \(now 32\)"):
        pretrain_state.resume(tmp_path / "other.pt", fresh(), FACTS)


def test_weights_are_those_of_the_model() -> None:
    training = go(fresh(), 1)
    state = pretrain_state.weights(training)
    assert list(state) == list(training.model.state_dict())
    assert all(torch.equal(tensor, training.model.state_dict()[name]) for name, tensor in state.items())
