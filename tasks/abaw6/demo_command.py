"""`harness data demo DIR`: the demo world written where one likes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

NAMES = ("aff-wild2", "c-expr", "hume-vidmimic2", "demo-pretrain")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--only", "only", type=click.Choice(NAMES), multiple=True, help="Only this data set; may be repeated.")
@click.option("--seed", type=int, help="Another seed than the one the demo world is judged on.")
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PNG",
    help="Also draw a contact sheet (of each data set).",
)
def demo(folder: Path, only: Sequence[str], seed: int | None, sheet: Path | None) -> None:
    """Write the demo world below DIR, one sub-folder per data set; what is already complete there is kept.

    Everything in it is made up: drawn faces, generated sound, invented words.
    """
    from abaw6.demo import world
    from abaw6.demo.write import write
    from harness.progress import shown

    names = tuple(dict.fromkeys(only)) or NAMES
    for name in names:
        root = write(name, folder / name, shown, seed=world.SEED if seed is None else seed)
        click.echo(root)
        if sheet is not None:
            from abaw6.demo.sheet import sheet as draw

            click.echo(draw(root, sheet if len(names) == 1 else sheet.with_stem(f"{sheet.stem}.{name}")))
