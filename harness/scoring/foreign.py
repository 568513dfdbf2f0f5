"""Formats of prediction files the harness knows by itself: plain tables, and those that four tools write.

Each tool's columns are those of its own documentation; a label it has no column for is never predicted.
"""

from __future__ import annotations

import re

from harness.scoring.layouts import Layout, as_format
from harness.scoring.predicted import Format
from harness.scoring.values import plain

# The word a class goes by in these tools, where it is not the name of the label itself.
SAME = {"happy": "happiness", "sad": "sadness", "angry": "anger", "surprised": "surprise", "fearful": "fear"}
CONTEMPT = frozenset({"contempt"})


def _score(column: str) -> str:
    """Our own tables call a column `score LABEL`."""
    return plain(column.removeprefix("score "))


def _openface(column: str) -> str:
    """`AU01_c`, presence; `AU01_r` is an intensity from 0 to 5 and is not used."""
    found = re.fullmatch(r"AU\d+_c", column)
    return plain(column[:-2]) if found else ""


def _pyfeat(column: str) -> str:
    """`AU01` (a probability, or 0 and 1), emotions in small letters, valence and arousal."""
    name = plain(column)
    if re.fullmatch(r"au\d+", name):
        return name
    return name if name in ("valence", "arousal", *EMOTIONS) else ""


def _libreface(column: str) -> str:
    """`au_1`, presence; `au_1_intensity`, 0 to 5, is not used."""
    return plain(column) if re.fullmatch(r"au_\d+", column) else ""


def _emotiefflib(column: str) -> str:
    name = plain(column)
    return SAME.get(name, name) if name in ("valence", "arousal", "contempt", *EMOTIONS, *SAME) else ""


EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")

TABLE = Layout("a table: columns video, frame (from 1), and one per label, by name", means=_score)
PARQUET = Layout("a parquet table with the same columns, as runs leave them", means=_score)
OPENFACE = Layout(
    # https://github.com/TadasBaltrusaitis/OpenFace/wiki/Output-Format: a file per video, named like it
    "OpenFace 2 FeatureExtraction: frame (from 1), success, AUnn_c",
    means=_openface, video=(), image=(), decision=(), valid=("success",),
)  # fmt: skip
PYFEAT = Layout(
    # https://py-feat.org: the columns of a Fex table; `input` is the video, or the image, that was read
    "py-feat: frame (from 0), input, AUnn, emotions",
    means=_pyfeat, first_frame=0, video=("input",), image=(), decision=(),
)  # fmt: skip
LIBREFACE = Layout(
    # https://github.com/ihp-lab/LibreFace: save_facial_attributes_video, a file per video, named like it
    "LibreFace: frame_idx (from 0), au_n, facial_expression",
    means=_libreface, first_frame=0, video=(), image=(), decision=("facialexpression",), others=CONTEMPT,
)  # fmt: skip
EMOTIEFFLIB = Layout(
    # https://github.com/sb-ai-lab/EmotiEffLib writes no file itself: a column per entry of its idx_to_emotion_class
    "EmotiEffLib (HSEmotion): frame (from 1), a column per emotion, valence, arousal",
    means=_emotiefflib, decision=("emotion",), others=CONTEMPT,
)  # fmt: skip

FORMATS: dict[str, Format] = {
    "csv": as_format(TABLE, lambda file, names: file.suffix.lower() in (".csv", ".tsv")),
    "parquet": as_format(PARQUET, lambda file, names: file.suffix.lower() == ".parquet"),
    "openface": as_format(OPENFACE, lambda file, names: "success" in names and any(map(_openface, names))),
    "py-feat": as_format(PYFEAT, lambda file, names: {"input", "frame"} <= {*names} and any(map(_pyfeat, names))),
    "libreface": as_format(LIBREFACE, lambda file, names: {"frame_idx", "facial_expression"} <= {*names}),
    "emotiefflib": as_format(EMOTIEFFLIB, lambda file, names: {"contempt", *EMOTIONS} <= {*map(plain, names)}),
}
GENERIC = ("csv", "parquet")  # what a file is where no other format recognises it
