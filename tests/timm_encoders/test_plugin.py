from __future__ import annotations

from timm_encoders import plugin
from timm_encoders.encoder import timm_encoder


def test_the_family_is_provided():
    assert plugin.provide_encoders() == {"timm": timm_encoder}
