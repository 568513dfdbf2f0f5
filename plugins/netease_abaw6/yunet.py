"""YuNet (Wu et al., 2023) through OpenCV: a small detector to compare RetinaFace with (ours, not the paper's)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.types import Box, Face, Image
from harness.weights import sha256_of


class YuNet:
    """Faces with five landmarks, one frame at a time.

    Frames whose longer side exceeds `max_side` are scaled down before detection (0: never). UserError where OpenCV
    is not installed (the extra `opencv`).
    """

    name = "yunet"

    def __init__(self, weights: Path, *, score: float = 0.6, overlap: float = 0.3, max_side: int = 640) -> None:
        try:
            import cv2
        except ImportError:
            raise UserError(
                "The detector 'yunet' needs OpenCV: pip install 'abaw-harness[opencv]' (opencv-python-headless)"
            ) from None
        self.weights_sha256 = sha256_of(weights)
        self.max_side = max_side
        self._cv2: Any = cv2
        try:
            self._net = cv2.FaceDetectorYN.create(str(weights), "", (320, 320), score, overlap)
        except cv2.error as error:
            raise UserError(f"{weights} is not a YuNet model OpenCV can read: {str(error).strip()}") from None

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        """For each image its faces, best score first."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Image) -> list[Face]:
        height, width = image.shape[:2]
        bgr = np.ascontiguousarray(image[..., ::-1])
        size = (width, height)
        if 0 < self.max_side < max(size):
            size = (round(width * self.max_side / max(size)), round(height * self.max_side / max(size)))
            bgr = self._cv2.resize(bgr, size, interpolation=self._cv2.INTER_AREA)
        self._net.setInputSize(size)
        rows_N15 = self._net.detect(bgr)[1]
        if rows_N15 is None:
            return []
        scale_2 = np.array((width / size[0], height / size[1]), dtype=np.float32)
        return sorted((face_of(row_15, scale_2) for row_15 in rows_N15), key=lambda face: -face.score)


def face_of(row_15: np.ndarray[Any, np.dtype[np.float32]], scale_2: np.ndarray[Any, np.dtype[np.float32]]) -> Face:
    """OpenCV's row (x, y, width, height, five points, score) as a face; the points' order is RetinaFace's."""
    x0, y0 = row_15[:2] * scale_2
    x1, y1 = (row_15[:2] + row_15[2:4]) * scale_2
    points_52 = row_15[4:14].reshape(5, 2) * scale_2
    return Face(Box(float(x0), float(y0), float(x1), float(y1)), float(row_15[14]), points_52)
