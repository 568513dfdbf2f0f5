"""One classifier per part: the fusion trained on the clips of that part's training videos (paper 3.2, 3.3).

Encoders are fixed here; only the fusion's own parameters learn. The epoch is the one best on `inner`, where every
classifier is judged on all inner videos, since every classifier votes on every video.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.adapt import loss_weights
from harness.clips import Batch, Track, batches, targets
from harness.context import Context, Place
from harness.errors import HarnessError
from harness.plugins import files_hash
from harness.resolve import Plan
from harness.rng import derive, stream
from harness.splits import Split
from harness.store import Entry, Tensors
from harness.training import Best, train
from harness.types import Floats, TaskSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

SOURCE = ("harness.fit", "harness.clips", "harness.training", "harness.losses", "harness.kinds", "harness.adapt")


def fit_parts(
    context: Context, split: Split, encoded: Mapping[str, Any], scenes: Mapping[str, Any], part: int
) -> dict[str, Any]:
    """What a classifier depends on: its fusion and recipe, the tokens, and which videos are its own."""
    pipeline = context.plan.pipeline
    return {
        "fusion": context.plan.fusion.identity(),
        "recipe": vars(pipeline.fit),
        "fill": pipeline.fill_faces,
        "clip": context.plan.task.clip_frames,
        "loss": context.plan.task.kind.loss_name,
        "encoded": encoded,
        "scenes": scenes,
        "part": part,
        "seed": context.plan.seed,
        "split": dict(context.split_parts(split, "fit")),
        "source": files_hash(SOURCE),
    }


def new_fusion(plan: Plan, widths: Mapping[str, int], seed: int, place: Place) -> nn.Module:
    """An untrained fusion of the plan, on its own random stream."""
    with stream(seed):
        module: nn.Module = plan.fusion.make(widths, len(plan.task.labels))
    return module.to(place.device)


def fit(context: Context, split: Split, part: int, own: Sequence[Track], inner: Sequence[Track]) -> Entry:
    """Train the classifier of one part on its own tracks; `solve` where the fusion has it."""
    if not own:
        raise HarnessError(f"part {part} of {split.name} has no training video")
    kind = context.plan.task.kind
    seed = context.seed("fit", split, part)
    module = new_fusion(context.plan, widths_of(own), derive(seed, "init"), context.place)
    target = context.targets(tuple(track.video for track in own))
    target_VRL = [target[track.video.key] for track in own]
    solve = getattr(module, "solve", None)
    if callable(solve):
        solve(Labelled(context.plan.task, own, target_VRL), kind)
        return Entry(module.state_dict(), {"what": f"classifier {part}", "chosen": "closed form", "by": "train"})
    with stream(seed):
        best = _train(context, module, own, target_VRL, inner, f"fit {part + 1} ({split.name})", seed)
    assert best.state is not None
    return Entry(
        best.state,
        {
            "what": f"epoch of classifier {part}",
            "chosen": best.epoch,
            "by": f"{kind.metric} on inner",
            "scores": best.scores,
        },
    )


def untrained(context: Context, split: Split, part: int, widths: Mapping[str, int]) -> Entry:
    """A classifier as its factory makes it, for a pipeline that trains nothing (`train` "none")."""
    seed = derive(context.seed("fit", split, part), "init")
    module = new_fusion(context.plan, widths, seed, context.place)
    return Entry(module.state_dict(), {"what": f"classifier {part}", "chosen": "as it came", "by": "nothing trained"})


def widths_of(tracks: Sequence[Track]) -> dict[str, int]:
    """Token width per modality."""
    return {modality: int(tokens["tokens"].shape[1]) for modality, tokens in tracks[0].tokens.items()}


@dataclass(frozen=True, eq=False)
class Labelled:
    """What `solve` iterates, as often as it likes: tokens, mask and target_BTL of training clips; no way to others."""

    task: TaskSpec
    tracks: Sequence[Track]
    target_VRL: Sequence[Floats]

    def __iter__(self) -> Iterator[tuple[Mapping[str, Tensor], Mapping[str, Tensor], Tensor]]:
        for batch in _batches(self.task, self.tracks, None):
            yield batch.tokens, batch.mask, targets(batch, self.target_VRL)


def _batches(
    task: TaskSpec, tracks: Sequence[Track], rng: np.random.Generator | None, batch: int = 64, overlap: int = 0
) -> Iterator[Batch]:
    whole = task.level == "video"
    return batches(tracks, length=task.clip_frames, batch=batch, rng=rng, whole_videos=whole, overlap=overlap)


def _train(
    context: Context,
    module: nn.Module,
    own: Sequence[Track],
    target_VRL: list[Floats],
    inner: Sequence[Track],
    title: str,
    seed: int,
) -> Best:
    from harness.losses import by_name
    from harness.metrics import get

    task, recipe = context.plan.task, context.plan.pipeline.fit
    weights_L = loss_weights(np.concatenate(target_VRL), recipe, task.kind.name).to(context.place.device)
    loss_of, metric = by_name(task.kind.loss_name), get(task.kind.metric)
    inner_target = context.targets(tuple(track.video for track in inner))
    steps = sum(1 for _ in _batches(task, own, np.random.default_rng(0), recipe.batch))
    best = Best([])
    ticks = context.progress(range(recipe.epochs), title, total=recipe.epochs)

    def losses(epoch: int) -> Iterator[Tensor]:
        for batch in _batches(task, own, np.random.default_rng(derive(seed, "epoch", epoch)), recipe.batch):
            target_BTL = targets(batch, target_VRL).to(context.place.device)
            logits_RL, target_RL = rows(task, context.place, module, batch.to(context.place.device), target_BTL)
            yield loss_of(logits_RL.float(), target_RL, weights_L, task.kind)

    def judge(epoch: int) -> None:
        scores = scores_of(task, context.place, module, inner)
        stats = [metric.stats(task.kind.decide(scores[k]), inner_target[k]) for k in scores]
        best.see(float(metric.score(metric.merge(np.stack(stats))).mean()), module)
        next(ticks, None)

    train([module], recipe, steps, losses, judge, title)
    next(ticks, None)
    return best


def rows(
    task: TaskSpec, place: Place, module: nn.Module, batch: Batch, target_BTL: Tensor | None
) -> tuple[Tensor, Any]:
    """Logits of judged rows: each unpadded frame, or for a video-level task the mean over a video's unpadded frames."""
    import torch

    with place.autocast():
        logits_BTL = module(batch.tokens, batch.mask)
    if task.level == "frame":
        return logits_BTL[batch.valid_BT], target_BTL[batch.valid_BT] if target_BTL is not None else None
    videos, where_B = np.unique(batch.owner_B, return_inverse=True)
    where = torch.from_numpy(where_B).to(logits_BTL.device)
    valid_BT1 = batch.valid_BT.unsqueeze(-1)
    sums_VL = torch.zeros(len(videos), logits_BTL.shape[-1], device=logits_BTL.device)
    sums_VL = sums_VL.index_add(0, where, (logits_BTL.float() * valid_BT1).sum(1))
    counts_V = torch.zeros(len(videos), device=logits_BTL.device).index_add(0, where, batch.valid_BT.float().sum(1))
    target_VL = None
    if target_BTL is not None:
        first_V = torch.tensor([int(np.flatnonzero(where_B == v)[0]) for v in range(len(videos))], device=where.device)
        target_VL = target_BTL[first_V, 0]
    return sums_VL / counts_V.unsqueeze(1), target_VL


def scores_of(
    task: TaskSpec, place: Place, module: nn.Module, tracks: Sequence[Track], *, overlap: int = 0
) -> dict[str, Floats]:
    """scores_RL of every track by video key; a clip of padding alone never occurs.

    Where clips overlap (tasks judged by frame), a frame's scores are the mean over the clips it is in.
    """
    import torch

    module.eval()
    out = {
        track.video.key: np.zeros((track.video.frames if task.level == "frame" else 1, len(task.labels)), np.float32)
        for track in tracks
    }
    seen = {track.video.key: np.zeros((track.video.frames, 1), np.float32) for track in tracks} if overlap else {}
    with torch.inference_mode():
        for batch in _batches(task, tracks, None, overlap=overlap):
            moved = batch.to(place.device)
            if task.level == "video":
                logits_VL, _ = rows(task, place, module, moved, None)
                for i, row_L in zip(
                    np.unique(batch.owner_B), task.kind.squash(logits_VL.float()).cpu().numpy(), strict=True
                ):
                    out[tracks[i].video.key][0] = row_L
                continue
            with place.autocast():
                logits_BTL = module(moved.tokens, moved.mask)
            scores_BTL = task.kind.squash(logits_BTL.float()).cpu().numpy()
            for row, (i, a) in enumerate(zip(batch.owner_B, batch.start_B, strict=True)):
                n = int(batch.valid_BT[row].sum())
                key = tracks[i].video.key
                out[key][a : a + n] += scores_BTL[row, :n]
                if overlap:
                    seen[key][a : a + n] += 1
    return {key: scores_RL / seen[key] for key, scores_RL in out.items()} if overlap else out


def restore(plan: Plan, place: Place, state: Tensors, widths: Mapping[str, int]) -> nn.Module:
    """A trained classifier from its state."""
    module = new_fusion(plan, widths, 0, place)
    module.load_state_dict(dict(state))
    return module
