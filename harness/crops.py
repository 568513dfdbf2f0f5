"""Square face crops of many frames at once, on any device: what `media.crop_square` does one by one.

Shapes: B batch, C H W image planes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.types import Box

if TYPE_CHECKING:
    from torch import Tensor


def crop_squares(frames_BCHW: Tensor, boxes: Sequence[Box], size: int, margin: float = 1.3) -> Tensor:
    """crops_BCSS (uint8) around one box of each frame (uint8), with `torchvision.ops.roi_align`.

    Each output pixel is the mean over a grid of samples as fine as the source, so that large faces do not alias. What
    lies outside a frame repeats its edge.
    """
    import torch
    from torch.nn import functional
    from torchvision.ops import roi_align

    height, width = frames_BCHW.shape[2:]
    squares = [_square(box, margin) for box in boxes]
    over = max(0.0, *(max(-x0, -y0, x1 - width, y1 - height) for x0, y0, x1, y1 in squares))
    pad = int(over) + 2
    pixels_BCHW = functional.pad(frames_BCHW.float(), (pad, pad, pad, pad), mode="replicate")
    rois_B5 = torch.tensor([(i, *(c + pad for c in square)) for i, square in enumerate(squares)], dtype=torch.float32)
    crops_BCSS: Tensor = roi_align(pixels_BCHW, rois_B5.to(pixels_BCHW.device), size, aligned=True, sampling_ratio=-1)
    bytes_BCSS: Tensor = crops_BCSS.round().clamp(0, 255).to(torch.uint8)
    return bytes_BCSS


def _square(box: Box, margin: float) -> tuple[float, float, float, float]:
    side = max(margin * max(box.x1 - box.x0, box.y1 - box.y0), 1.0)
    left, top = (box.x0 + box.x1 - side) / 2, (box.y0 + box.y1 - side) / 2
    return left, top, left + side, top + side
