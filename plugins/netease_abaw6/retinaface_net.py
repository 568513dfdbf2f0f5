"""The RetinaFace network (Deng et al., 2020): backbone, feature pyramid, context modules, three heads.

Parameter names are those of the public PyTorch checkpoints. Shapes: B batch, C H W planes, N anchors.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ANCHORS_PER_CELL = 2


class MobileNetQuarter(nn.Module):
    """MobileNetV1 at width 0.25, cut at strides 8, 16 and 32 (64, 128 and 256 channels)."""

    channels = (64, 128, 256)

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(
            conv_bn(3, 8, 3, stride=2, slope=slope),
            depthwise(8, 16, 1, slope),
            depthwise(16, 32, 2, slope),
            depthwise(32, 32, 1, slope),
            depthwise(32, 64, 2, slope),
            depthwise(64, 64, 1, slope),
        )
        self.stage2 = nn.Sequential(depthwise(64, 128, 2, slope), *(depthwise(128, 128, 1, slope) for _ in range(5)))
        self.stage3 = nn.Sequential(depthwise(128, 256, 2, slope), depthwise(256, 256, 1, slope))

    def forward(self, images_BCHW: Tensor) -> list[Tensor]:
        first = self.stage1(images_BCHW)
        second = self.stage2(first)
        return [first, second, self.stage3(second)]


class ResNetBody(nn.Module):
    """torchvision's ResNet-50, cut after layer2, layer3 and layer4 (512, 1024 and 2048 channels)."""

    channels = (512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet50

        whole = resnet50(weights=None)
        self.conv1, self.bn1, self.relu, self.maxpool = whole.conv1, whole.bn1, whole.relu, whole.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = whole.layer1, whole.layer2, whole.layer3, whole.layer4

    def forward(self, images_BCHW: Tensor) -> list[Tensor]:
        stem = self.maxpool(self.relu(self.bn1(self.conv1(images_BCHW))))
        first = self.layer2(self.layer1(stem))
        second = self.layer3(first)
        return [first, second, self.layer4(second)]


class FeaturePyramid(nn.Module):
    """Brings three maps to one width and adds the coarser to the finer (the coarsest is left as it is)."""

    def __init__(self, channels: tuple[int, int, int], width: int, slope: float) -> None:
        super().__init__()
        self.output1, self.output2, self.output3 = (conv_bn(c, width, 1, slope=slope) for c in channels)
        self.merge1 = conv_bn(width, width, 3, slope=slope)
        self.merge2 = conv_bn(width, width, 3, slope=slope)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        fine, middle, coarse = self.output1(maps[0]), self.output2(maps[1]), self.output3(maps[2])
        middle = self.merge2(middle + F.interpolate(coarse, size=middle.shape[2:], mode="nearest"))
        fine = self.merge1(fine + F.interpolate(middle, size=fine.shape[2:], mode="nearest"))
        return [fine, middle, coarse]


class Context(nn.Module):
    """SSH (Najibi et al., 2017): views of 3x3, 5x5 and 7x7, built of 3x3 convolutions, side by side."""

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        quarter = width // 4
        self.conv3X3 = conv_bn(width, width // 2, 3, slope=None)
        self.conv5X5_1 = conv_bn(width, quarter, 3, slope=slope)
        self.conv5X5_2 = conv_bn(quarter, quarter, 3, slope=None)
        self.conv7X7_2 = conv_bn(quarter, quarter, 3, slope=slope)
        self.conv7x7_3 = conv_bn(quarter, quarter, 3, slope=None)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        inner = self.conv5X5_1(map_BCHW)
        views = [self.conv3X3(map_BCHW), self.conv5X5_2(inner), self.conv7x7_3(self.conv7X7_2(inner))]
        return F.relu(torch.cat(views, dim=1))


class Head(nn.Module):
    """`values` numbers per anchor, in the order row, column, anchor."""

    def __init__(self, width: int, values: int) -> None:
        super().__init__()
        self.values = values
        self.conv1x1 = nn.Conv2d(width, ANCHORS_PER_CELL * values, 1)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        out_BHWC: Tensor = self.conv1x1(map_BCHW).permute(0, 2, 3, 1)
        return out_BHWC.reshape(out_BHWC.shape[0], -1, self.values)


class RetinaFaceNet(nn.Module):
    """`slope` is that of the leaky ReLUs (0: plain ReLU)."""

    def __init__(self, backbone: Literal["mobilenet0.25", "resnet50"], slope: float, width: int) -> None:
        super().__init__()
        self.body = ResNetBody() if backbone == "resnet50" else MobileNetQuarter(slope)
        self.fpn = FeaturePyramid(self.body.channels, width, slope)
        self.ssh1, self.ssh2, self.ssh3 = (Context(width, slope) for _ in range(3))
        self.ClassHead = nn.ModuleList(Head(width, 2) for _ in range(3))
        self.BboxHead = nn.ModuleList(Head(width, 4) for _ in range(3))
        self.LandmarkHead = nn.ModuleList(Head(width, 10) for _ in range(3))

    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """BGR minus the training mean -> probability_BN of a face, offsets_BN4, landmark offsets_BN10."""
        fine, middle, coarse = self.fpn(self.body(images_BCHW))
        maps = [self.ssh1(fine), self.ssh2(middle), self.ssh3(coarse)]
        logits_BN2 = _over_maps(self.ClassHead, maps)
        probability_BN = torch.softmax(logits_BN2, dim=-1)[..., 1]
        return probability_BN, _over_maps(self.BboxHead, maps), _over_maps(self.LandmarkHead, maps)


def _over_maps(heads: nn.ModuleList, maps: list[Tensor]) -> Tensor:
    return torch.cat([head(map_BCHW) for head, map_BCHW in zip(heads, maps, strict=True)], dim=1)


def conv_bn(inputs: int, outputs: int, kernel: int, *, stride: int = 1, slope: float | None) -> nn.Sequential:
    """Convolution and batch norm, then a (leaky) ReLU unless `slope` is None."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if slope is not None:
        layers.append(_relu(slope))
    return nn.Sequential(*layers)


def depthwise(inputs: int, outputs: int, stride: int, slope: float) -> nn.Sequential:
    """A 3x3 convolution per channel, then a 1x1 across channels; batch norm and ReLU after both."""
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        _relu(slope),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        nn.BatchNorm2d(outputs),
        _relu(slope),
    )


def _relu(slope: float) -> nn.Module:
    return nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)
