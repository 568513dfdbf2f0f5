from __future__ import annotations

from hf_encoders import plugin
from hf_encoders.audio import hf_audio
from hf_encoders.text import hf_text


def test_both_families_are_provided():
    assert plugin.provide_encoders() == {"hf": hf_audio, "hf-text": hf_text}
