"""Entry point: two encoders, two fusions with `solve`, four pipelines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from abaw_baselines.fusions import linear, prior
from abaw_baselines.pipelines import PIPELINES
from abaw_baselines.pixels import pixels16
from abaw_baselines.words import hashed_words
from harness.hookspecs import hookimpl

if TYPE_CHECKING:
    from harness.types import Encoder, Pipeline


@hookimpl
def provide_encoders() -> Mapping[str, Callable[..., Encoder]]:
    return {"pixels16": pixels16, "hashed_words": hashed_words}


@hookimpl
def provide_corpora() -> Mapping[str, Callable[..., Sequence[str] | None]]:
    return dict.fromkeys(provide_encoders(), _nothing)


@hookimpl
def provide_fusions() -> Mapping[str, Callable[..., Any]]:
    return {"prior": prior, "linear": linear}


@hookimpl
def provide_pipelines() -> Mapping[str, Pipeline]:
    return {pipeline.name: pipeline for pipeline in PIPELINES}


def _nothing(**_: object) -> tuple[str, ...]:
    """Neither encoder has weights."""
    return ()
