"""Boards: from lines to the files of `leaderboards/`, and their comparison with what lies there.

Per data set and task one page of systems (one split, sorted by P, with tie groups and never a bare rank) and one page
per system in the paper's layout (official, fold-1 .. fold-5, folds mean, folds pooled); over all of them `README.md`
(see `harness.boards.overview`). No table mixes two kinds of data.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, product
from pathlib import Path
from typing import Any

from harness.boards.published import TRACKS
from harness.boards.rows import DEMO, Line, differences, in_order, split_rank
from harness.boards.seeds import NOTE as SEEDS_NOTE
from harness.boards.tables import BEGINNINGS, SUFFIXES, Page, Table, render
from harness.boards.ties import NOTE as TIES_NOTE
from harness.corpora import NOTE as CONTAMINATION_NOTE
from harness.errors import HarnessError

TEST = "test"
WHAT_DEMO_MEANS = (
    "**demo** is a made-up world that the harness writes itself (drawn faces, synthetic voices, made-up transcripts), "
    "so that everything runs with nothing configured. A score on it compares methods in that world; it says nothing "
    "about real faces and must never be set beside a published score."
)
AS_PUBLISHED = (
    "Published scores are what their authors report; they come without an interval and were not judged by this harness."
)
OTHER_FOLDS = "The papers publish no fold lists: their folds are not the folds of this harness."
ONLY = "A choice of rows: those whose contamination is {}."
TEST_NOTE = "The organisers keep these labels: only published results exist, and nothing here was judged on this set."


def files(
    lines: Sequence[Line], *, split: str = "official", formats: Iterable[str] = ("md",), only: Sequence[str] = ()
) -> dict[str, bytes]:
    """Every page's content by relative path, the combined one aside; each says so where it has `only` some verdicts."""
    kinds = list(formats)
    made: dict[str, bytes] = {}
    for page in pages(lines, split, only):
        for kind in kinds:
            path = page.path + SUFFIXES[kind]
            if path in made:
                raise HarnessError(f"two tables want the file {path}: rename one of the tasks or systems behind it")
            made[path] = render(page, kind)
    return made


def pages(lines: Sequence[Line], split: str = "official", only: Sequence[str] = ()) -> list[Page]:
    """Every page of these lines. Another split than official gives pages of tasks alone, in a folder of its own."""
    choice = (ONLY.format(" or ".join(only)),) if only else ()
    made: list[Page] = []
    for (data, (_, task)), of_task in grouped(lines, lambda line: (line.data, task_rank(line.task))):
        systems = by_system(of_task) if split == "official" else {}
        page = _task_page(data, task, of_task, split, sorted(systems))
        made += [page] if page.tables else []
        made += [_system_page(data, task, system, some) for system, some in sorted(systems.items())]
    return [replace(page, intro=(*page.intro, *choice)) for page in made]


def changed_files(
    out: Path, made: Mapping[str, bytes], data: Iterable[str], split: str, formats: Iterable[str]
) -> dict[str, str]:
    """What differs between `made` and the folder: path -> "missing", "different" or "left over" (of an earlier board).

    Left over are files that a board made, in the folders of these data sets, in one of these formats.
    """
    found = {}
    for path, content in made.items():
        if not (out / path).exists():
            found[path] = "missing"
        elif (out / path).read_bytes() != content:
            found[path] = "different"
    folders = [out / file_name(name) / ("" if split == "official" else split) for name in sorted(data)]
    for kind, folder in product(formats, folders):
        for file in sorted(folder.glob(f"*{SUFFIXES[kind]}")):
            relative = file.relative_to(out).as_posix()
            if relative not in made and file.read_bytes().startswith(BEGINNINGS[kind].encode()):
                found[relative] = "left over"
    return found


def by_system(lines: Iterable[Line]) -> dict[str, list[Line]]:
    """Lines of each system with a page of its own: its runs, and what a paper reports on more than one split."""
    systems: dict[str, list[Line]] = {}
    for line in lines:
        if line.split != TEST and line.system and not line.seeds:
            systems.setdefault(line.system, []).append(line)
    return {name: some for name, some in systems.items() if _own(some) or len({line.split for line in some}) > 1}


def file_name(name: str) -> str:
    """A name from a plugin as a file's name; two names never become one.

    >>> file_name("netease_abaw6[vote=mean]")
    'netease_abaw6[vote=mean]'
    >>> file_name("../a b")
    '..-a-b-2c2c791a'
    """
    safe = re.sub(r"[^\w.@=,+\[\]-]+", "-", name, flags=re.ASCII)[:100]
    plain = safe == name and safe.strip(".") and safe.casefold() not in ("records", "readme")
    return safe if plain else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def grouped(lines: Iterable[Line], key: Callable[[Line], Any]) -> list[tuple[Any, list[Line]]]:
    """Lines by key, in the order of keys."""
    return [(value, list(some)) for value, some in groupby(sorted(lines, key=key), key=key)]


def task_rank(task: str) -> tuple[int, str]:
    """The five tracks in the paper's order, then others by name."""
    order = list(TRACKS)
    return (order.index(task) if task in order else len(order)), task


def _task_page(data: str, task: str, lines: Sequence[Line], split: str, systems: Sequence[str]) -> Page:
    tables = []
    shown = [line for line in lines if line.split == split]
    if shown:
        title = "Official split, validation side" if split == "official" else f"Split {split}"
        tables.append(Table(title, "systems", tuple(in_order(shown)), _notes(shown)))
    on_test = [line for line in lines if line.split == TEST and line.published]
    if on_test and split == "official":
        title = "The organisers' test set, published scores only"
        tables.append(Table(title, "systems", tuple(in_order(on_test)), (TEST_NOTE, CONTAMINATION_NOTE)))
    name = file_name(task)
    folder = file_name(data) + ("" if split == "official" else f"/{split}")
    links = tuple((system, f"{name}.{file_name(system)}.md") for system in systems)
    title = f"{task.upper()} on {data}: {_title(lines)}"
    return Page(f"{folder}/{name}", data, title, tuple(tables), _intro(data), links)


def _system_page(data: str, task: str, system: str, lines: Sequence[Line]) -> Page:
    """The paper's layout: one table per profile, seed and conditions; then the system's published scores."""
    differ = differences(lines)
    tables = []
    for key, some in grouped(lines, lambda o: (o.team, o.published, o.profile, o.seed or 0, o.conditions)):
        team, published, profile, seed, conditions = key
        what = "; ".join(f"{name}: {value}" for name, value in conditions if name in differ)
        title = f"Profile {profile}, seed {seed}" + (f" ({what})" if what else "")
        title = f"Published by {team}" if published else title
        ordered = tuple(sorted(some, key=lambda line: split_rank(line.split)))
        tables.append(Table(title, "splits", ordered, _notes(some)))
    name = file_name(task)
    title = f"{system}, {task.upper()} on {data}: {_title(lines)}"
    links = ((f"all systems on {task}", f"{name}.md"),)
    return Page(f"{file_name(data)}/{name}.{file_name(system)}", data, title, tuple(tables), _intro(data), links)


def _notes(lines: Sequence[Line]) -> tuple[str, ...]:
    """What a table must not keep quiet."""
    remarks = dict.fromkeys(remark for line in in_order(lines) for remark in line.remarks)
    notes = sorted(remarks, key=lambda remark: not remark.startswith("Intervals"))
    notes += [SEEDS_NOTE] if any(line.seeds for line in lines) else []
    notes += [TIES_NOTE] if any(line.best is not None for line in lines) else []
    notes += [*_conditions(lines), *_several_runs(lines), CONTAMINATION_NOTE]
    published = [line for line in lines if line.published]
    notes += [AS_PUBLISHED] if published else []
    notes += [OTHER_FOLDS] if any(line.split.startswith("fold") for line in published) else []
    return tuple(notes)


def _conditions(lines: Sequence[Line]) -> list[str]:
    notes = []
    for name, by_value in differences(lines).items():
        usual = min(by_value, key=lambda value: (-len(by_value[value]), value))
        others = [f"{value} in {_names(some)}" for value, some in sorted(by_value.items()) if value != usual]
        notes.append(f"Not all rows compare ({name}): {'; '.join(others)}; {usual} in all other runs.")
    return notes


def _several_runs(lines: Sequence[Line]) -> list[str]:
    """Of a system whose splits come from more than one run, which."""
    notes = []
    by_name = grouped((o for o in _own(lines) if not o.seeds), lambda line: (line.full_name, line.conditions))
    for (name, _), some in by_name:
        runs: dict[str, list[str]] = {}
        for line in sorted(some, key=lambda line: split_rank(line.split)):
            runs.setdefault(line.run, []).append(line.split)
        if len(runs) > 1:
            told = "; ".join(f"{run} ({', '.join(splits)})" for run, splits in runs.items())
            notes.append(f"The splits of {name} are of more than one run: {told}.")
    return notes


def _names(lines: Sequence[Line]) -> str:
    return ", ".join(sorted({line.full_name for line in lines}))


def _own(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if not line.published]


def _title(lines: Sequence[Line]) -> str:
    return min(lines, key=lambda line: (bool(line.published), line.title)).title


def _intro(data: str) -> tuple[str, ...]:
    return (WHAT_DEMO_MEANS,) if data == DEMO else ()
