"""Entry point: two families of encoders, `hf:MODEL` for audio and `hf-text:MODEL` for text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.hookspecs import hookimpl
from harness.types import Encoder
from hf_encoders.audio import hf_audio
from hf_encoders.corpora import saw
from hf_encoders.text import hf_text


@hookimpl
def provide_encoders() -> Mapping[str, Callable[..., Encoder]]:
    return {"hf": hf_audio, "hf-text": hf_text}


@hookimpl
def provide_corpora() -> Mapping[str, Callable[..., Sequence[str] | None]]:
    return {"hf": saw, "hf-text": saw}
