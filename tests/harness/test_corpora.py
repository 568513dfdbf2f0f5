from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.corpora import CORPORA, contamination, of_weights, verdicts
from harness.errors import UserError


@pytest.mark.parametrize(
    ("judged", "saw", "verdict"),
    [
        ("aff-wild2", ["aff-wild2"], "in-sample"),
        ("aff-wild2", ["affectnet", "aff-wild"], "in-sample"),  # whose videos are part of it
        ("aff-wild", ["aff-wild2"], "in-sample"),
        ("aff-wild2", ["affectnet", "celeba"], "held-out"),
        ("aff-wild2", ["c-expr"], "held-out"),
        ("aff-wild2", ["youtube-8m"], "unknown"),  # both are of YouTube
        ("hume-vidmimic2", ["youtube-8m"], "held-out"),
        ("demo", ["demo-pretrain"], "held-out"),
        ("demo", ["demo"], "in-sample"),
        ("demo", [], "held-out"),
        ("aff-wild2", ["our-own-faces"], "unknown"),
        ("aff-wild2", ["our-own-faces", "aff-wild2"], "in-sample"),
        ("our-own-faces", ["affectnet"], "unknown"),
        ("our-own-faces", ["our-own-faces"], "in-sample"),
        ("aff-wild2", None, "unknown"),
    ],
)
def test_the_verdict(judged: str, saw: list[str] | None, verdict: str):
    assert contamination(judged, saw) == verdict


def test_corpora_that_are_named_by_others_are_in_the_table_and_real_ones_have_a_source():
    for name, corpus in CORPORA.items():
        assert {*corpus.holds, *corpus.may_hold} <= CORPORA.keys()
        assert name.startswith("demo") != bool(corpus.source)


def test_published_weights_are_told_by_reference():
    known = {"faces.pth": ["affectnet"], "hf:owner/name/faces.pth": ["celeba"]}
    assert of_weights("faces.pth", known) == ("affectnet",)
    assert of_weights("hf:owner/name/faces.pth", known) == ("celeba",)
    assert of_weights("random", known) == ()
    assert of_weights("data:demo-pretrain", known) == ("demo-pretrain",)
    for other in (None, "", ".", "other.pth", "hf:owner/name/other.pth", "https://host/faces.pth#sha256=" + "0" * 64):
        assert of_weights(other, known) is None


def test_weights_of_ones_own_are_told_by_the_json_beside_them(tmp_path: Path):
    sidecar = tmp_path / "mae.json"
    assert of_weights(str(tmp_path / "mae.safetensors"), {}) is None
    sidecar.write_text(json.dumps({"epochs": 3}))
    assert of_weights(str(tmp_path / "mae.safetensors"), {}) is None
    sidecar.write_text(json.dumps({"corpora": ["affectnet", "celeba"]}))
    assert of_weights(str(tmp_path / "mae.safetensors"), {}) == ("affectnet", "celeba")


@pytest.mark.parametrize(
    ("content", "message"), [("{", "expected JSON"), ('{"corpora": "affectnet"}', "a list of names")]
)
def test_a_json_that_cannot_be_understood_is_named(tmp_path: Path, content: str, message: str):
    (tmp_path / "mae.json").write_text(content)
    with pytest.raises(UserError, match=rf"mae\.json: .*{message}"):
        of_weights(str(tmp_path / "mae.pth"), {})


def test_verdicts_as_typed():
    assert verdicts("held-out,in-sample") == {"held-out", "in-sample"}
    for text in ("clean", ""):
        with pytest.raises(UserError, match="No verdict on contamination is called"):
            verdicts(text)
