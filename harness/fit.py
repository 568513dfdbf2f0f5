"""One classifier per part: the fusion trained on the clips of that part's training videos (paper 3.2, 3.3).

Encoders are fixed here; only the fusion's own parameters learn. The epoch is the one best on `inner`, where every
classifier is judged on all inner videos, since every classifier votes on every video.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.adapt import loss_weights
from harness.clips import Batch, Track, batches, coverage, groups, labelled, on_device, targets
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

CLIPS_AT_ONCE = 128  # of whole videos while predicting, 39 MB of tokens 768 wide; more are read in turns

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
        for batch in batches(self.tracks, **_cutting(self.task, 64)):
            yield batch.tokens, batch.mask, targets(batch, self.target_VRL)


def _cutting(task: TaskSpec, batch: int) -> dict[str, Any]:
    return {"length": task.clip_frames, "batch": batch, "whole_videos": task.level == "video"}


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
    cutting = _cutting(task, recipe.batch)
    inner_target = context.targets(tuple(track.video for track in inner))
    steps = sum(1 for _ in groups(own, rng=np.random.default_rng(0), **cutting))
    best = Best([])
    ticks = context.progress(range(recipe.epochs), title, total=recipe.epochs)

    def losses(epoch: int) -> Iterator[Tensor]:
        rng = np.random.default_rng(derive(seed, "epoch", epoch))
        clips = (labelled(batch, target_VRL) for batch in batches(own, rng=rng, **cutting))
        for batch in on_device(clips, context.place.device):
            logits_RL, target_RL = rows(task, context.place, module, batch)
            yield loss_of(logits_RL.float(), target_RL, weights_L, task.kind)

    def judge(epoch: int) -> None:
        scores = scores_of(task, context.place, module, inner)
        stats = [metric.stats(task.kind.decide(scores[k]), inner_target[k]) for k in scores]
        best.see(float(metric.score(metric.merge(np.stack(stats))).mean()), module)
        next(ticks, None)

    train([module], recipe, steps, losses, judge, title)
    next(ticks, None)
    return best


def rows(task: TaskSpec, place: Place, module: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits of judged rows (each unpadded frame, or the mean over a video's), and on the processor their targets."""
    import torch

    with place.autocast():
        logits_BTL = module(batch.tokens, batch.mask)
    assert batch.target_BTL is not None
    if task.level == "frame":
        valid_BT = torch.arange(logits_BTL.shape[1]) < torch.from_numpy(batch.frames_B).unsqueeze(1)
        return logits_BTL.flatten(0, 1)[batch.row_R], batch.target_BTL[valid_BT]
    sums_VL, counts_V = _pooled(logits_BTL.float(), batch.valid_BT.float(), batch.video_B, len(batch.first_V))
    return sums_VL / counts_V.unsqueeze(1), batch.target_BTL[batch.first_V, 0]


def _pooled(logits_BTL: Tensor, share_BT: Tensor, video_B: Tensor, videos: int) -> tuple[Tensor, Tensor]:
    """Each video's sum of its frames' logits, weighted by `share_BT`, and the sum of the weights."""
    import torch

    sums_VL = torch.zeros(videos, logits_BTL.shape[-1], device=logits_BTL.device)
    counts_V = torch.zeros(videos, device=logits_BTL.device)
    sums_BL = (logits_BTL * share_BT.unsqueeze(-1)).sum(1)
    return sums_VL.index_add(0, video_B, sums_BL), counts_V.index_add(0, video_B, share_BT.sum(1))


def scores_of(
    task: TaskSpec, place: Place, module: nn.Module, tracks: Sequence[Track], *, overlap: int = 0
) -> dict[str, Floats]:
    """scores_RL of every track by video key.

    Consecutive clips share `overlap` frames, whose scores (logits for a video-level task) are averaged.
    """
    import torch

    module.eval()
    how = _cutting(task, 64) | {"overlap": overlap, "most": CLIPS_AT_ONCE}
    clips: list[tuple[Batch, Tensor]] = []
    with torch.inference_mode():
        for batch in on_device(batches(tracks, **how), place.device):
            with place.autocast():
                logits_BTL = module(batch.tokens, batch.mask)
            values_BTL = task.kind.squash(logits_BTL.float()) if task.level == "frame" else logits_BTL.float()
            clips.append((dataclasses.replace(batch, tokens={}, mask={}), values_BTL))
        # read when everything is under way: no batch waits for the one before
        laid = ((batch, values_BTL.cpu()) for batch, values_BTL in clips)
        covered = [coverage(track.video.frames, task.clip_frames, overlap) for track in tracks]
        of_V = _of_frames(laid, covered) if task.level == "frame" else _of_videos(laid, covered, task)
    return {track.video.key: scores_RL for track, scores_RL in zip(tracks, of_V, strict=True)}


def _of_frames(laid: Iterable[tuple[Batch, Tensor]], covered: Sequence[Floats]) -> list[Floats]:
    """The mean score of each frame over the clips it stands in."""
    out: list[Floats] = []
    for batch, scores_BTL in laid:
        if not out:
            out = [np.zeros((len(count_F), scores_BTL.shape[-1]), np.float32) for count_F in covered]
        for i, a, n, scores_TL in zip(batch.owner_B, batch.start_B, batch.frames_B, scores_BTL.numpy(), strict=True):
            out[i][a : a + n] += scores_TL[:n]
    return [scores_FL / count_F[:, None] for scores_FL, count_F in zip(out, covered, strict=True)]


def _of_videos(laid: Iterable[tuple[Batch, Tensor]], covered: Sequence[Floats], task: TaskSpec) -> list[Floats]:
    """The squashed mean of each video's frames, each frame the mean over the clips it stands in."""
    import torch

    sums_VL, counts_V = torch.zeros(len(covered), len(task.labels)), torch.zeros(len(covered))
    for batch, logits_BTL in laid:
        share_BT = torch.zeros(logits_BTL.shape[:2])
        for row, (i, a, n) in enumerate(zip(batch.owner_B, batch.start_B, batch.frames_B, strict=True)):
            share_BT[row, :n] = torch.from_numpy(1 / covered[i][a : a + n])
        sums, counts = _pooled(logits_BTL, share_BT, torch.from_numpy(batch.owner_B), len(covered))
        sums_VL, counts_V = sums_VL + sums, counts_V + counts
    return list(task.kind.squash(sums_VL / counts_V.unsqueeze(1)).numpy()[:, None])


def restore(plan: Plan, place: Place, state: Tensors, widths: Mapping[str, int]) -> nn.Module:
    """A trained classifier from its state."""
    module = new_fusion(plan, widths, 0, place)
    module.load_state_dict(dict(state))
    return module
