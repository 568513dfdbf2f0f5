"""Rows chosen to be committed: copied below `records/<data>/<task>/<system@profile>/`, one run per folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.boards.files import file_name
from harness.boards.rows import DEMO, ROW_FILE, Found, find_rows, read_found
from harness.errors import MissingData, UserError
from harness.store import write_whole

LOCAL_PATH = re.compile(r"(?:^|[\s=:'\"])(?:/|~/|[A-Za-z]:\\)[\w.-]+[/\\]")


@dataclass(frozen=True)
class Added:
    """What `add` did: rows and statistics written, rows of an earlier run removed, and what should not be shared."""

    written: list[Path]
    removed: list[Path]
    left_out: list[Path]
    warnings: list[str]


def add(records: Path, sources: Sequence[Path]) -> Added:
    """Copy finished rows, and statistics where the data is demo (those of real data are labels or come near them).

    `sources` are row files or folders of runs. A folder of records holds one run: rows of another one are removed.
    UserError where two runs want the same folder.
    """
    found = [one for source in sources for one in _found(source)]
    todo = [one for one in found if one.scored]
    if not todo:
        raise UserError(f"Nothing to add: no finished, whole row below {', '.join(map(str, sources))}")
    added = Added([], [], [one.path for one in found if not one.scored], [])
    folders: dict[Path, dict[str, dict[str, Found]]] = {}
    for one in todo:
        folders.setdefault(records / record_folder(one.row), {}).setdefault(one.row["run"], {})[one.row["split"]] = one
    for folder, runs in folders.items():
        if len(runs) > 1:
            names = ", ".join(sorted(runs))
            raise UserError(
                f"Expected one run per system, came {len(runs)} for {folder}: {names}; add one run's folder"
            )
    for folder, runs in folders.items():
        (rows,) = runs.values()
        _remove_other_runs(folder, next(iter(runs)), added)
        for split, one in rows.items():
            _copy(one, folder / f"{split}.json", added)
    return added


def record_folder(row: Mapping[str, Any]) -> Path:
    """Where a row is kept: seeds other than 0 and runs without the official split's leaks have folders of their own."""
    seed = f"+seed-{row['seed']}" if row["seed"] else ""
    dedupe = "+dedupe" if row["data"]["dedupe"] else ""
    system = f"{row['system']}@{row['profile']}{seed}{dedupe}"
    return Path(file_name(row["data"]["name"]), file_name(row["task"]), file_name(system))


def local_paths(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Texts of a row that name a folder of this machine, and where in the row they stand."""
    return [(where, text) for where, text in _texts(row, "") if LOCAL_PATH.search(text)]


def _found(source: Path) -> list[Found]:
    if source.is_dir():
        return find_rows(source)
    if not source.exists():
        raise MissingData(f"No run or row at {source}")
    if not ROW_FILE.fullmatch(source.name):
        raise UserError(f"Expected a run's folder or a row (official.json, fold-1.json ...), came {source}")
    return [read_found(source)]


def _copy(one: Found, target: Path, added: Added) -> None:
    write_whole(target, one.path.read_bytes())
    added.written.append(target)
    stats = one.path.with_name(f"{one.path.stem}.stats.npz")
    if one.row["data"]["name"] == DEMO and stats.exists():
        write_whole(target.with_name(stats.name), stats.read_bytes())
        added.written.append(target.with_name(stats.name))
    for where, text in local_paths(one.row):
        added.warnings.append(f"{target}: {where} names a folder of this machine: {text}")


def _remove_other_runs(folder: Path, run: str, added: Added) -> None:
    for one in find_rows(folder) if folder.is_dir() else []:
        if one.row["run"] != run:
            for path in (one.path, one.path.with_name(f"{one.path.stem}.stats.npz")):
                if path.exists():
                    path.unlink()
                    added.removed.append(path)


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{where}.{key}".lstrip("."))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _texts(inner, f"{where}[{i}]")
