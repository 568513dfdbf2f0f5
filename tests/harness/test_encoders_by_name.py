"""A whole run, on the tiny world, with encoders that are named `timm:MODEL`, `hf:FOLDER` and `hf-text:FOLDER`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.errors import MissingData
from hf_encoders.plugin import provide_encoders as hf
from timm_encoders.plugin import provide_encoders as timm

NAMED: Mapping[str, Any] = {**timm(), **hf()}


def test_a_timm_model_from_a_local_file(tiny: Any, tmp_path: Path):
    import timm

    path = tmp_path / "model.pth"
    torch.save(timm.create_model("test_resnet").state_dict(), path)
    image = {"encoders.image": "timm:test_resnet", "encoders.image.weights": str(path), "encoders.image.image": 32}
    row = tiny(encoders=NAMED).row(sets={**image, "adapt.image": None}, limit=4)
    assert row["system"] == f"tiny[encoders.image=timm:test_resnet,encoders.image.weights={path}," + (
        "encoders.image.image=32,adapt.image=None]"
    )
    assert 0 <= row["score"]["P"]["value"] <= 100


def test_weights_that_are_not_here_end_the_run(tiny: Any):
    with pytest.raises(MissingData, match="published weights of timm:test_resnet are neither in the local hub cache"):
        tiny(encoders=NAMED).row(sets={"encoders.image": "timm:test_resnet"}, limit=4)


def test_a_text_model_with_lora_is_trained_on_the_transcripts_of_the_train_part(tiny: Any, tmp_path: Path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "warm": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").save_pretrained(tmp_path / "llama")
    config = LlamaConfig(
        vocab_size=2, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=16, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    LlamaModel(config).save_pretrained(tmp_path / "llama")
    from harness.types import Recipe

    text = {"encoders.text": f"hf-text:{tmp_path / 'llama'}", "encoders.text.pooling": "last", "encoders.text.rank": 2}
    world = tiny("clip", encoders=NAMED)
    prepared = world.prepare(sets={**text, "adapt.text": Recipe(epochs=2, lr=0.01, batch=4), "adapt.image": None})
    from harness.adapt import Adapted

    context, split = prepared.context, prepared.splits[0]
    adapted = Adapted(context, split, "text")
    assert adapted.train()["by"] == "pearson on inner"
    before, after = adapted.fresh(), adapted.build()
    with torch.no_grad():
        assert (before(["warm warm"]) - after(["warm warm"])).abs().max() > 0
    changed = {
        name
        for (name, old), new in zip(before.module.named_parameters(), after.module.parameters(), strict=True)
        if not torch.equal(old, new)
    }
    assert changed
    assert all("lora_" in name for name in changed)
