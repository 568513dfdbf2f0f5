"""What is said in prepared videos, by a speech recogniser of transformers, into `transcripts.csv`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import MissingData, UserError
from harness.progress import Progress, silent

TABLE = "transcripts.csv"
ABOUT = "transcripts.json"
RATE = 16_000


def transcribe(
    out: Path, audio: str, names: Sequence[str], model: str, *, device: str = "cpu", revision: str | None = None,
    progress: Progress = silent,
) -> Path:  # fmt: skip
    """Write `transcripts.csv` (Filename,text), and which model it was by, its revision and its sampling, beside it.

    `model` is a folder or a hub id; code from the hub is never run. Sound is handed over as arrays of 16 kHz, so no
    other program decodes it. Videos already there by the same model are kept. MissingData where there is no such model.
    """
    from harness.store import write_whole

    recogniser = Recogniser(model, device, revision)
    known = _known(out, recogniser.about())
    for name in progress([n for n in names if n not in known], f"transcribe with {model}"):
        path = out / audio / f"{name}.wav"
        known[name] = recogniser(path) if path.is_file() else ""
        write_whole(out / TABLE, _table(known))  # after each: an interrupted call goes on
        write_whole(out / ABOUT, (json.dumps(recogniser.about(), indent=1, sort_keys=True) + "\n").encode())
    return out / TABLE


class Recogniser:
    """A speech recogniser by name: path to text."""

    def __init__(self, model: str, device: str, revision: str | None) -> None:
        from transformers import pipeline

        self.model, self.revision = model, revision
        try:
            self._pipe: Any = pipeline(
                "automatic-speech-recognition", model=model, revision=revision, device=device, trust_remote_code=False
            )
        except OSError as error:
            raise MissingData(
                f"--transcribe: no folder {model!r}, and the hub has no such model or cannot be reached "
                f"({type(error).__name__}). Give a folder made by save_pretrained"
            ) from error
        except (ValueError, KeyError) as error:
            first = " ".join(str(error).split())[:200]
            raise UserError(f"--transcribe: {model!r} is no speech recogniser: {first}") from error

    def about(self) -> dict[str, str]:
        """The model's name, what it is, and its revision: the hub's commit, or "local"."""
        config: Any = self._pipe.model.config
        commit = getattr(config, "_commit_hash", None)
        return {"model": self.model, "type": config.model_type, "revision": commit or self.revision or "local"}

    def __call__(self, path: Path) -> str:
        import soundfile

        samples_S, rate = soundfile.read(path, dtype="float32")
        if rate != RATE:
            raise UserError(f"{path}: expected sound of {RATE} Hz, came {rate}")
        long = len(samples_S) > 30 * RATE and self._pipe.type == "seq2seq_whisper"  # Whisper hears 30 seconds at a time
        words = {"return_timestamps": True} if long else {}
        found: Mapping[str, Any] = self._pipe({"raw": samples_S, "sampling_rate": rate}, **words)
        return str(found["text"]).strip()


def _known(out: Path, about: Mapping[str, str]) -> dict[str, str]:
    table, told = out / TABLE, out / ABOUT
    if not (table.is_file() and told.is_file()) or json.loads(told.read_text()) != about:
        return {}
    with table.open(newline="", encoding="utf-8") as lines:
        return {row["Filename"]: row["text"] for row in csv.DictReader(lines)}


def _table(texts: Mapping[str, str]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([("Filename", "text"), *sorted(texts.items())])
    return buffer.getvalue().encode()
