from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from harness.errors import MissingData, UserError
from harness.progress import silent
from harness.resources import Resources
from harness.types import Encoder, ImageInput
from netease_abaw6.mae import MaeEncoder, mae_vit, mae_vit_b, mae_vit_b_frozen, mae_vit_l, mae_vit_s, mae_vit_t

SMALL: dict[str, Any] = {"width": 32, "depth": 2, "heads": 2, "patch": 8, "image": 32}
BRIEF: dict[str, Any] = {"pretrain_epochs": 1, "pretrain_batch": 8, "pretrain_warmup": 0}
DECODER: dict[str, Any] = {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2}


class OneDict:
    """A store in memory, as the core's: the key is the stage with its parts."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.computed: list[Mapping[str, Any]] = []

    def stage(self, name: str, parts: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        key = repr((name, sorted(parts.items())))
        if key not in self.kept:
            self.kept[key] = compute()
            self.computed.append(parts)
        return self.kept[key]


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for index in range(12):
        folder = tmp_path / "faces" / f"person{index % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 255, (4, 4, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
        Pillow.fromarray(pixels).save(folder / f"{index:05d}.jpg")
    return tmp_path / "faces"


def resources(store: Any = None, seed: int = 0, root: Path = Path("absent")) -> Resources:
    return Resources(store=store, device="cpu", seed=seed, locate=lambda name: root, progress=silent)


def images(count: int = 2, size: int = 32) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_an_encoder_gives_one_token_per_image() -> None:
    encoder = mae_vit(weights="random", **SMALL, resources=resources())
    tokens_BD = encoder(images(3))
    assert isinstance(encoder, Encoder)
    assert (encoder.modality, encoder.dim, encoder.input) == ("image", 32, ImageInput(size=32))
    assert tokens_BD.shape == (3, 32)
    assert tokens_BD.dtype == torch.float32


def test_a_token_is_the_normed_mean_of_patch_tokens_and_does_not_depend_on_the_batch() -> None:
    encoder = mae_vit(weights="random", **SMALL, resources=resources())
    with torch.inference_mode():
        both_BD = encoder(images(2))
        torch.testing.assert_close(encoder(images(2)[1:]), both_BD[1:], rtol=1e-5, atol=1e-5)
        patches_BND = encoder.vit.forward_features(images(2))[:, 1:]
        expected_BD = torch.nn.functional.layer_norm(patches_BND.mean(1), (32,), eps=1e-6)
        torch.testing.assert_close(both_BD, expected_BD, rtol=1e-5, atol=1e-5)


def test_gradients_reach_every_weight_through_the_module() -> None:
    encoder = mae_vit(weights="random", **SMALL, drop_path=0.1, resources=resources())
    assert encoder.module is not None
    encoder(images()).square().sum().backward()
    assert [name for name, p in encoder.module.named_parameters() if p.grad is None] == []


def test_a_frozen_encoder_has_nothing_to_train() -> None:
    encoder = mae_vit(weights="random", **SMALL, frozen=True, resources=resources())
    assert encoder.module is None
    assert not encoder(images()).requires_grad


def test_random_weights_follow_the_seed_and_leave_the_callers_stream_alone() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (mae_vit(weights="random", **SMALL, resources=resources(seed=s)) for s in (1, 1, 2))
    assert torch.equal(first(images()), again(images()))
    assert not torch.equal(first(images()), other(images()))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_pretraining_on_data_happens_once_per_recipe(faces: Path) -> None:
    store = OneDict()

    def make(**options: Any) -> MaeEncoder:
        options = {**SMALL, **BRIEF, **DECODER, **options}
        return mae_vit(weights="data:demo-pretrain", **options, resources=resources(store, root=faces))

    first, again = make(), make()
    assert torch.equal(first(images()), again(images()))
    assert len(store.computed) == 1
    assert store.computed[0]["data"] == "demo-pretrain"
    make(pretrain_epochs=2)
    assert len(store.computed) == 2
    random = mae_vit(weights="random", **SMALL, resources=resources())
    assert not torch.equal(first(images()), random(images()))


def test_weights_are_never_made_up(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="known checkpoints"):
        mae_vit(weights="mae_face.pth", **SMALL, resources=resources())
    with pytest.raises(MissingData, match="No images for pre-training"):
        mae_vit(weights="data:demo-pretrain", **SMALL, resources=resources(OneDict(), root=tmp_path))


@pytest.mark.parametrize("wrong", [{"image": 30}, {"heads": 5}])
def test_sizes_that_do_not_divide_are_a_users_mistake(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match="no multiple of"):
        mae_vit(weights="random", **{**SMALL, **wrong}, resources=resources())


def test_the_named_sizes_are_those_of_vision_transformers() -> None:
    sizes = {}
    for name, factory in {"t": mae_vit_t, "s": mae_vit_s, "b": mae_vit_b, "l": mae_vit_l}.items():
        defaults = inspect.signature(factory).parameters
        sizes[name] = tuple(defaults[option].default for option in ("width", "depth", "heads"))
        source = inspect.getmodule(factory)
        assert source is not None
        assert source.__name__ == "netease_abaw6.mae"
    assert sizes == {"t": (192, 12, 3), "s": (384, 12, 6), "b": (768, 12, 12), "l": (1024, 24, 16)}


def test_vit_b_has_the_published_number_of_weights() -> None:
    with torch.device("meta"):
        from netease_abaw6.mae import build_vit

        vit = build_vit(width=768, depth=12, heads=12, patch=16, image=224, drop_path=0.0, pool="avg")
    assert round(sum(p.numel() for p in vit.parameters()) / 1e6, 1) == 85.8


def test_the_frozen_variant_is_the_same_network_with_nothing_to_train() -> None:
    frozen, plain = (make(weights="random", **SMALL, resources=resources()) for make in (mae_vit_b_frozen, mae_vit_b))
    assert frozen.module is None
    assert not any(p.requires_grad for p in frozen.network.parameters())
    with torch.inference_mode():
        assert torch.equal(frozen(images()), plain(images()))
