"""What this package provides: five tasks, readers of three data sets and of four more to train on, the demo world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.hookspecs import hookimpl

if TYPE_CHECKING:
    import click

    from harness.scoring.predicted import Format
    from harness.types import Reader, TaskSpec

DEMO_NAMES = ("aff-wild2", "c-expr", "hume-vidmimic2", "demo-pretrain")


@hookimpl
def provide_tasks() -> Mapping[str, TaskSpec]:
    """VA, EXPR, AU, CE and EMI."""
    from abaw6.specs import TASKS

    return TASKS


@hookimpl
def provide_readers() -> Mapping[str, Callable[..., Reader]]:
    """One reader per data set; each is built as `factory(root, task, partial_rows)`."""
    from abaw6.affectnet import AffectNet
    from abaw6.affwild2 import AffWild2
    from abaw6.bp4d import Bp4d
    from abaw6.cexpr import CExpr
    from abaw6.hume import HumeVidmimic2
    from abaw6.rafdb import RafDb, RafDbCompound

    return {
        "aff-wild2": AffWild2,
        "c-expr": CExpr,
        "hume-vidmimic2": HumeVidmimic2,
        # extra training data (paper 4.2): they have no held-out side
        "bp4d": Bp4d,
        "raf-db": RafDb,
        "raf-db-compound": RafDbCompound,
        "affectnet": AffectNet,
    }


@hookimpl
def provide_formats() -> Mapping[str, Format]:
    """The competition's own files."""
    from abaw6.submission import OFFICIAL

    return {"abaw": OFFICIAL}


@hookimpl
def locate_dataset(name: str, demo: bool) -> Path | None:
    """The demo world's stand-in for a data set, written the first time it is asked for."""
    if not demo or name not in DEMO_NAMES:
        return None
    from abaw6.demo.write import write
    from harness.datasets import cache_home
    from harness.progress import shown

    root = cache_home() / "demo" / name
    write(name, root, shown)
    return root


@hookimpl
def add_commands(cli: click.Group) -> None:
    """`harness data demo`, `prepare` and `submit`, which belong here: the core knows neither demo world nor layouts."""
    from abaw6.demo_command import demo
    from abaw6.prepare_command import prepare
    from abaw6.submit_command import submit
    from harness.cli.data import data

    data.add_command(demo)
    cli.add_command(prepare)
    cli.add_command(submit)
