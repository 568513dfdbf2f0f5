"""Where data sets lie: `--data NAME=PATH`, then HARNESS_DATA, then a config file; with none of them, the demo world."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import MissingData, UserError, unknown

if TYPE_CHECKING:
    import pluggy

DEMO = "demo"
HOW_TO_GET = {
    "aff-wild2": "Aff-Wild2 is given to researchers who sign its EULA (ask through the ABAW competition page)",
    "c-expr": "C-EXPR-DB is given to researchers who sign its EULA (ask through the ABAW competition page)",
    "hume-vidmimic2": "Hume-Vidmimic2 is given to researchers who sign Hume AI's EULA (the EMI challenge)",
    "bp4d": "BP4D is licensed by Binghamton University",
    "raf-db": "RAF-DB is given to researchers on request (Beijing University of Posts and Telecommunications)",
    "raf-db-compound": "RAF-DB is given to researchers on request (Beijing University of Posts and Telecommunications)",
    "affectnet": "AffectNet is given to researchers on request (University of Denver)",
}


@dataclass(frozen=True)
class Root:
    """A data set that was found. `name` is what rows say about it: "demo", or the data set's own name."""

    path: Path
    name: str
    demo: bool


def cache_home() -> Path:
    """The folder of everything that can be made again: HARNESS_CACHE, else `~/.cache/abaw-harness`.

    UserError where HARNESS_CACHE is a file.
    """
    chosen = os.environ.get("HARNESS_CACHE")
    home = Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "abaw-harness"
    if chosen and home.is_file():
        raise UserError(f"HARNESS_CACHE: expected a folder, came the file {chosen}")
    return home


def parse_options(values: Iterable[str], known: Iterable[str] = (), source: str = "--data") -> dict[str, str]:
    """`--data` as typed, to a mapping: "demo" stands for the demo world, "NAME=PATH" for one data set.

    Of one data set, however its name is written, the last path counts.

    >>> parse_options(["aff-wild2=/data/AffWild2", "demo"])
    {'aff-wild2': '/data/AffWild2', 'demo': ''}
    """
    names = {plain(name): name for name in known}
    options: dict[str, tuple[str, str]] = {}
    for value in values:
        name, equals, path = value.partition("=")
        if value == DEMO:
            options[DEMO] = DEMO, ""
        elif not equals or not path:
            raise UserError(f"{source}: expected NAME=PATH or 'demo', got {value!r}")
        elif plain(name) == DEMO:
            example = f"a folder of one data set is NAME=PATH, say aff-wild2={path}"
            raise UserError(f"{source}: 'demo' takes no path, came {value!r}; {example}")
        elif names and plain(name) not in names:
            raise unknown("data set", name, names.values())
        else:
            options[plain(name)] = names.get(plain(name), name), path
    return dict(options.values())


def locate(name: str, data_options: Mapping[str, str], plugin_manager: pluggy.PluginManager) -> Root:
    """The root of data set `name`; the demo world's stand-in is written first where it stands in and is not there.

    Raises MissingData naming every folder looked at.
    """
    return find(name, data_options) or _demo(name, plugin_manager)


def find(name: str, data_options: Mapping[str, str]) -> Root | None:
    """The root of data set `name` where one is set, None where the demo world stands in for it; nothing is written.

    Sources in order: `data_options` (see `parse_options`), HARNESS_DATA, `harness.toml` here, the user's config file.
    The demo world stands in only with "demo" in `data_options`, or where none of these sources is set at all.
    Names match whatever their case and separators. Raises MissingData naming every folder looked at, and UserError
    where an option is for `name` but for a slip: it must not give way to another source.
    """
    for key, path in data_options.items():
        if plain(key) == plain(name):
            return _checked(name, [Path(path).expanduser()], f"--data {key}={path}")
    _no_slip(name, data_options)
    if DEMO in data_options:
        return None
    candidates, sources = _configured(name)
    if not data_options and not sources:
        return None
    typed = ", ".join(f"{key}={path}" for key, path in data_options.items())
    return _checked(name, candidates, ", ".join([*([f"--data {typed}"] if typed else []), *sources]))


def _no_slip(name: str, data_options: Mapping[str, str]) -> None:
    """UserError where an option has a name near `name` that is no data set known here."""
    known = {DEMO, *map(plain, HOW_TO_GET)}
    others = {plain(key): key for key in data_options if plain(key) not in known}
    near = difflib.get_close_matches(plain(name), others, n=1, cutoff=0.8)
    if near:
        typed = others[near[0]]
        meant = f"--data {typed}={data_options[typed]}: did you mean {name!r}?"
        raise UserError(f"{meant} If {typed!r} is a data set of its own, say --data {name}=PATH as well")


def _checked(name: str, candidates: list[Path], source: str) -> Root:
    for path in candidates:
        if path.is_dir():
            demo = (path / "demo.json").is_file()
            return Root(path, DEMO if demo else name, demo)
    looked = ", ".join(map(str, candidates)) or "no folder is named for it"
    how = HOW_TO_GET.get(name, "")
    hint = f"say --data {name}=PATH, or --data demo for the made-up stand-in"
    raise MissingData(f"No data set {name!r} (set by {source}); looked at: {looked}. {how + '; ' if how else ''}{hint}")


def _demo(name: str, plugin_manager: pluggy.PluginManager) -> Root:
    path = plugin_manager.hook.locate_dataset(name=name, demo=True)
    if path is None:
        raise MissingData(f"No plugin has a made-up stand-in for {name!r}; say --data {name}=PATH")
    return Root(Path(path), DEMO, True)


def _configured(name: str) -> tuple[list[Path], list[str]]:
    """Folders named for `name` by the environment and the config files, and the sources that are set at all."""
    candidates: list[Path] = []
    sources: list[str] = []
    value = os.environ.get("HARNESS_DATA", "").strip()
    if value:
        sources.append("HARNESS_DATA")
        candidates += _from_environment(name, value)
    for path in (Path("harness.toml"), Path.home() / ".config" / "abaw-harness" / "config.toml"):
        table = _data_table(path)
        if table:
            sources.append(str(path))
            candidates += [
                path.parent / Path(folder).expanduser() for key, folder in table.items() if plain(key) == plain(name)
            ]
    return candidates, sources


def _from_environment(name: str, value: str) -> list[Path]:
    if "=" in value:
        pairs = parse_options((part for part in value.split(os.pathsep) if part), source="HARNESS_DATA")
        return [Path(path).expanduser() for key, path in pairs.items() if plain(key) == plain(name)]
    home = Path(value).expanduser()
    return _like(name, home) or [home / name]


def _like(name: str, home: Path) -> list[Path]:
    """Sub-folders called `name`, or beginning with it, whatever the case and separators; the exact ones first."""
    if not home.is_dir():
        return []
    folders = [
        entry for entry in sorted(home.iterdir()) if entry.is_dir() and plain(entry.name).startswith(plain(name))
    ]
    return sorted(folders, key=lambda folder: plain(folder.name) != plain(name))


def plain(name: str) -> str:
    """A name without case and separators: `Aff-Wild2` and `aff_wild2` are one.

    >>> plain("Hume_Vidmimic2")
    'humevidmimic2'
    """
    return re.sub(r"[\W_]+", "", name.casefold())


def _data_table(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: expected TOML, got {error}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: expected UTF-8 text, came {error.object[error.start : error.end]!r}") from None
    unread = [repr(key) for key in content if key != "data"]
    if unread:
        raise UserError(f"{path}: expected one table [data] of folders by data-set name, came also {', '.join(unread)}")
    table = content.get("data", {})
    if not isinstance(table, dict) or not all(isinstance(folder, str) for folder in table.values()):
        raise UserError(f"{path}: expected a table [data] of folders by data-set name, got {table!r}")
    return table
