"""Unlabelled images for pre-training: finding, reading, cropping.

Shapes: N images, B batch, C planes, S side in pixels as kept, H W as asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional

from harness.ahead import to_device
from harness.errors import MissingData, UserError
from harness.progress import Progress, silent

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
IN_MEMORY = 4 * 2**30  # bytes; a larger collection is decoded batch by batch


def image_files(root: Path) -> list[Path]:
    """Every image below `root`, in any folder, sorted; hidden and stray files are passed over.

    Raises MissingData where there is none.
    """
    files = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not files:
        raise MissingData(f"No images for pre-training below {root}; expected {', '.join(sorted(SUFFIXES))} files")
    return files


def fingerprint(files: Sequence[Path]) -> str:
    """SHA-256 of the names (below their common folder) and sizes: the same wherever the collection lies."""
    root = Path(*_common_parts(files))
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(root).as_posix()} {path.stat().st_size}\n".encode())
    return digest.hexdigest()


class Collection:
    """Images as one uint8 array, squashed to S x S, held in memory as long as they fit, else decoded on demand."""

    def __init__(self, files: Sequence[Path], side: int, progress: Progress) -> None:
        self.files, self.side = list(files), side
        self._images_NCSS: Tensor | None = None
        if len(self.files) * 3 * side * side <= IN_MEMORY:
            self._images_NCSS = self._read_all(self.files, progress)

    def __len__(self) -> int:
        return len(self.files)

    def batch(self, indices_B: Tensor) -> Tensor:
        """images_BCSS, uint8."""
        if self._images_NCSS is not None:
            return self._images_NCSS[indices_B]
        return self._read_all([self.files[i] for i in indices_B.tolist()], silent)

    def _read_all(self, files: Sequence[Path], progress: Progress) -> Tensor:
        with ThreadPoolExecutor(max_workers=torch.get_num_threads()) as pool:
            read = progress(pool.map(self._read, files), "read images", total=len(files))
            return torch.from_numpy(np.stack(list(read)))

    def _read(self, path: Path) -> np.ndarray:
        try:
            with Pillow.open(path) as picture:
                picture.draft("RGB", (self.side, self.side))  # a JPEG is decoded no larger than needed
                small = picture.convert("RGB").resize((self.side, self.side), Pillow.Resampling.BICUBIC)
        except OSError as error:
            raise UserError(f"{path} is no readable image: {error}") from error
        return np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1))


def random_crops(
    images_BCSS: Tensor, size: int, generator: torch.Generator, area: tuple[float, float] = (0.2, 1.0)
) -> Tensor:
    """Random resized crops and flips of uint8 images -> float images_BCHW in [0, 255], one bilinear sampling for both.

    As torchvision draws them: area uniform in `area`, aspect log-uniform in [3/4, 4/3], flip with probability 1/2; a
    crop that would leave the image is narrowed to it.
    """
    count = images_BCSS.shape[0]
    draws = torch.rand(5, count, generator=generator)
    share_B = area[0] + (area[1] - area[0]) * draws[0]
    aspect_B = torch.exp((draws[1] * 2 - 1) * float(np.log(4 / 3)))
    wide_B, high_B = (share_B * aspect_B).sqrt().clamp(max=1.0), (share_B / aspect_B).sqrt().clamp(max=1.0)
    flip_B = torch.where(draws[4] < 0.5, -1.0, 1.0)
    theta_B23 = torch.zeros(count, 2, 3)
    theta_B23[:, 0, 0], theta_B23[:, 1, 1] = wide_B * flip_B, high_B
    theta_B23[:, 0, 2], theta_B23[:, 1, 2] = (draws[2] * 2 - 1) * (1 - wide_B), (draws[3] * 2 - 1) * (1 - high_B)
    theta_B23 = to_device(theta_B23, str(images_BCSS.device))
    grid_BHW2 = functional.affine_grid(theta_B23, [count, 3, size, size], align_corners=False)
    return functional.grid_sample(images_BCSS.float(), grid_BHW2, padding_mode="border", align_corners=False)


def normalised(images_BCHW: Tensor) -> Tensor:
    """From [0, 255] to ImageNet mean and deviation."""
    mean, std = _planes(images_BCHW.device)
    return (images_BCHW - mean) / std


@cache
def _planes(device: torch.device) -> tuple[Tensor, Tensor]:
    """ImageNet's mean and deviation of each colour in [0, 255], copied to the device once."""
    with torch.inference_mode(mode=False):
        mean, std = (torch.tensor(of, device=device) for of in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
        return mean.view(1, 3, 1, 1) * 255, std.view(1, 3, 1, 1) * 255


def _common_parts(files: Sequence[Path]) -> tuple[str, ...]:
    first, last = min(files).parent.parts, max(files).parent.parts
    return tuple(part for part, other in zip(first, last, strict=False) if part == other)
