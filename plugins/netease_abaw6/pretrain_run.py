"""A pre-training from its sources to its weights: what `harness pretrain-mae` does."""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import click

from harness.corpora import SIDECAR
from harness.errors import UserError
from harness.progress import Progress, silent
from harness.store import write_whole
from netease_abaw6 import pretrain_state
from netease_abaw6.mae_checkpoints import write
from netease_abaw6.pretrain import Engine, PretrainRecipe, Training
from netease_abaw6.pretrain_folders import Folders
from netease_abaw6.pretrain_model import all_weights
from netease_abaw6.pretrain_ranks import Ranks
from netease_abaw6.pretrain_shards import Shards, counted
from netease_abaw6.pretrain_stream import Order, Part, parts, preview
from netease_abaw6.pretrain_watch import curves, reconstruction_sheet

NAMED = 1000  # unreadable images kept by name
AGREE_EVERY = 10  # steps after which several processes ask each other whether one was told to stop


@dataclass(frozen=True)
class Outputs:
    """Where things are written and after how many steps; None: not at all. `checkpoint` is also read, if there."""

    weights: Path
    checkpoint: Path
    save_every: int = 1000
    log_every: int = 100
    sheet: Path | None = None
    sheet_every: int = 1000
    tensorboard: Path | None = None
    corpora: tuple[str, ...] | None = None  # what the images are, for the record

    @property
    def counts(self) -> Path:
        """Where the numbers of images of the shards are kept."""
        return self.weights.with_suffix(".shards.json")


def source(sources: Sequence[str], outputs: Outputs, ranks: Ranks, progress: Progress, **shuffle: int) -> Order:
    """Folders, or shards shuffled over `lanes` and a `buffer`. Raises MissingData, and UserError for a mixture."""
    folders = [Path(name) for name in sources if Path(name).is_dir()]
    if folders and len(folders) < len(sources):
        raise UserError(f"folders and shards cannot be mixed in one training: came {' '.join(sources)}")
    order: Order = Folders(folders) if folders else Shards(counted(sources, outputs.counts, ranks, progress), **shuffle)
    if any(facts != order.facts() for facts in ranks.gathered(order.facts())):
        raise UserError(f"the processes do not see the same images at {' '.join(sources)}")
    return order


def pretrain(
    order: Order,
    recipe: PretrainRecipe,
    seed: int,
    *,
    ranks: Ranks,
    engine: Engine,
    workers: int,
    outputs: Outputs,
    progress: Progress,
) -> None:
    """Train, or go on from the checkpoint, to the end; weights and their JSON sidecar are written then.

    Ctrl-C and SIGTERM save first (several processes agree on it every `AGREE_EVERY` steps) and raise KeyboardInterrupt.
    """
    facts = {**recipe.facts(), **order.facts(), "seed": seed}
    training = Training(recipe, seed, order.images, ranks, engine)
    skipped = Skipped()
    if outputs.checkpoint.is_file():
        skipped.names |= pretrain_state.resume(outputs.checkpoint, training, facts)
    start = training.step
    writer = curves(outputs.tensorboard, start) if outputs.tensorboard and ranks.first else None
    stream = skipped.noted(parts(order, recipe, seed, start, ranks, workers))
    show = progress if ranks.first else silent
    say: Callable[[str], None] = (lambda line: click.echo(line, err=True)) if ranks.first else (lambda line: None)
    if idle := unemployed(order, ranks.world, workers):
        say(idle)
    since, before = time.perf_counter(), start
    with asked_to_stop() as asked:
        for step in show(training.run(stream), "pre-train the image encoder", training.steps - start):
            last, stop = step == training.steps, asked() and ranks.world == 1
            if step % outputs.log_every == 0 or last:
                loss, now = training.mean_loss(training.lately), time.perf_counter()
                training.lately.zero_()
                speed = (step - before) * recipe.batch / (now - since)
                since, before = now, step
                if loss is not None:  # a last, small batch may hold nothing that can be read
                    say(f"step {step}/{training.steps}  loss {loss:.6f}  {speed:.0f} images/s")
                if writer and loss is not None:
                    for name, value in (("loss", loss), ("learning rate", training.rate), ("images per second", speed)):
                        writer.add_scalar(name, value, step)
            if ranks.world > 1 and (step % AGREE_EVERY == 0 or last):
                stop = any(ranks.gathered(asked()))
            if step % training.epoch_steps == 0:
                loss = training.mean_loss(training.epoch)
                if loss is None:
                    raise UserError(
                        f"not one of {order.images} images could be read: {summary(order.images, skipped.names)}"
                    )
                say(f"epoch {step // training.epoch_steps}/{recipe.epochs}  loss {loss:.6f}")
            if outputs.sheet and (step % outputs.sheet_every == 0 or last):
                _write_sheet(outputs.sheet, training, order)
            if step % outputs.save_every == 0 or last or stop:
                pretrain_state.save(outputs.checkpoint, training, facts, skipped.everyones(ranks))
            if stop:
                raise KeyboardInterrupt
    if writer:
        writer.close()
    state, unread = pretrain_state.weights(training), skipped.everyones(ranks)
    if ranks.first:
        said = {"format": "facebookresearch/mae names", "steps": training.steps, "processes": ranks.world}
        said |= {SIDECAR: list(outputs.corpora)} if outputs.corpora is not None else {}
        write(outputs.weights, all_weights(state), {**said, **facts, "skipped": unread})
        say(summary(order.images, unread))


def unemployed(order: Order, world: int, workers: int) -> str:
    """What to say where some of the processes that decode have nothing to do; "" where all have."""
    decoding = world * max(1, workers)
    if order.lanes >= decoding:
        return ""
    idle = f"{decoding - order.lanes} of {decoding} decoding processes"
    if order.lanes < world:
        idle += f", and {world - order.lanes} of {world} training processes,"
    return f"{idle} have no images: a batch is read from {order.lanes} lanes (more: --lanes, and as many shards)"


@dataclass
class Skipped:
    """Images that could not be read, by name with the reason; beyond `NAMED` they are no longer told apart."""

    names: dict[str, str] = field(default_factory=dict)

    def noted(self, stream: Iterator[Part]) -> Iterator[Part]:
        """The parts as they come, their skipped images remembered."""
        for part in stream:
            for name, reason in part.skipped:
                if len(self.names) < NAMED:
                    self.names[name] = reason
            yield part

    def everyones(self, ranks: Ranks) -> dict[str, str]:
        """Those of all processes. All must call it."""
        merged: dict[str, str] = {}
        for names in ranks.gathered(self.names):
            merged |= names
        return dict(sorted(merged.items())[:NAMED])


def summary(images: int, skipped: dict[str, str]) -> str:
    """One line on what was read and what was not.

    >>> summary(5, {"a.jpg": "UnidentifiedImageError: cannot identify image file"})
    '5 images, 1 skipped: a.jpg (UnidentifiedImageError: cannot identify image file)'
    """
    if not skipped:
        return f"{images} images, none skipped"
    count = f"{NAMED} or more" if len(skipped) == NAMED else str(len(skipped))
    named = ", ".join(f"{name} ({reason})" for name, reason in list(skipped.items())[:5])
    more = f", ... (the sidecar names {len(skipped)})" if len(skipped) > 5 else ""
    return f"{images} images, {count} skipped: {named}{more}"


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM came; a second Ctrl-C interrupts at once."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_sheet(path: Path, training: Training, order: Order) -> None:
    """All processes compute it (their weights may be parts of the whole), the first writes."""
    images_BCSS = preview(order, training.recipe.image)
    with training.autocast():
        picture = reconstruction_sheet(training.model, images_BCSS)
    if training.ranks.first:
        content = io.BytesIO()
        picture.save(content, format="PNG")
        write_whole(path, content.getvalue())
