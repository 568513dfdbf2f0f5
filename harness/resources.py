"""What the core lends to a factory that asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.progress import Progress
    from harness.store import Store


@dataclass(frozen=True)
class Resources:
    """Handed to factories with a parameter named `resources`.

    `locate(name)` is the root of an unlabelled data set (say "demo-pretrain"), written first where it is the demo's.
    """

    store: Store
    device: str
    seed: int
    locate: Callable[[str], Path]
    progress: Progress
