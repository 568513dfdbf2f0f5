"""What the commands about scores share: which split, and how an interval is made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
BEYOND = 5  # draws beyond each limit, below which a limit is little more than the farthest draw

split_option = click.option(
    "--split",
    default="official",
    show_default=True,
    metavar="SPLIT",
    help="official, fold-1 .. fold-5, folds-mean, folds-pooled.",
)


def _enough_draws(context: click.Context, parameter: click.Parameter, draws: int) -> int:
    """The number of draws, where that many can tell the limits of --level."""
    level = context.params["level"]
    needed = math.ceil(round(2 * BEYOND / (1 - level), 6))
    if draws < needed:
        raise click.BadParameter(f"--level {level:g} needs {needed:,} draws or more: {BEYOND} beyond each limit")
    return draws


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
        click.option("--level", type=click.FloatRange(0.5, 0.999), default=0.95, show_default=True, is_eager=True),
        click.option(
            "--draws", type=click.IntRange(min=100), default=10_000, show_default=True, callback=_enough_draws
        ),
        click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draws."),
    )
    for option in reversed(options):
        command = option(command)
    return command
