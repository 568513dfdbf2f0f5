"""RetinaFace (Deng et al., 2020), the detector the paper crops faces with (paper 4.1).

Three public checkpoints share names and shapes and load into each other without an error: wrong anchors double the
boxes, a wrong activation loses faces. So a preset pins both, and is taken only from who asks for it or from a known
SHA-256. Shapes: B batch, N anchors, H W image planes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from harness.errors import UserError, unknown
from harness.types import Box, Face, Image
from harness.weights import sha256_of
from netease_abaw6.retinaface_net import RetinaFaceNet
from netease_abaw6.retinaface_onnx import OnnxNet

BGR_MEAN = (104.0, 117.0, 123.0)
STRIDES = (8, 16, 32)
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
CANDIDATES = 1000  # before suppression, per image


@dataclass(frozen=True)
class Preset:
    """What one public checkpoint was trained with; `anchors` are sides in pixels for strides 8, 16 and 32."""

    backbone: Literal["mobilenet0.25", "resnet50"]
    slope: float
    anchors: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    width: int
    sha256: str
    file: str
    origin: str


PRESETS = {
    "mnet025_1mb": Preset(
        backbone="mobilenet0.25",
        slope=0.0,
        anchors=((10, 20), (32, 64), (128, 256)),
        width=64,
        sha256="ed6fa7d45a5179f03cb5ce82c73b0c6711372968e53782e88395acee88d319e1",
        file="retinaface_mnet025_1mb.pth",
        origin="biubug6/Face-Detector-1MB-with-landmark on GitHub, weights/mobilenet0.25_Final.pth (MIT)",
    ),
    "mnet025": Preset(
        backbone="mobilenet0.25",
        slope=0.1,
        anchors=((16, 32), (64, 128), (256, 512)),
        width=64,
        sha256="2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
        file="mobilenet0.25_Final.pth",
        origin="biubug6/Pytorch_Retinaface on GitHub (MIT)",
    ),
    "resnet50": Preset(
        backbone="resnet50",
        slope=0.0,
        anchors=((16, 32), (64, 128), (256, 512)),
        width=256,
        sha256="6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
        file="detection_Resnet50_Final.pth",
        origin="biubug6/Pytorch_Retinaface (MIT); also a release asset of xinntao/facexlib on GitHub",
    ),
}


Network = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]  # pixels_BCHW -> probability_BN, offsets, landmarks


class RetinaFace:
    """Faces with five landmarks, in batches of frames of one size.

    `preset` may be left out only for a file whose SHA-256 is known. Frames whose longer side exceeds `max_side` are
    scaled down before detection (0: never); boxes come back in pixels of the frame given.
    """

    def __init__(
        self,
        weights: Path,
        *,
        preset: str | None = None,
        score: float = 0.5,
        overlap: float = 0.4,
        max_side: int = 640,
        batch: int = 8,
        device: str = "cpu",
    ) -> None:
        self.weights_sha256 = sha256_of(weights)
        self.preset = preset_of(weights, self.weights_sha256, preset)
        self.name = f"retinaface:{self.preset}"
        self.score, self.overlap, self.max_side, self.batch, self.device = score, overlap, max_side, batch, device
        self._net: Network = (
            OnnxNet(weights, device) if weights.suffix == ".onnx" else load(weights, PRESETS[self.preset]).to(device)
        )

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        """For each image its faces, best score first."""
        by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            by_shape[image.shape].append(index)
        found: list[list[Face]] = [[] for _ in images]
        for indices in by_shape.values():
            for start in range(0, len(indices), self.batch):
                chosen = indices[start : start + self.batch]
                for index, faces in zip(chosen, self._detect([images[i] for i in chosen]), strict=True):
                    found[index] = faces
        return found

    @torch.inference_mode()
    def _detect(self, images: list[Image]) -> list[list[Face]]:
        pixels_BCHW, scale_xy = prepare(images, self.max_side)
        height, width = pixels_BCHW.shape[2:]
        probability_BN, offsets_BN4, landmarks_BN10 = (x.cpu() for x in self._net(pixels_BCHW.to(self.device)))
        anchors_N4 = anchors(height, width, PRESETS[self.preset].anchors)
        return [
            faces_of(*one, anchors_N4, score=self.score, overlap=self.overlap, scale_xy=scale_xy)
            for one in zip(probability_BN, offsets_BN4, landmarks_BN10, strict=True)
        ]


def preset_of(weights: Path, sha256: str, asked: str | None) -> str:
    """The preset of a checkpoint: the one asked for, else the one whose SHA-256 this is; never guessed by shape."""
    known = {preset.sha256: name for name, preset in PRESETS.items()}
    if asked is None:
        if sha256 not in known:
            raise UserError(
                f"{weights.name} (SHA-256 {sha256[:12]}...) is not a known RetinaFace checkpoint, and the presets fit "
                f"each other's weights: say which with preset=, one of {', '.join(PRESETS)}"
            )
        return known[sha256]
    if asked not in PRESETS:
        raise unknown("RetinaFace preset", asked, PRESETS)
    if known.get(sha256, asked) != asked:
        raise UserError(f"{weights.name} is the checkpoint of preset {known[sha256]!r}, not of {asked!r}")
    return asked


def load(weights: Path, preset: Preset) -> RetinaFaceNet:
    """The network with the checkpoint's weights, ready to detect; UserError where they do not fit the preset."""
    try:
        saved = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:  # on a file of another kind torch raises nearly anything
        raise UserError(f"{weights} is not a PyTorch checkpoint of plain tensors: {error}") from error
    state = saved.get("state_dict", saved)
    net = RetinaFaceNet(preset.backbone, preset.slope, preset.width)
    try:
        net.load_state_dict({name.removeprefix("module."): tensor for name, tensor in state.items()})
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise UserError(f"{weights} does not fit this RetinaFace preset: {first}") from None
    return net.eval()


def prepare(images: Sequence[Image], max_side: int) -> tuple[Tensor, tuple[float, float]]:
    """RGB frames of one size -> BGR minus the mean as pixels_BCHW, and what (x, y) must be multiplied by to go back."""
    pixels_BCHW = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    height, width = pixels_BCHW.shape[2:]
    scale_xy = (1.0, 1.0)
    if 0 < max_side < max(height, width):
        size = (round(height * max_side / max(height, width)), round(width * max_side / max(height, width)))
        pixels_BCHW = torch.nn.functional.interpolate(pixels_BCHW, size=size, mode="bilinear", antialias=True)
        scale_xy = (width / size[1], height / size[0])
    return pixels_BCHW.flip(1).float() - torch.tensor(BGR_MEAN).view(1, 3, 1, 1), scale_xy


@lru_cache(maxsize=4)
def anchors(height: int, width: int, sides: tuple[tuple[int, int], ...]) -> Tensor:
    """anchors_N4: centre x, centre y, width, height in pixels, in the order stride, row, column, side."""
    parts = []
    for stride, pair in zip(STRIDES, sides, strict=True):
        y = (torch.arange(math.ceil(height / stride)) + 0.5) * stride
        x = (torch.arange(math.ceil(width / stride)) + 0.5) * stride
        y_RCA, x_RCA, side_RCA = torch.meshgrid(y, x, torch.tensor(pair, dtype=torch.float32), indexing="ij")
        parts.append(torch.stack((x_RCA, y_RCA, side_RCA, side_RCA), dim=-1).view(-1, 4))
    return torch.cat(parts)


def decode(offsets_N4: Tensor, anchors_N4: Tensor) -> Tensor:
    """Offsets from anchors -> boxes_N4: left, top, right, bottom in pixels."""
    centre_N2 = anchors_N4[:, :2] + offsets_N4[:, :2] * CENTRE_VARIANCE * anchors_N4[:, 2:]
    size_N2 = anchors_N4[:, 2:] * torch.exp(offsets_N4[:, 2:] * SIZE_VARIANCE)
    return torch.cat((centre_N2 - size_N2 / 2, centre_N2 + size_N2 / 2), dim=1)


def decode_points(offsets_N10: Tensor, anchors_N4: Tensor) -> Tensor:
    """Landmark offsets -> points_N52 in pixels."""
    offsets_N52 = offsets_N10.view(-1, 5, 2)
    return anchors_N4[:, None, :2] + offsets_N52 * CENTRE_VARIANCE * anchors_N4[:, None, 2:]


def faces_of(
    probability_N: Tensor,
    offsets_N4: Tensor,
    landmarks_N10: Tensor,
    anchors_N4: Tensor,
    *,
    score: float,
    overlap: float,
    scale_xy: tuple[float, float] = (1.0, 1.0),
) -> list[Face]:
    """Faces scored above `score`; of those that overlap by more than `overlap` (IoU) only the best stays."""
    from torchvision.ops import nms

    above = torch.nonzero(probability_N > score).squeeze(1)
    above = above[probability_N[above].argsort(descending=True, stable=True)][:CANDIDATES]
    boxes_N4 = decode(offsets_N4[above], anchors_N4[above])
    kept = nms(boxes_N4, probability_N[above], overlap)
    scale_4 = torch.tensor((*scale_xy, *scale_xy))
    points_N52 = decode_points(landmarks_N10[above[kept]], anchors_N4[above[kept]]) * scale_4[:2]
    rows = zip((boxes_N4[kept] * scale_4).tolist(), probability_N[above[kept]].tolist(), points_N52, strict=True)
    return [Face(Box(*box), confidence, points_52.numpy()) for box, confidence, points_52 in rows]
