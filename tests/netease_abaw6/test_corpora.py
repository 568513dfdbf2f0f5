from __future__ import annotations

import json
from pathlib import Path

from netease_abaw6.corpora import IMAGE, SAW, mae, text, vggish
from netease_abaw6.pipeline import NETEASE_ABAW6
from netease_abaw6.plugin import provide_encoders


def test_every_encoder_but_a_runs_own_is_told_of():
    assert SAW.keys() == provide_encoders().keys() - {"of_run"}


def test_the_weights_of_the_paper_are_told():
    options = {modality: component.options for modality, component in NETEASE_ABAW6.encoders.items()}
    assert mae(**options["image"]) == IMAGE["mae_face_pretrain_vit_base.pth"]
    assert vggish(**options["audio"]) == ("youtube-8m",)
    assert text(**options["text"]) is None  # no language model is named


def test_weights_that_are_drawn_saw_nothing_and_those_of_a_file_what_its_json_says(tmp_path: Path):
    assert mae(weights="random") == vggish(weights="random") == text(model="tiny-random") == ()
    own = tmp_path / "own.safetensors"
    assert mae(weights=str(own)) is None
    own.with_suffix(".json").write_text(json.dumps({"corpora": ["celeba"]}))
    assert mae(weights=str(own)) == vggish(weights=str(own)) == ("celeba",)


def test_every_part_of_an_encoder_counts():
    assert vggish(weights="random", pca="vggish_pca_params.npz") == ("audioset",)
    assert vggish(weights="random", pca="other.npz") is None
    assert text(model="tiny-random", adapter="somebodys") is None
