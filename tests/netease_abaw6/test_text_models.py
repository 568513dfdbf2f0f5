from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5Model

from harness.errors import MissingData, UserError
from netease_abaw6.text_models import HashedWords, pretrained


def test_hashed_words_are_the_same_everywhere():
    assert HashedWords(10).ids("Hello, World") == [1, 2420, 580, 273]


def test_hashed_words_are_cut_and_padded():
    given = HashedWords(4)(["a b c d e f", "a"])
    assert given["input_ids"].shape == (2, 4)
    assert given["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert given["input_ids"][1, 2:].tolist() == [0, 0]


def test_long_transcripts_are_cut(language_model):
    for max_tokens, expected in ((8, 8), (500, 24)):  # no model reads beyond its own positions
        _, tokenize = pretrained(str(language_model), max_tokens)
        assert tokenize(["so " * 400])["input_ids"].shape == (1, expected)


def test_padding_stands_on_the_right_and_is_masked(language_model):
    given = pretrained(str(language_model), 128)[1](["no", "i am so happy"])
    assert given["attention_mask"].tolist() == [[1, 0, 0, 0], [1, 1, 1, 1]]
    assert given["input_ids"][:, 0].tolist() == [9, 3]


def test_a_hub_name_that_cannot_be_had_is_missing_data():
    with pytest.raises(MissingData, match="No language model 'nobody/such-model'") as raised:
        pretrained("nobody/such-model", 128, revision="v1")
    assert (raised.value.exit_code, "\n" in str(raised.value)) == (3, False)


@pytest.mark.parametrize("model", ["./nowhere/model", "/nowhere/model"])
def test_a_folder_that_is_not_there_is_missing_data(model):
    with pytest.raises(MissingData, match="expected a folder that transformers reads"):
        pretrained(model, 128)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises((MissingData, UserError), match=str(tmp_path)):
        pretrained(str(tmp_path), 128)


def test_a_revision_of_a_folder_is_refused(bert):
    with pytest.raises(UserError, match="revision='v1' is of a hub name"):
        pretrained(bert, 128, revision="v1")


def test_weights_that_are_not_there_are_never_drawn_at_random(bert):
    path = Path(bert) / "model.safetensors"
    state = load_file(path)
    del state["encoder.layer.1.output.dense.weight"]
    save_file(state, path, {"format": "pt"})
    with pytest.raises(UserError, match=r"lacks 1 weights .*, say encoder\.layer\.1\.output\.dense\.weight"):
        pretrained(bert, 128)


def test_a_pickle_with_code_in_it_is_not_run(bert):
    folder = Path(bert)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({**state, "more": Path("x")}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be read"):
        pretrained(bert, 128)


def test_an_encoder_decoder_is_refused(bert):
    config = T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(bert)
    with pytest.raises(UserError, match="one stack of layers"):
        pretrained(bert, 128)
