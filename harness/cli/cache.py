"""`harness cache`: what the store holds, whether it is whole, and making room. `runs/` is never touched."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.store import Store


@click.group()
def cache() -> None:
    """The store: adapted encoders, tokens, classifiers, scores, hashes (HARNESS_CACHE, else ~/.cache/abaw-harness)."""


@cache.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
def stats(as_json: bool) -> None:
    """Entries and bytes per stage, and how much of it is evictable: features of splits that are finished."""
    counts: dict[str, dict[str, int]] = {}
    for path in _files():
        one = counts.setdefault(path.parent.name, {"entries": 0, "bytes": 0})
        one["entries"] += 1
        one["bytes"] += path.stat().st_size
    marked = _store().evictable()
    evictable = {"entries": len(marked), "bytes": _store().evictable_bytes()}
    if as_json:
        click.echo(json.dumps({"root": str(_root()), "stages": counts, "evictable": evictable}, indent=1))
        return
    click.echo(f"store: {_root()}")
    for stage, one in sorted(counts.items()):
        click.echo(f"{stage:10} {one['entries']:7,} entries {one['bytes'] / 1e6:10,.1f} MB")
    if not counts:
        click.echo("empty")
    if marked:
        click.echo(f"evictable  {len(marked):7,} entries {evictable['bytes'] / 1e6:10,.1f} MB, taken first by gc")


@cache.command()
def verify() -> None:
    """Read every entry and check its checksum; damaged ones are set aside and computed again when needed."""
    from harness.progress import shown
    from harness.store import Store

    store = Store(_root(), lambda line: click.echo(line, err=True))
    paths = list(store.entries())
    damaged = [path for path in shown(paths, "verify") if not store.whole(path)]
    click.echo(f"{len(paths) - len(damaged)} whole, {len(damaged)} damaged")
    if damaged:
        raise HarnessError(f"{len(damaged)} damaged entries were set aside")


def _a_number(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number")
    return value


@cache.command()
@click.option(
    "--days",
    type=click.IntRange(0, 36_500),
    default=30,
    show_default=True,
    help="Remove entries not read for this many days.",
)
@click.option(
    "--need",
    type=click.FloatRange(min=0),
    callback=_a_number,
    metavar="GB",
    help="Stop once so much is freed.  [default: remove it all]",
)
def gc(days: int, need: float | None) -> None:
    """Remove what can be spared: damaged and unfinished writes, evictable entries, then those nobody read for long.

    Evictable are the features of fine-tuned encoders once their split is finished. Whatever is removed is computed
    again when a run asks for it.
    """
    from harness.store import leftovers

    before = time.time() - days * 86400
    evictable = _store().evictable()
    old = [path for path in _files() if _last_use(path) < before]
    spared = [*leftovers(_root()), *sorted(evictable, key=_last_use), *sorted(old, key=_last_use)]
    _remove(list(dict.fromkeys(spared)), enough=None if need is None else need * 1e9)


@cache.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(yes: bool) -> None:
    """Remove every entry of the store; runs/ and the demo world stay."""
    from harness.store import leftovers

    paths = [*_files(), *leftovers(_root())]
    if not yes and not _confirmed(f"Remove {len(paths)} files below {_root()}?"):
        raise HarnessError("nothing removed")
    _remove(paths)


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort:  # no more input, or Ctrl-C: the question's line is still open
        click.echo(err=True)
        return False


def _last_use(path: Path) -> float:
    return max(path.stat().st_atime, path.stat().st_mtime)


def _remove(paths: list[Path], enough: float | None = None) -> None:
    """Remove these in order, at most until `enough` bytes are freed."""
    from harness.store import discard

    removed = freed = 0
    for path in paths:
        if enough is not None and freed >= enough:
            break
        freed += path.stat().st_size
        removed += 1
        discard(path)
    click.echo(f"removed {removed} files, {freed / 1e6:,.1f} MB")


def _root() -> Path:
    from harness.datasets import cache_home

    return cache_home() / "store"


def _store() -> Store:
    from harness.store import Store

    return Store(_root())


def _files() -> list[Path]:
    return list(_store().entries())
