from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from harness.errors import MissingData, UserError
from harness.types import Encoder, ImageInput
from harness.weights import sha256_of
from timm_encoders.encoder import timm_encoder


@pytest.fixture(scope="module")
def images_BCHW() -> torch.Tensor:
    return torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))


def test_random_weights_are_drawn_from_the_seed(images_BCHW):
    encoder = timm_encoder("test_resnet", weights="random")
    assert isinstance(encoder, Encoder)
    assert (encoder.modality, encoder.dim) == ("image", 96)
    assert encoder.input == ImageInput(160, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear")
    encoder.module.eval()
    tokens_BD = encoder(images_BCHW)
    again = timm_encoder("test_resnet", weights="random")
    other = timm_encoder("test_resnet", weights="random", seed=1)
    again.module.eval(), other.module.eval()
    assert tokens_BD.shape == (2, 96)
    torch.testing.assert_close(again(images_BCHW), tokens_BD, rtol=0, atol=0)
    assert not torch.equal(other(images_BCHW), tokens_BD)


def test_gradients_reach_the_module(images_BCHW):
    encoder = timm_encoder("test_vit", weights="random")
    encoder(images_BCHW).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.module.parameters())


@pytest.mark.parametrize(("name", "size"), [("test_resnet", 64), ("test_vit", 80)])
def test_image_changes_the_input_size(name, size):
    encoder = timm_encoder(name, weights="random", image=size)
    assert encoder.input.size == size
    assert encoder(torch.zeros(1, 3, size, size)).shape == (1, encoder.dim)


@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_local_weights_with_a_classifier(tmp_path: Path, images_BCHW, ending):
    torch.manual_seed(3)
    source = timm.create_model("test_resnet", num_classes=5).eval()
    path = tmp_path / f"model.{ending}"
    save_file(source.state_dict(), path) if ending == "safetensors" else torch.save(source.state_dict(), path)
    encoder = timm_encoder("test_resnet", weights=str(path))
    encoder.module.eval()
    expected_BD = source.forward_head(source.forward_features(images_BCHW), pre_logits=True)
    torch.testing.assert_close(encoder(images_BCHW), expected_BD, rtol=0, atol=0)


def test_weights_of_another_model(tmp_path: Path):
    path = tmp_path / "other.safetensors"
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), path)
    with pytest.raises(UserError, match="does not hold the weights of timm:test_resnet"):
        timm_encoder("test_resnet", weights=str(path))


def test_a_pickle_is_refused(tmp_path: Path):
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": Path("x")}, path)
    with pytest.raises(UserError, match="pickled objects are never loaded"):
        timm_encoder("test_resnet", weights=str(path))


@pytest.mark.parametrize("name", ["resnet18", "hf-hub:nobody/such-model"])
def test_unreachable_hub_names_the_way_out(name: str):
    with pytest.raises(MissingData, match=r"--set encoders\.image\.weights=PATH, or ask for weights=random") as raised:
        timm_encoder(name)
    assert (raised.value.exit_code, "\n" in str(raised.value)) == (3, False)


def test_missing_file(tmp_path: Path):
    with pytest.raises(MissingData, match=r"nowhere\.pth is not a file\. Weights of timm:resnet18 are a file, hf:"):
        timm_encoder("resnet18", weights=str(tmp_path / "nowhere.pth"))


def test_weights_by_url_are_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images_BCHW):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), tmp_path / "net.safetensors")
    sha256 = sha256_of(tmp_path / "net.safetensors")
    kept = tmp_path / "weights" / sha256 / "net.safetensors"
    kept.parent.mkdir(parents=True)
    (tmp_path / "net.safetensors").rename(kept)
    by_url = timm_encoder("test_resnet", weights=f"https://host/net.safetensors#sha256={sha256}")
    by_path = timm_encoder("test_resnet", weights=str(kept))
    by_url.module.eval(), by_path.module.eval()
    torch.testing.assert_close(by_url(images_BCHW), by_path(images_BCHW), rtol=0, atol=0)


def test_unknown_model_names_near_ones():
    with pytest.raises(UserError, match=r"no model called 'resnet81'.*Did you mean.*'resnet18'"):
        timm_encoder("resnet81", weights="random")
