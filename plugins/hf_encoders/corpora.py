"""What some public speech models saw, as their papers say; of the others nobody says."""

from __future__ import annotations

from harness.corpora import of_weights

LIBRISPEECH = ("librispeech",)
SPEECH = {
    "facebook/wav2vec2-base": LIBRISPEECH,  # Baevski et al., NeurIPS 2020
    "facebook/wav2vec2-base-960h": LIBRISPEECH,
    "facebook/hubert-base-ls960": LIBRISPEECH,  # Hsu et al., IEEE/ACM TASLP 2021
    "microsoft/wavlm-base": LIBRISPEECH,  # Chen et al., IEEE JSTSP 2022; base-plus and large saw more
}


def saw(model: str, **_: object) -> tuple[str, ...] | None:
    """The corpora behind `hf:MODEL` or `hf-text:MODEL`."""
    return of_weights(model, SPEECH)
