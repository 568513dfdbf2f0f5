"""One way to say how far a long step is: `for x in progress(items, "encode image"): ...`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

T = TypeVar("T")
_on_screen: list[Bars] = []  # an interrupted run leaves its bars behind, in frames that still wait


class Progress(Protocol):
    """Yields the items, showing how far; `total` is needed where `items` has no length."""

    def __call__(self, items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]: ...


def silent(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """No display: for tests, worker processes and `-q`."""
    yield from items


def shown(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """A bar with time left on standard error; on a pipe or a log, one line at the end with the seconds it took."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if total is None and isinstance(items, Sized):
        total = len(items)
    if not console.is_terminal:
        began = time.perf_counter()
        yield from items
        took = time.perf_counter() - began
        print(
            f"{title} ... done in {took:.0f} s" if took >= 10 else f"{title} ... done in {took:.1f} s",
            file=sys.stderr,
            flush=True,
        )
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        _on_screen.append(bars)
        try:
            task = bars.add_task(title, total=total)
            for item in items:
                yield item
                bars.advance(task)
        finally:
            _on_screen.remove(bars)


def clear() -> None:
    """Take away the bars of what stopped half-way, before its error is printed."""
    for bars in _on_screen:
        bars.stop()
