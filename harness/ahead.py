"""What keeps a device busy: work done ahead of it in threads, and copies to it that nobody waits for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


def ahead(tasks: Iterable[Callable[[], T]], workers: int) -> Iterator[T]:
    """What each task gives, in their order; the next `workers` tasks are done in threads meanwhile.

    `tasks` itself is gone through in the caller's thread, and no further than those. A task's error is raised where
    its result would have come.
    """
    waiting: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for task in tasks:
            waiting.append(pool.submit(task))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def to_device(tensor: Tensor, device: str) -> Tensor:
    """The tensor on `device`; a GPU fetches it from page-locked memory, and the host does not wait for that."""
    if not device.startswith("cuda"):
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
