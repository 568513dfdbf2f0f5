from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.errors import MissingData, UserError
from hf_encoders.audio import hf_audio
from hf_encoders.text import hf_text

REMOTE = """
import pathlib
pathlib.Path({mark!r}).write_text("ran")
from transformers import BertConfig
class OwnConfig(BertConfig):
    model_type = "own-bert"
"""


@pytest.fixture
def copied(bert: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bert, tmp_path / "copied"))


@pytest.mark.parametrize("family", [hf_audio, hf_text])
def test_a_hub_name_that_cannot_be_had_is_missing_data(family):
    with pytest.raises(MissingData, match=r"the hub has no such model at revision 'v1' or cannot be reached") as raised:
        family("nobody/such-model", revision="v1")
    assert (raised.value.exit_code, "\n" in str(raised.value)) == (3, False)


def test_a_folder_that_is_not_there_is_missing_data(tmp_path: Path):
    with pytest.raises(MissingData, match=r"No folder '.*nowhere': expected one made by save_pretrained"):
        hf_text(str(tmp_path / "nowhere"))


def test_a_folder_without_weights_is_missing_data(copied: Path):
    (copied / "model.safetensors").unlink()
    with pytest.raises(MissingData, match=r"'.*copied' is not whole: .*model\.safetensors"):
        hf_text(str(copied))


def test_a_model_of_the_other_modality_is_named(bert: Path, wav2vec2: Path):
    with pytest.raises(UserError, match=r"is no audio model: it takes 'input_ids'\. For text say hf-text:/"):
        hf_audio(str(bert))
    with pytest.raises(UserError, match=r"is no text model: it takes 'input_values'\. For audio say hf:/"):
        hf_text(str(wav2vec2))


def test_a_revision_of_a_folder_is_refused(bert: Path):
    with pytest.raises(UserError, match="revision='main' is of a hub name"):
        hf_text(str(bert), revision="main")


def test_weights_that_are_not_there_are_never_drawn_at_random(copied: Path):
    state = load_file(copied / "model.safetensors")
    del state["encoder.layer.1.output.dense.weight"], state["pooler.dense.weight"]
    save_file(state, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"lacks 1 weights of its own .*, say encoder\.layer\.1\.output\.dense\.weight"):
        hf_text(str(copied))


def test_pickled_weights_are_read_only_as_plain_tensors(copied: Path):
    state = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save(state, copied / "pytorch_model.bin")
    assert hf_text(str(copied)).dim == 16
    torch.save({**state, "more": Path("x")}, copied / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be read"):
        hf_text(str(copied))


def test_code_of_a_checkpoint_is_run_only_by_the_option_of_that_name(copied: Path, tmp_path: Path):
    mark = tmp_path / "ran"
    (copied / "own.py").write_text(REMOTE.format(mark=str(mark)))
    config = json.loads((copied / "config.json").read_text())
    config |= {"model_type": "own-bert", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"brings Python code of its own, which is not run; .* trust_remote_code=true"):
        hf_text(str(copied))
    assert not mark.exists()
