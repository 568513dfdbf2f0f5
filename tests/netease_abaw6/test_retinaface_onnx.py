"""An exported network gives what the network gives, whatever the number of images; outputs are told apart by width."""

from __future__ import annotations

from dataclasses import astuple
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.errors import UserError
from harness.media import VideoFile
from netease_abaw6.retinaface import PRESETS, RetinaFace, load
from netease_abaw6.retinaface_net import RetinaFaceNet
from netease_abaw6.retinaface_onnx import OnnxNet

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def export(net: nn.Module, path: Path) -> Path:
    axes = {"input": {0: "batch", 2: "height", 3: "width"}}
    example = torch.rand(1, 3, 64, 64)
    torch.onnx.export(net, (example,), str(path), dynamo=False, input_names=["input"], dynamic_axes=axes)
    return path


@pytest.fixture(scope="module")
def net() -> RetinaFaceNet:
    torch.manual_seed(0)
    preset = PRESETS["mnet025_1mb"]
    return RetinaFaceNet(preset.backbone, preset.slope, preset.width).eval()


@pytest.fixture(scope="module")
def exported(net: RetinaFaceNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(net, tmp_path_factory.mktemp("onnx") / "retinaface.onnx")


pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")


@pytest.mark.parametrize("shape", [(1, 64, 64), (3, 80, 96)])
def test_an_exported_network_gives_what_torch_gives(
    parity, net: RetinaFaceNet, exported: Path, shape: tuple[int, int, int]
) -> None:
    batch, height, width = shape
    pixels_BCHW = 50 * torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = net(pixels_BCHW)
    for ours, theirs in zip(OnnxNet(exported, "cpu")(pixels_BCHW), expected, strict=True):
        assert ours.shape == theirs.shape
        parity("RetinaFace through ONNX", "the same network in PyTorch", (ours - theirs).abs().max(), at_most=2e-5)


class Logits(nn.Module):
    """Landmarks first, then logits, then offsets: an order of another's export."""

    def forward(self, pixels_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        flat_BN1 = pixels_BCHW.mean(1).flatten(1).unsqueeze(-1)
        return flat_BN1.expand(-1, -1, 10) * 3, torch.cat([-flat_BN1, flat_BN1], -1), flat_BN1.expand(-1, -1, 4) * 2


def test_outputs_are_told_apart_by_width_and_logits_become_probabilities(tmp_path: Path) -> None:
    pixels_BCHW = torch.rand(2, 3, 8, 8)
    probability_BN, offsets_BN4, landmarks_BN10 = OnnxNet(export(Logits(), tmp_path / "l.onnx"), "cpu")(pixels_BCHW)
    flat_BN = pixels_BCHW.mean(1).flatten(1)
    torch.testing.assert_close(probability_BN, torch.sigmoid(2 * flat_BN))
    torch.testing.assert_close(offsets_BN4[..., 0], 2 * flat_BN)
    torch.testing.assert_close(landmarks_BN10[..., 9], 3 * flat_BN)


class OneOutput(nn.Module):
    def forward(self, pixels_BCHW: Tensor) -> Tensor:
        return pixels_BCHW.mean(1).flatten(1)


def test_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"2, 4 and 10 numbers an anchor, it gives \(1, 64\)"):
        OnnxNet(export(OneOutput(), tmp_path / "o.onnx"), "cpu")(torch.rand(1, 3, 8, 8))
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match="cannot be read by onnxruntime"):
        OnnxNet(tmp_path / "bad.onnx", "cpu")


def test_a_detector_takes_an_onnx_file_with_its_preset(exported: Path) -> None:
    detector = RetinaFace(exported, preset="mnet025_1mb", score=0.0, max_side=64)
    assert detector.name == "retinaface:mnet025_1mb"
    assert len(detector([torch.zeros(64, 64, 3, dtype=torch.uint8).numpy()])[0]) > 0
    with pytest.raises(UserError, match="is not a known RetinaFace checkpoint"):
        RetinaFace(exported)


def test_exported_real_weights_find_the_same_faces(test_data: Path, tmp_path: Path) -> None:
    weights = test_data / "weights" / "retinaface_mnet025_1mb.pth"
    path = export(load(weights, PRESETS["mnet025_1mb"]), tmp_path / "real.onnx")
    frames = [frame.image for frame in islice(VideoFile(test_data / "clips" / "face_noface.mov"), 68, 76)]
    by_torch, by_onnx = (
        RetinaFace(file, preset="mnet025_1mb", max_side=320)(frames) for file in (weights, path)
    )
    assert [len(faces) for faces in by_onnx] == [len(faces) for faces in by_torch]
    assert sum(map(len, by_torch)) >= 4
    for ours, theirs in zip(chain(*by_onnx), chain(*by_torch), strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-5)
        assert astuple(ours.box) == pytest.approx(astuple(theirs.box), abs=1e-3)
        np.testing.assert_allclose(ours.points_52, theirs.points_52, rtol=0, atol=1e-3)
