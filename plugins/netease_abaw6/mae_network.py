"""The ViT and what ends it: a pooling of its own, or one fully connected layer over all patch tokens (paper 3.1).

Shapes: B batch, C H W image planes, N tokens (the class token first), D width.
"""

from __future__ import annotations

from typing import Any

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

AFTER_BLOCKS = 10_000  # a layer's number beyond any block's; 99999 would mean "with the last block" to timm


class MaeNetwork(nn.Module):
    """images_BCHW -> tokens_BD. With `narrow` > 0 the ViT must give all its tokens (`global_pool=""`)."""

    def __init__(self, vit: VisionTransformer, narrow: int = 0) -> None:
        super().__init__()
        self.vit = vit
        width, patches = int(vit.num_features), int(vit.patch_embed.num_patches)
        self.narrow = nn.Linear(width, narrow) if narrow else None
        self.join = nn.Linear(patches * narrow, width) if narrow else None

    def forward(self, images_BCHW: Tensor) -> Tensor:
        out = self.vit(images_BCHW)
        if self.narrow is None or self.join is None:
            return out
        patches_BND = out[:, 1:]
        return self.join(self.narrow(patches_BND).flatten(1))

    def no_weight_decay(self) -> set[str]:
        """Parameters that are no matrices though they have more than one dimension (timm's convention)."""
        return {f"vit.{name}" for name in self.vit.no_weight_decay()}

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Which layer a parameter belongs to, for layer-wise learning rates (timm's convention).

        As in facebookresearch/mae: the embedding, each block, then norm and what follows, which learn at the full rate.
        What a pattern captures is a layer's number to timm, so nothing else may capture.
        """
        return {
            "stem": r"^vit\.(?:cls_token|pos_embed|patch_embed)",
            "blocks": [(r"^vit\.blocks\.(\d+)", None), (r"^(?:vit\.(?:norm|fc_norm)|narrow|join)", (AFTER_BLOCKS,))],
        }
