"""RetinaFace exported to ONNX, through onnxruntime. Shapes: B batch, N anchors, C H W image planes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from harness.errors import UserError


class OnnxNet:
    """pixels_BCHW -> probability_BN, offsets_BN4, landmarks_BN10; images go through one by one, as exports expect.

    Which output is which follows from its width: two numbers an anchor are its probabilities (or the logits of them),
    four its offsets, ten its landmarks; a matrix is the probability of a face.
    """

    def __init__(self, path: Path, device: str) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise UserError(f"{path.name} needs onnxruntime: pip install 'abaw-harness[onnx]'") from None
        gpu = int(device.partition(":")[2] or 0)
        wanted = [("CUDAExecutionProvider", {"device_id": gpu})] if device.startswith("cuda") else []
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=[*wanted, "CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no common error of its own
            told = " ".join(str(error).split())[:200]
            raise UserError(f"{path} cannot be read by onnxruntime: {told}") from None
        self._name = self._session.get_inputs()[0].name

    def __call__(self, pixels_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = [self._one(pixels_1CHW) for pixels_1CHW in pixels_BCHW.cpu().split(1)]
        probability, offsets, landmarks = (torch.cat(parts) for parts in zip(*found, strict=True))
        return probability, offsets, landmarks

    def _one(self, pixels_1CHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        outputs = [torch.from_numpy(out) for out in self._session.run(None, {self._name: pixels_1CHW.numpy()})]
        by_width = {out.shape[-1] if out.ndim == 3 else 1: out for out in outputs}
        if not {4, 10} <= by_width.keys() or not {1, 2} & by_width.keys():
            shapes = ", ".join(str(tuple(out.shape)) for out in outputs)
            raise UserError(f"expected a RetinaFace that gives 2, 4 and 10 numbers an anchor, it gives {shapes}")
        if 1 in by_width:
            return by_width[1], by_width[4], by_width[10]
        scores_BN2 = by_width[2]
        sum_to_one = torch.allclose(scores_BN2.sum(-1), torch.ones(()), atol=1e-3)
        probability_BN2 = scores_BN2 if sum_to_one else scores_BN2.softmax(-1)
        return probability_BN2[..., 1], by_width[4], by_width[10]
