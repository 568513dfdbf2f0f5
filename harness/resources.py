"""What the core lends to a factory that asks for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.progress import Progress
    from harness.store import Store
    from harness.types import Component


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

    def identity(self, component: Component) -> dict[str, str]:
        """What the data sets named in a component's options (`data:NAME`) hold: a hash by name."""
        names = [
            v.removeprefix("data:") for v in component.options.values() if isinstance(v, str) and v.startswith("data:")
        ]
        return {name: folder_hash(self.locate(name)) for name in names}


@cache
def folder_hash(root: Path) -> str:
    """SHA-256 of the demo world's own statement, or of the sorted (path, size) of every file."""
    stated = root / "demo.json"
    if stated.exists():
        return hashlib.sha256(stated.read_bytes()).hexdigest()
    files = sorted((str(f.relative_to(root)), f.stat().st_size) for f in root.rglob("*") if f.is_file())
    return hashlib.sha256(repr(files).encode()).hexdigest()
