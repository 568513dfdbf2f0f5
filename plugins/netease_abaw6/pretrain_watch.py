"""What one looks at while a pre-training runs: loss curves and a sheet of reconstructions.

Shapes: B batch, C H W image planes, S side, N patches, P pixels of a patch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from PIL import Image as Pillow
from torch import Tensor

from harness.errors import UserError
from netease_abaw6.pretrain_images import normalised

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter
    from transformers import ViTMAEForPreTraining


def curves(folder: Path, step: int) -> SummaryWriter:
    """TensorBoard's writer, going on after `step`. Raises UserError where tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError(
            f"--tensorboard {folder} needs the package tensorboard, which is not installed: "
            "pip install 'abaw-harness[tensorboard]'"
        ) from error
    return SummaryWriter(str(folder), purge_step=step + 1)


def reconstruction_sheet(model: ViTMAEForPreTraining, images_BCSS: Tensor) -> Pillow.Image:
    """Three rows: images (uint8), what the encoder sees of them, and what the decoder makes of it."""
    pixels_BCHW = normalised(images_BCSS.float())
    patches = int(model.vit.embeddings.patch_embeddings.num_patches)
    noise_BN = torch.rand(len(images_BCSS), patches, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        device = model.device
        out = model(pixel_values=pixels_BCHW.to(device), noise=noise_BN.to(device))
        mask_BNP = out.mask.unsqueeze(-1).expand_as(out.logits)
        mask_BCHW = model.unpatchify(mask_BNP).float().cpu()
        restored_BCHW = model.unpatchify(out.logits).float().cpu()
    seen_BCHW = pixels_BCHW * (1 - mask_BCHW)
    rows = [pixels_BCHW, seen_BCHW, seen_BCHW + restored_BCHW * mask_BCHW]
    sheet_CHW = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    bytes_HWC = ((sheet_CHW * std + mean) * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    return Pillow.fromarray(bytes_HWC.numpy())
