"""A speech recogniser of one layer, made here and never trained: what it hears is nonsense, but always the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from abaw6.transcripts import Recogniser, forget, transcribe
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
    assert transcribe(data, "audio", ["00001", "00002", "silent"], Recogniser(str(recogniser))) == {}
    first = texts(data)
    assert first.keys() == {"00001", "00002", "silent"}
    assert first["silent"] == ""
    told = json.loads((data / "transcripts.json").read_text())
    assert told == {"model": str(recogniser), "type": "wav2vec2", "revision": "local"}
    transcribe(data, "audio", ["00001", "00002"], Recogniser(str(recogniser)))
    assert texts(data) == first


def test_no_such_recogniser(tmp_path: Path):
    with pytest.raises((MissingData, UserError), match="--transcribe"):
        Recogniser(str(tmp_path / "nothing"))


class Counting(Recogniser):
    """Hears how many samples there are, and remembers what it was asked; fails on what it is told to."""

    def __init__(self, *, model: str = "counting", fails_on: tuple[str, ...] = ()) -> None:
        self.model, self.fails_on = model, fails_on
        self.asked: list[str] = []

    def about(self) -> dict[str, str]:
        return {"model": self.model}

    def __call__(self, path: Path) -> str:
        self.asked.append(path.stem)
        if path.stem in self.fails_on:
            raise RuntimeError("Calculated padded input size\n is too small")
        return f"{len(soundfile.read(path)[0])} samples"


def test_what_is_known_is_not_heard_again(data: Path):
    one = Counting()
    transcribe(data, "audio", ["00001"], one)
    transcribe(data, "audio", ["00001", "00002"], one)
    assert one.asked == ["00001", "00002"]
    another = Counting(model="another")
    transcribe(data, "audio", ["00001"], another)
    assert (another.asked, texts(data)) == (["00001"], {"00001": "16000 samples"})


def test_sound_that_changed_is_heard_again(data: Path):
    one = Counting()
    transcribe(data, "audio", ["00001", "00002"], one)
    soundfile.write(data / "audio" / "00001.wav", np.zeros(8_000), 16_000)
    transcribe(data, "audio", ["00001", "00002"], one)
    assert one.asked == ["00001", "00002", "00001"]
    assert texts(data) == {"00001": "8000 samples", "00002": "16000 samples"}


def test_sound_that_is_gone_leaves_no_words(data: Path):
    transcribe(data, "audio", ["00001", "00002"], Counting())
    (data / "audio" / "00001.wav").unlink()
    transcribe(data, "audio", ["00002"], Counting())
    assert texts(data) == {"00002": "16000 samples"}


def test_one_failing_file_stops_no_other(data: Path):
    told = transcribe(data, "audio", ["00001", "00002"], Counting(fails_on=("00001",)))
    assert told == {"00001.wav": "RuntimeError: Calculated padded input size is too small"}
    assert texts(data) == {"00002": "16000 samples"}
    again = Counting()
    assert transcribe(data, "audio", ["00001", "00002"], again) == {}
    assert again.asked == ["00001"]


def test_forgotten_videos_have_no_words(data: Path):
    transcribe(data, "audio", ["00001", "00002"], Counting())
    forget(data, ["00001", "other"])
    assert texts(data) == {"00002": "16000 samples"}
    (data / "transcripts.json").unlink()  # then it is a table of one's own
    forget(data, ["00002"])
    assert texts(data) == {"00002": "16000 samples"}
