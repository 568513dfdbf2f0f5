"""Rows: what a finished split leaves behind, as JSON that never holds a NaN, written whole or not at all.

A row is a plain mapping with `schema` 1. Two rows are the same when equal but for `cost` and `env`.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import HarnessError, MissingData
from harness.store import write_whole

SCHEMA = 1
DO_NOT_SHARE = "statistics of a video-level task are its labels: do not share"


def write_row(path: Path, row: Mapping[str, Any]) -> None:
    """Write a row; HarnessError where a number is not finite."""
    if row.get("schema") != SCHEMA:
        raise HarnessError(f"a row needs schema {SCHEMA}, came {row.get('schema')!r}")
    _finite(row, "row")
    write_whole(path, (json.dumps(row, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode())


def read_row(path: Path) -> dict[str, Any]:
    """A row from its file; HarnessError naming the file where it is no row of this schema."""
    try:
        row = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise HarnessError(f"{path} is not JSON: {error}") from None
    if not isinstance(row, dict) or row.get("schema") != SCHEMA:
        raise HarnessError(
            f"{path}: expected a row of schema {SCHEMA}, came {row!r:.60}"
        )
    return row


def same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two rows say the same: all but `cost` and `env`."""
    return {k: v for k, v in a.items() if k not in ("cost", "env")} == {
        k: v for k, v in b.items() if k not in ("cost", "env")
    }


def write_stats(
    path: Path,
    stats_VLk: Any,
    videos: Sequence[str],
    groups: Sequence[str],
    *,
    level: str,
    truths: Sequence[str] | None = None,
) -> None:
    """Per-video statistics as npz, marked where they are labels; `truths` are hashes of each video's judged labels."""
    buffer = io.BytesIO()
    note = DO_NOT_SHARE if level == "video" else ""
    arrays: Any = {"stats": stats_VLk, "videos": np.array(videos), "groups": np.array(groups), "note": np.array(note)}
    if truths is not None:
        arrays["truths"] = np.array(truths)
    np.savez_compressed(buffer, **arrays)
    write_whole(path, buffer.getvalue())


def read_stats(path: Path) -> tuple[Any, list[str], list[str]]:
    """stats_VLk, video keys and groups of one split; HarnessError where the file is damaged."""
    if not path.exists():
        raise MissingData(f"No statistics at {path}; they are written beside every row of a run")
    stats_VLk, videos, groups = (_array(path, name) for name in ("stats", "videos", "groups"))
    return stats_VLk, videos.tolist(), groups.tolist()


def read_truths(path: Path) -> list[str] | None:
    """A hash of each video's judged labels; None in files from before they were kept."""
    found = _array(path, "truths", optional=True)
    return None if found is None else list(found.tolist())


def _array(path: Path, name: str, *, optional: bool = False) -> Any:
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return None if optional and name not in file else file[name]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise HarnessError(f"{path} is damaged, its statistics cannot be read ({type(error).__name__})") from error


def _finite(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _finite(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            _finite(inner, f"{where}[{i}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise HarnessError(f"{where} is {value}: a row holds finite numbers only")
