from __future__ import annotations

import pytest

from timm_encoders.corpora import saw


@pytest.mark.parametrize(
    ("model", "corpora"),
    [
        ("resnet18.a1_in1k", ("imagenet",)),
        ("resnet18", ("imagenet",)),  # timm's own choice of tag
        ("vit_base_patch16_224.augreg2_in21k_ft_in1k", ("imagenet",)),
        ("vit_base_patch16_224.mae", ("imagenet",)),
        ("resnet50.fb_swsl_ig1b_ft_in1k", None),
        ("vit_base_patch16_clip_224.openai", None),
        ("vit_base_patch14_dinov2.lvd142m", None),
        ("hf-hub:owner/name", None),
    ],
)
def test_tags_that_name_imagenet_alone_are_told(model: str, corpora: tuple[str, ...] | None):
    assert saw(model) == corpora


def test_other_weights_are_told_by_reference():
    assert saw("resnet18.a1_in1k", weights="random") == ()
    assert saw("resnet18.a1_in1k", weights="mine.pth", image=64) is None
