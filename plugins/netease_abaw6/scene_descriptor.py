"""What a recording's surroundings look like, as numbers: colour, brightness and edges of frames without their faces.

No weights and no training. Shapes: H W of a frame, S side of the reduced frame, G grid cells a side, D descriptor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from harness.types import Box, Image

SIDE = 64
GRID = 4
BINS = 8
WIDEN = 1.6  # hair, neck and box jitter belong to the person, not to the scene

Floats64 = NDArray[np.float64]


def mask_faces(height: int, width: int, boxes: Sequence[Box]) -> NDArray[np.float32]:
    """background_HW: 1 where the frame shows surroundings, 0 inside every box widened by `WIDEN` about its centre."""
    background_HW = np.ones((height, width), np.float32)
    for box in boxes:
        centre_x, centre_y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        half_x, half_y = (box.x1 - box.x0) * WIDEN / 2, (box.y1 - box.y0) * WIDEN / 2
        top, bottom = int(np.floor(centre_y - half_y)), int(np.ceil(centre_y + half_y))
        left, right = int(np.floor(centre_x - half_x)), int(np.ceil(centre_x + half_x))
        background_HW[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = 0.0
    return background_HW


def mask_inside(height: int, width: int, border: float = 0.15) -> NDArray[np.float32]:
    """background_HW of the outer border alone: the top and both sides, where nobody's face or body usually is."""
    background_HW = np.ones((height, width), np.float32)
    side = max(1, round(width * border))
    background_HW[max(1, round(height * border)) :, side : width - side] = 0.0
    return background_HW


def describe(image: Image, background_HW: NDArray[np.float32]) -> Floats64:
    """descriptor_D of one frame; pixels outside the background have no influence on it at all.

    Histograms of brightness and of two opponent colours, then per grid cell the mean of the three, the deviation of
    brightness and the mean strength of upright and lying edges; a cell without background takes the frame's mean.
    """
    planes_SSC, known_SS = _reduced(image, background_HW)
    red, green, blue = planes_SSC[..., 0], planes_SSC[..., 1], planes_SSC[..., 2]
    bright_SS = 0.299 * red + 0.587 * green + 0.114 * blue
    opponents = (bright_SS, (red - green) / 2 + 0.5, (blue - (red + green) / 2) / 2 + 0.5)
    histograms = [_histogram(plane_SS, known_SS) for plane_SS in opponents]
    upright_SS, upright_known = _edges(bright_SS, known_SS, axis=1)
    lying_SS, lying_known = _edges(bright_SS, known_SS, axis=0)
    pairs = [*((plane_SS, known_SS) for plane_SS in opponents), (upright_SS, upright_known), (lying_SS, lying_known)]
    cells = [_cells(plane_SS, where_SS) for plane_SS, where_SS in pairs]
    squares = _cells(bright_SS**2, known_SS)
    deviation = np.sqrt(np.maximum(squares - cells[0] ** 2, 0.0))
    return np.concatenate([*histograms, *cells, deviation])


def _reduced(image: Image, background_HW: NDArray[np.float32]) -> tuple[Floats64, NDArray[np.bool_]]:
    """The frame averaged over background pixels alone, down to SIDE x SIDE, and where there were enough of them."""
    weight_11HW = torch.from_numpy(background_HW)[None, None]
    image_1CHW = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()[None] / 255
    share_11SS = functional.adaptive_avg_pool2d(weight_11HW, SIDE)
    sums_1CSS = functional.adaptive_avg_pool2d(image_1CHW * weight_11HW, SIDE)
    planes_CSS = (sums_1CSS / share_11SS.clamp(min=1e-6))[0]
    return planes_CSS.permute(1, 2, 0).double().numpy(), (share_11SS[0, 0] > 0.5).numpy()


def _histogram(plane_SS: Floats64, known_SS: NDArray[np.bool_]) -> Floats64:
    counts, _ = np.histogram(np.clip(plane_SS[known_SS], 0.0, 1.0), bins=BINS, range=(0.0, 1.0))
    return np.sqrt(counts / max(1, counts.sum()))  # the root keeps one full bin from ruling the distance


def _edges(bright_SS: Floats64, known_SS: NDArray[np.bool_], axis: int) -> tuple[Floats64, NDArray[np.bool_]]:
    """Absolute differences of neighbours along an axis, known where both are."""
    strength = np.abs(np.roll(bright_SS, -1, axis) - bright_SS)
    known = known_SS & np.roll(known_SS, -1, axis)
    last: list[slice | int] = [slice(None), slice(None)]
    last[axis] = -1
    known[tuple(last)] = False  # the roll wraps round there
    return strength, known


def _cells(plane_SS: Floats64, known_SS: NDArray[np.bool_]) -> Floats64:
    """Means over the known pixels of each of GRID x GRID cells."""
    step = SIDE // GRID
    blocks = (GRID, step, GRID, step)
    sums = np.where(known_SS, plane_SS, 0.0).reshape(blocks).sum(axis=(1, 3))
    counts = known_SS.reshape(blocks).sum(axis=(1, 3))
    overall = sums.sum() / max(1, counts.sum())
    return np.where(counts > 0, sums / np.maximum(counts, 1), overall).ravel()
