"""The detectors this bundle provides, and where their weights are looked for. Imports nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import MissingData
from harness.types import Box, Detector, Face, Image

if TYPE_CHECKING:
    from netease_abaw6.retinaface import RetinaFace
    from netease_abaw6.yunet import YuNet

YUNET_FILE = "yunet_n_640_640.onnx"
YUNET_ORIGIN = "ShiqiYu/libfacedetection.train on GitHub, onnx/yunet_n_640_640.onnx (Apache-2.0)"


def retinaface(
    weights: str | None = None,
    *,
    preset: str | None = None,
    score: float = 0.5,
    overlap: float = 0.4,
    max_side: int = 640,
    batch: int = 8,
    device: str = "cpu",
) -> RetinaFace:
    """RetinaFace; weights by reference, else `HARNESS_RETINAFACE_WEIGHTS`, else from the cache's `weights` folder."""
    from netease_abaw6.retinaface import PRESETS, RetinaFace

    looked_for = [PRESETS[preset]] if preset in PRESETS else list(PRESETS.values())
    origins = "; ".join(f"{p.file} from {p.origin}" for p in looked_for)
    path = find_weights("retinaface", weights, [p.file for p in looked_for], origins)
    return RetinaFace(path, preset=preset, score=score, overlap=overlap, max_side=max_side, batch=batch, device=device)


def yunet(weights: str | None = None, *, score: float = 0.6, overlap: float = 0.3, max_side: int = 640) -> YuNet:
    """YuNet through OpenCV; weights by reference, else `HARNESS_YUNET_WEIGHTS`, else the cache's `weights` folder."""
    from netease_abaw6.yunet import YuNet

    path = find_weights("yunet", weights, [YUNET_FILE], f"{YUNET_FILE} from {YUNET_ORIGIN}")
    return YuNet(path, score=score, overlap=overlap, max_side=max_side)


class FullFrame:
    """The frame itself is the face: for clips that are face crops already."""

    name = "full_frame"
    weights_sha256 = ""
    crop_margin = 1.0  # `harness predict` widens boxes of other detectors

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        return [[Face(Box(0.0, 0.0, float(image.shape[1]), float(image.shape[0])), 1.0)] for image in images]


class Precropped(FullFrame):
    """As `full_frame`, of a data set that came as face crops: a row then says that nobody looked for faces."""

    name = "precropped"


def full_frame(weights: str | None = None) -> FullFrame:
    """The frame itself is the face; there are no weights."""
    return FullFrame()


def precropped(weights: str | None = None) -> Precropped:
    """The frame is a face crop already; there are no weights."""
    return Precropped()


def find_weights(detector: str, given: str | None, files: Sequence[str], origins: str) -> Path:
    """The weights of a detector, by reference or from the cache's `weights` folder.

    MissingData (exit 3) names every place looked in, the file and its public source.
    """
    from harness.datasets import cache_home
    from harness.weights import local_file

    variable = f"HARNESS_{detector.upper()}_WEIGHTS"
    folder = cache_home() / "weights"
    asked = given or os.environ.get(variable)
    if asked:
        try:
            return local_file(asked)
        except MissingData as error:
            where = str(error)
    else:
        where = f"none in {folder}"
        for place in (folder / file for file in files):
            if place.is_file():
                return place
    raise MissingData(
        f"No weights for the detector {detector!r}: {where}. Give --detector-weights PATH, hf:OWNER/NAME/FILE or "
        f"URL#sha256=HASH, set {variable} to one of these, or put a file into {folder}: {origins}. A clip that is a "
        "face crop already needs none: --detector full_frame"
    )


DETECTORS: Mapping[str, Callable[..., Detector]] = {
    "retinaface": retinaface,
    "yunet": yunet,
    "precropped": precropped,
    "full_frame": full_frame,
}
