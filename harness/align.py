"""Upright faces from five landmarks: the similarity that lays them on a template (Umeyama 1991).

Shapes: 5 points (eyes, nose, mouth corners, left to right as seen) of 2 coordinates, matrix_23 of a similarity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.types import Floats, Image

# where ArcFace puts them in a crop of 112 x 112 pixels
TEMPLATE_52 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def similarity(from_N2: NDArray[np.floating], to_N2: NDArray[np.floating]) -> NDArray[np.float64]:
    """matrix_23: the rotation, scale and shift (no reflection) that bring `from_N2` nearest to `to_N2`.

    Least squares over all of them (Umeyama 1991, eq. 40 to 43).

    >>> similarity(np.array([[0.0, 0], [1, 0], [0, 1]]), np.array([[1.0, 1], [1, 3], [-1, 1]])).round(9).tolist()
    [[0.0, -2.0, 1.0], [2.0, 0.0, 1.0]]
    """
    mean_from, mean_to = from_N2.mean(axis=0), to_N2.mean(axis=0)
    off_from, off_to = from_N2 - mean_from, to_N2 - mean_to
    u, d, v = np.linalg.svd(off_to.T @ off_from / len(from_N2))
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    rotation = (u * signs) @ v
    scale = (d * signs).sum() / (off_from**2).sum(axis=1).mean()
    return np.column_stack([scale * rotation, mean_to - scale * rotation @ mean_from])


def aligned(image: Image, points_52: Floats, size: int, margin: float = 1.0) -> Image:
    """The face turned upright in a square of `size` pixels; a larger `margin` leaves more around it.

    The template fills a crop as ArcFace's does at margin 1. What lies outside the frame repeats the frame's edge.
    """
    import torch
    from torch.nn import functional

    template_52 = (TEMPLATE_52 - 56) / margin * (size / 112) + size / 2
    back_23 = similarity(template_52, points_52.astype(np.float64))  # from places in the crop to places in the frame
    height, width = image.shape[:2]
    y, x = np.mgrid[0:size, 0:size] + 0.5
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ back_23.T
    grid_1HW2 = torch.from_numpy(places / np.array([width, height]) * 2 - 1).float()[None]
    pixels_1CHW = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()[None]
    shrink = np.sqrt(abs(np.linalg.det(back_23[:, :2])))
    if shrink > 1:  # averaged first, so that fine patterns do not alias
        sizes = (max(1, round(height / shrink)), max(1, round(width / shrink)))
        pixels_1CHW = functional.interpolate(pixels_1CHW, size=sizes, mode="bilinear", antialias=True)
    crop_1CHW = functional.grid_sample(pixels_1CHW, grid_1HW2, padding_mode="border", align_corners=False)
    out: Image = crop_1CHW[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
    return out
