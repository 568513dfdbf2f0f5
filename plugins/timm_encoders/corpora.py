"""What timm's published weights saw, as far as their tags tell."""

from __future__ import annotations

import re

from harness.corpora import of_weights

IMAGENET = re.compile(r"(in1k|in12k|in21k|in22k|mae)")
RECIPES = re.compile(r"(a1|a1h|a2|a3|tv|tv2|ra|ra2|ra3|augreg|augreg2|fb|ms|ft|r\d+)")  # of training, on nothing else


def saw(model: str, *, weights: str = "hub", **_: object) -> tuple[str, ...] | None:
    """The corpora behind `timm:MODEL`; None for a tag that names more than ImageNet and a recipe.

    >>> [saw(f"resnet50.{tag}") for tag in ("a1_in1k", "fb_swsl_ig1b_ft_in1k")]
    [('imagenet',), None]
    """
    if weights != "hub":
        return of_weights(weights, {})
    words = _tag(model).split("_")
    if not any(IMAGENET.fullmatch(word) for word in words):
        return None
    return ("imagenet",) if all(IMAGENET.fullmatch(word) or RECIPES.fullmatch(word) for word in words) else None


def _tag(model: str) -> str:
    """The tag after the dot, or the one timm takes where none is named."""
    name, _, tag = model.partition(".")
    if tag:
        return tag
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    return (config.tag or "") if config else ""
