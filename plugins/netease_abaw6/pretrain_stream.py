"""Images for a long pre-training, decoded by worker processes, each image once an epoch whoever takes it.

An `Order` says which images make up which batch of an epoch: a rule of (seed, epoch, step) alone. The workers of all
ranks share a batch out by the same rule (`Share`), so a training goes on at any step of an epoch, also with another
number of processes. Shapes: B images of a batch that one process takes, C planes, S side, N patches.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from netease_abaw6.pretrain_crops import Unreadable, chance, training_crop, whole
from netease_abaw6.pretrain_ranks import Ranks
from netease_abaw6.pretrain_recipe import PretrainRecipe


class Part(NamedTuple):
    """What one process takes of a batch; `largest` is the most that any process takes of it."""

    images_BCSS: Tensor  # 0 to 255
    noise_BN: Tensor
    places_B: Tensor  # within the batch
    largest: int
    skipped: Sequence[tuple[str, str]] = ()  # name and reason of what could not be read


class Sample(NamedTuple):
    """One image: a number that is its own in the collection, a name for people, and its bytes (may raise OSError)."""

    key: int
    name: str
    content: Callable[[], bytes]


@dataclass(frozen=True)
class Share:
    """The `index`th of `world * each` workers, `each` per process.

    Lanes are dealt to the processes in turn, a process's lanes to its workers: no process has two more than another.
    """

    index: int = 0
    world: int = 1
    each: int = 1

    def mine(self, lanes_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places of a batch that are this worker's, given the lane each image comes from."""
        process, worker = divmod(self.index, self.each)
        return np.flatnonzero((lanes_B % self.world == process) & (lanes_B // self.world % self.each == worker))

    def largest(self, lanes_B: NDArray[np.int64]) -> int:
        """The most images of a batch that fall to one process."""
        return int(np.bincount(lanes_B % self.world, minlength=self.world).max())


class Claim(NamedTuple):
    """A worker's images of one batch, with their places in it."""

    places_B: NDArray[np.int64]
    samples: Sequence[Sample]
    largest: int


class Order(Protocol):
    """A collection of `images` images; `facts` tell it from any other (for checkpoints and the sidecar).

    `lanes` is among how many workers at most a batch can be shared out.
    """

    images: int
    lanes: int

    def facts(self) -> dict[str, Any]: ...

    def claims(self, seed: int, epoch: int, step: int, batch: int, share: Share) -> Iterator[Claim]:
        """The share's part of every batch of an epoch from `step` on; the last batch may be smaller."""
        ...

    def first(self) -> Iterator[Sample]:
        """The collection from its beginning, in a fixed order."""
        ...


class _Worker(IterableDataset[Part]):
    def __init__(self, order: Order, recipe: PretrainRecipe, seed: int, start: int, ranks: Ranks) -> None:
        self.order, self.recipe, self.seed, self.start, self.ranks = order, recipe, seed, start, ranks

    def __iter__(self) -> Iterator[Part]:
        worker = get_worker_info()
        number, each = (0, 1) if worker is None else (worker.id, worker.num_workers)
        share = Share(self.ranks.rank * each + number, self.ranks.world, each)
        steps = -(-self.order.images // self.recipe.batch)
        for epoch in range(self.start // steps, self.recipe.epochs):
            first = self.start % steps if epoch == self.start // steps else 0
            for claim in self.order.claims(self.seed, epoch, first, self.recipe.batch, share):
                yield _part(claim, self.recipe, self.seed, epoch)


def _part(claim: Claim, recipe: PretrainRecipe, seed: int, epoch: int) -> Part:
    patches = (recipe.image // recipe.patch) ** 2
    images_BCSS = np.empty((len(claim.samples), 3, recipe.image, recipe.image), np.uint8)
    noise_BN = np.empty((len(claim.samples), patches), np.float32)
    read: list[int] = []
    skipped: list[tuple[str, str]] = []
    for index, sample in enumerate(claim.samples):
        random = chance(seed, epoch, sample.key)
        try:
            image_CSS, noise_N = training_crop(sample.content(), recipe.image, patches, recipe.smallest_crop, random)
        except (Unreadable, OSError) as error:
            skipped.append((sample.name, str(error)))
            continue
        images_BCSS[len(read)], noise_BN[len(read)] = image_CSS, noise_N
        read.append(index)
    images, noise, places = (torch.from_numpy(a) for a in (images_BCSS, noise_BN, claim.places_B[read]))
    return Part(images[: len(read)], noise[: len(read)], places, claim.largest, skipped)


def parts(order: Order, recipe: PretrainRecipe, seed: int, start: int, ranks: Ranks, workers: int) -> Iterator[Part]:
    """This process's part of every batch from step `start` of the whole training to its end, on the device."""
    on_gpu = ranks.device.startswith("cuda")
    loader: DataLoader[Part] = DataLoader(
        _Worker(order, recipe, seed, start, ranks),
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=on_gpu,
        worker_init_fn=_undisturbed,
    )
    answers = iter(loader)
    for several in zip(*[answers] * max(1, workers), strict=False):  # workers answer in turn: one round is one batch
        moved = [[tensor.to(ranks.device, non_blocking=on_gpu) for tensor in part[:3]] for part in several]
        images_BCSS, noise_BN, places_B = (torch.cat(tensors) for tensors in zip(*moved, strict=True))
        by_place_B = places_B.argsort()
        yield Part(
            images_BCSS[by_place_B],
            noise_BN[by_place_B],
            places_B[by_place_B],
            several[0].largest,
            [named for part in several for named in part.skipped],
        )


def preview(order: Order, side: int, count: int = 8) -> Tensor:
    """images_BCSS, uint8: the collection's first readable images, whole."""
    found: list[Tensor] = []
    for sample in order.first():
        try:
            found.append(torch.from_numpy(whole(sample.content(), side)))
        except (Unreadable, OSError):
            continue
        if len(found) == count:
            break
    return torch.stack(found) if found else torch.empty(0, 3, side, side, dtype=torch.uint8)


def _as_it_is(part: Any) -> Any:
    return part


def _undisturbed(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal, and torchrun's SIGTERM a whole group: the training's own process
    stops these when it has saved, and they end by themselves when it is gone.
    """
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
