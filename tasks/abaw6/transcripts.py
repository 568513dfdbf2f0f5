"""What is said in prepared videos, by a speech recogniser of transformers, into `transcripts.csv`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from abaw6.prepare_video import why
from harness.errors import MissingData, UserError
from harness.progress import Progress, silent
from harness.store import write_whole
from harness.weights import hub_or_cache, sha256_of

TABLE = "transcripts.csv"
ABOUT = "transcripts.json"
RATE = 16_000


class Words(NamedTuple):
    """What is said in a video, and the SHA-256 of the sound file it was heard in (empty where there is none)."""

    text: str
    sha256: str


def transcribe(
    out: Path, audio: str, names: Sequence[str], recogniser: Recogniser, *, progress: Progress = silent
) -> dict[str, str]:
    """Write `transcripts.csv` (Filename,text,sha256 of the sound) and, beside it, which model and revision it is by.

    Sound heard before by the same model is not heard again. Returns why a sound file failed, by its name; it has no
    row, and stops no other.
    """
    about, failed = recogniser.about(), {}
    before = _read(out) if _about(out) == about else {}
    sounds = {name: out / audio / f"{name}.wav" for name in {*names, *before}}
    known = {name: words for name, words in before.items() if words.sha256 == _digest(sounds[name])}
    if known != before:
        _write(out, known, about)
    for name in progress([n for n in names if n not in known], f"transcribe with {recogniser.model}"):
        path = sounds[name]
        try:
            known[name] = Words(recogniser(path) if path.is_file() else "", _digest(path))
        except Exception as error:  # one bad file must not stop a night's work
            failed[path.name] = why(error)
            continue
        _write(out, known, about)  # after each: an interrupted call goes on
    return failed


def forget(out: Path, names: Collection[str]) -> None:
    """Take videos that are no more what they were out of the table; a table of another's making stays as it is."""
    about = _about(out)
    if about is None:
        return
    before = _read(out)
    known = {name: words for name, words in before.items() if name not in names}
    if known != before:
        _write(out, known, about)


class Recogniser:
    """A speech recogniser, a folder or a hub id: path to text. MissingData where there is none of that name.

    Code from the hub is never run. Sound is handed over as arrays of 16 kHz, so no other program decodes it.
    """

    def __init__(self, model: str, device: str = "cpu", revision: str | None = None) -> None:
        from transformers import pipeline

        self.model, self.revision = model, revision
        if not Path(model).is_dir():
            hub_or_cache()
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


def _digest(path: Path) -> str:
    return sha256_of(path) if path.is_file() else ""


def _about(out: Path) -> Mapping[str, str] | None:
    """Whose transcripts a data set holds; None where they are not of our making."""
    if not ((out / TABLE).is_file() and (out / ABOUT).is_file()):
        return None
    about: Mapping[str, str] = json.loads((out / ABOUT).read_text())
    return about


def _read(out: Path) -> dict[str, Words]:
    with (out / TABLE).open(newline="", encoding="utf-8") as lines:
        return {row["Filename"]: Words(row["text"], row.get("sha256") or "") for row in csv.DictReader(lines)}


def _write(out: Path, known: Mapping[str, Words], about: Mapping[str, str]) -> None:
    buffer = io.StringIO()
    rows = ((name, *known[name]) for name in sorted(known))
    csv.writer(buffer, lineterminator="\n").writerows([("Filename", *Words._fields), *rows])
    write_whole(out / TABLE, buffer.getvalue().encode())
    write_whole(out / ABOUT, (json.dumps(about, indent=1, sort_keys=True) + "\n").encode())
