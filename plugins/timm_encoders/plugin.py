"""Entry point: one family of encoders, `timm:MODEL`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.hookspecs import hookimpl
from harness.types import Encoder
from timm_encoders.corpora import saw
from timm_encoders.encoder import timm_encoder


@hookimpl
def provide_encoders() -> Mapping[str, Callable[..., Encoder]]:
    return {"timm": timm_encoder}


@hookimpl
def provide_corpora() -> Mapping[str, Callable[..., Sequence[str] | None]]:
    return {"timm": saw}
