"""`harness cache`: what the store holds, whether it is whole, and making room. `runs/` is never touched."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click


@click.group()
def cache() -> None:
    """The store: adapted encoders, tokens, classifiers, scores (HARNESS_CACHE, else ~/.cache/abaw-harness)."""


@cache.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
def stats(as_json: bool) -> None:
    """Entries and bytes per stage."""
    counts: dict[str, dict[str, int]] = {}
    for path in _files():
        one = counts.setdefault(path.parent.name, {"entries": 0, "bytes": 0})
        one["entries"] += 1
        one["bytes"] += path.stat().st_size
    if as_json:
        click.echo(json.dumps({"root": str(_root()), "stages": counts}, indent=1))
        return
    click.echo(f"store: {_root()}")
    for stage, one in sorted(counts.items()):
        click.echo(f"{stage:10} {one['entries']:7,} entries {one['bytes'] / 1e6:10,.1f} MB")
    if not counts:
        click.echo("empty")


@cache.command()
def verify() -> None:
    """Read every entry and check its checksum; damaged ones are set aside and computed again when needed."""
    from harness.errors import HarnessError
    from harness.progress import shown
    from harness.store import Store

    store = Store(_root(), lambda line: click.echo(line, err=True))
    paths = list(store.entries())
    damaged = [path for path in shown(paths, "verify") if not store.whole(path)]
    click.echo(f"{len(paths) - len(damaged)} whole, {len(damaged)} damaged")
    if damaged:
        raise HarnessError(f"{len(damaged)} damaged entries were set aside")


@cache.command()
@click.option("--days", default=30, show_default=True, help="Remove entries not read for this many days.")
def gc(days: int) -> None:
    """Remove entries nobody read for a while, what was set aside as damaged, and unfinished writes."""
    from harness.store import leftovers

    before = time.time() - days * 86400
    old = [path for path in _files() if max(path.stat().st_atime, path.stat().st_mtime) < before]
    _remove([*old, *leftovers(_root())])


@cache.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(yes: bool) -> None:
    """Remove every entry of the store; runs/ and the demo world stay."""
    from harness.store import leftovers

    paths = [*_files(), *leftovers(_root())]
    if not yes:
        click.confirm(f"Remove {len(paths)} files below {_root()}?", abort=True, err=True)
    _remove(paths)


def _remove(paths: list[Path]) -> None:
    freed = sum(path.stat().st_size for path in paths)
    for path in paths:
        path.unlink(missing_ok=True)
    click.echo(f"removed {len(paths)} files, {freed / 1e6:,.1f} MB")


def _root() -> Path:
    from harness.datasets import cache_home

    return cache_home() / "store"


def _files() -> list[Path]:
    from harness.store import Store

    return list(Store(_root()).entries())
