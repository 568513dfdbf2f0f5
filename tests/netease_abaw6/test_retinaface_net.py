"""The network against the paper's figure and the public checkpoints' names, written out in functions, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from netease_abaw6.retinaface import PRESETS
from netease_abaw6.retinaface_net import RetinaFaceNet


class Functions:
    """`RetinaFaceNet.forward` from the state of a checkpoint, one call per layer."""

    def __init__(self, state: dict[str, Tensor], slope: float) -> None:
        self.state = {name: tensor.double() for name, tensor in state.items() if tensor.is_floating_point()}
        self.slope = slope

    def relu(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.slope * x)

    def conv(self, x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight = self.state[f"{name}.weight"]
        bias = self.state.get(f"{name}.bias")
        return F.conv2d(x, weight, bias, stride, padding=weight.shape[-1] // 2, groups=groups)

    def norm(self, x: Tensor, name: str) -> Tensor:
        scale, shift, mean, var = (
            self.state[f"{name}.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    def block(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        return self.norm(self.conv(x, f"{name}.0", stride), f"{name}.1")

    def separable(self, x: Tensor, name: str, stride: int) -> Tensor:
        x = self.relu(self.norm(self.conv(x, f"{name}.0", stride, groups=x.shape[1]), f"{name}.1"))
        return self.relu(self.norm(self.conv(x, f"{name}.3"), f"{name}.4"))

    def mobilenet(self, x: Tensor) -> list[Tensor]:
        x = self.relu(self.block(x, "body.stage1.0", 2))
        for index, stride in enumerate((1, 2, 1, 2, 1), start=1):
            x = self.separable(x, f"body.stage1.{index}", stride)
        maps = [x]
        for stage, layers in (("stage2", 6), ("stage3", 2)):
            for index in range(layers):
                x = self.separable(x, f"body.{stage}.{index}", 2 if index == 0 else 1)
            maps.append(x)
        return maps

    def resnet50(self, x: Tensor) -> list[Tensor]:
        x = self.relu(self.norm(self.conv(x, "body.conv1", 2), "body.bn1"))
        x = F.max_pool2d(x, 3, 2, 1)
        maps = []
        for layer, blocks in enumerate((3, 4, 6, 3), start=1):
            for index in range(blocks):
                name, stride = f"body.layer{layer}.{index}", 2 if layer > 1 and index == 0 else 1
                y = self.relu(self.norm(self.conv(x, f"{name}.conv1"), f"{name}.bn1"))
                y = self.relu(self.norm(self.conv(y, f"{name}.conv2", stride), f"{name}.bn2"))
                y = self.norm(self.conv(y, f"{name}.conv3"), f"{name}.bn3")
                if index == 0:
                    x = self.norm(self.conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
                x = self.relu(x + y)
            maps.append(x)
        return maps[1:]

    def pyramid(self, maps: list[Tensor]) -> list[Tensor]:
        fine, middle, coarse = (
            self.relu(self.block(x, f"fpn.output{i}")) for i, x in enumerate(maps, start=1)
        )
        middle = self.relu(self.block(middle + stretched(coarse, middle), "fpn.merge2"))
        fine = self.relu(self.block(fine + stretched(middle, fine), "fpn.merge1"))
        return [fine, middle, coarse]

    def context(self, x: Tensor, name: str) -> Tensor:
        five = self.relu(self.block(x, f"{name}.conv5X5_1"))
        seven = self.relu(self.block(five, f"{name}.conv7X7_2"))
        views = (
            self.block(x, f"{name}.conv3X3"),
            self.block(five, f"{name}.conv5X5_2"),
            self.block(seven, f"{name}.conv7x7_3"),
        )
        return torch.cat(views, 1).clamp(min=0)

    def head(self, maps: list[Tensor], name: str, values: int) -> Tensor:
        """Row, column, anchor; of each anchor its `values` channels."""
        out = []
        for i, x in enumerate(maps):
            y = self.conv(x, f"{name}.{i}.conv1x1")
            out += [
                torch.stack([y[:, a * values + v, row, column] for v in range(values)], 1)
                for row in range(y.shape[2])
                for column in range(y.shape[3])
                for a in range(2)
            ]
        return torch.stack(out, 1)

    def __call__(self, images: Tensor, backbone: Callable[[Tensor], list[Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
        maps = [self.context(x, f"ssh{i}") for i, x in enumerate(self.pyramid(backbone(images.double())), start=1)]
        logits = self.head(maps, "ClassHead", 2)
        face = 1 / (1 + torch.exp(logits[..., 0] - logits[..., 1]))
        return face, self.head(maps, "BboxHead", 4), self.head(maps, "LandmarkHead", 10)


def stretched(coarse: Tensor, like: Tensor) -> Tensor:
    """Each pixel takes the value of the coarse pixel it lies in."""
    rows = torch.arange(like.shape[2]) * coarse.shape[2] // like.shape[2]
    columns = torch.arange(like.shape[3]) * coarse.shape[3] // like.shape[3]
    return coarse[:, :, rows][..., columns]


def with_drawn_norms(net: RetinaFaceNet) -> RetinaFaceNet:
    """Batch norms as after training, so that a swapped or forgotten one is seen."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return net.eval()


@pytest.mark.parametrize("name", PRESETS)
@torch.inference_mode()
def test_the_network_equals_functions_from_its_checkpoint(parity, name: str):
    preset = PRESETS[name]
    torch.manual_seed(0)
    net = with_drawn_norms(RetinaFaceNet(preset.backbone, preset.slope, preset.width))
    functions = Functions(net.state_dict(), preset.slope)
    backbone = functions.resnet50 if preset.backbone == "resnet50" else functions.mobilenet
    images_BCHW = torch.randn(2, 3, 34, 50)  # no multiple of a stride
    reference = "functions only, float64; of the largest value"
    for found, expected in zip(net(images_BCHW), functions(images_BCHW, backbone), strict=True):
        assert found.shape == expected.shape
        difference = (found - expected).abs().max() / expected.abs().max()
        parity("RetinaFace network, three presets", reference, difference, at_most=1e-4)
