from __future__ import annotations

from hf_encoders.corpora import saw


def test_a_few_speech_models_are_told_of():
    assert saw("facebook/wav2vec2-base", layer="learned") == ("librispeech",)
    assert saw("microsoft/wavlm-large") is None
    assert saw("some/bert", revision="main") is None
