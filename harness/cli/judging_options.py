"""What the commands about scores share: which split, and how an interval is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

split_option = click.option(
    "--split",
    default="official",
    show_default=True,
    metavar="SPLIT",
    help="official, fold-1 .. fold-5, folds-mean, folds-pooled.",
)


def interval_options(command: Command) -> Command:
    """--method, --level, --draws and --seed, as `harness.statistics.bootstrap` takes them."""
    options = (
        click.option(
            "--method",
            type=click.Choice(["studentised", "percentile", "bca"]),
            default="studentised",
            show_default=True,
            help="Of the interval.",
        ),
        click.option("--level", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True),
        click.option("--draws", type=click.IntRange(min=100), default=10_000, show_default=True),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draws."),
    )
    for option in reversed(options):
        command = option(command)
    return command
