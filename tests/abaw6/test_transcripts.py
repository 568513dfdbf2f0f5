"""A speech recogniser of one layer, made here and never trained: what it hears is nonsense, but always the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from abaw6.transcripts import transcribe
from harness.errors import MissingData, UserError


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder = tmp_path_factory.mktemp("recogniser")
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefgh"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8, 8), conv_stride=(10, 8), conv_kernel=(10, 8), num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, num_feat_extract_layers=2, pad_token_id=0,
    )  # fmt: skip
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "audio").mkdir()
    for i, name in enumerate(("00001", "00002")):
        noise = np.random.default_rng(i).normal(0, 0.1, 16_000)
        soundfile.write(tmp_path / "audio" / f"{name}.wav", noise, 16_000)
    return tmp_path


def texts(data: Path) -> dict[str, str]:
    with (data / "transcripts.csv").open(newline="") as lines:
        return {row["Filename"]: row["text"] for row in csv.DictReader(lines)}


def test_what_is_said_and_who_heard_it(recogniser: Path, data: Path):
    transcribe(data, "audio", ["00001", "00002", "silent"], str(recogniser))
    first = texts(data)
    assert first.keys() == {"00001", "00002", "silent"}
    assert first["silent"] == ""
    told = json.loads((data / "transcripts.json").read_text())
    assert told == {"model": str(recogniser), "type": "wav2vec2", "revision": "local"}
    transcribe(data, "audio", ["00001", "00002"], str(recogniser))
    assert {name: first[name] for name in ("00001", "00002")}.items() <= texts(data).items()


def test_what_is_known_is_not_heard_again(recogniser: Path, data: Path):
    transcribe(data, "audio", ["00001"], str(recogniser))
    (data / "audio" / "00001.wav").unlink()
    before = texts(data)
    transcribe(data, "audio", ["00001", "00002"], str(recogniser))
    assert texts(data)["00001"] == before["00001"]
    told = json.loads((data / "transcripts.json").read_text())
    (data / "transcripts.json").write_text(json.dumps({**told, "revision": "another"}))
    transcribe(data, "audio", ["00001"], str(recogniser))
    assert texts(data) == {"00001": ""}


def test_no_such_recogniser(data: Path, tmp_path: Path):
    with pytest.raises((MissingData, UserError), match="--transcribe"):
        transcribe(data, "audio", ["00001"], str(tmp_path / "nothing"))
