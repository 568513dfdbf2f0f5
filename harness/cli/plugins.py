"""`harness plugins list`: who provides what."""

from __future__ import annotations

import json

import click


@click.group()
def plugins() -> None:
    """The installed plugins (entry points of the group 'harness'; HARNESS_PLUGINS=a,b loads only these)."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON on standard output.")
def list_(as_json: bool) -> None:
    """Every plugin with what it provides, and a warning for each that failed to import."""
    from harness.plugins import NOUNS, load

    loaded = load()
    table: dict[str, dict[str, list[str]]] = {name: {} for name in loaded.versions}
    for noun in NOUNS:
        for name, provided in loaded.provided(noun).items():
            table[provided.plugin].setdefault(noun, []).append(name)
    if as_json:
        out = {name: {"version": loaded.versions[name], **nouns} for name, nouns in table.items()}
        click.echo(json.dumps({"plugins": out, "failed": loaded.failed}, indent=1))
        return
    for name, nouns in table.items():
        click.echo(f"{name} {loaded.versions[name]}")
        for noun, names in nouns.items():
            click.echo(f"  {noun:15} {', '.join(sorted(names))}")
    for name, reason in loaded.failed.items():
        click.echo(f"warning: plugin {name!r} failed to import: {reason}", err=True)
