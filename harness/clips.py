"""Clips: k frames of a video with the sound and the words that go with them (paper 3.2).

Shapes: B batch, T frames of a clip, F frames of a video, N tokens, D width, L labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.types import Floats, Video

if TYPE_CHECKING:
    from torch import Tensor

CLIPS_OF_A_VIDEO = 32  # a step on whole videos learns from no more of one: a file of 21 minutes is 378
BLOCK = 256  # sound is looked at in blocks of this many tokens


@dataclass(frozen=True, eq=False)
class Track:
    """A video's tokens with, for each frame, the row of the image token that stands for it (-1: none)."""

    video: Video
    tokens: Mapping[str, Mapping[str, Tensor]]
    row_F: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Batch:
    """B clips: tokens_BND and mask_BN per modality, and the unpadded frames as valid_BT and as places row_R in B x T.

    Always on the processor: each clip's track, first frame and number of frames, `first_V`, the first clip of each of
    the batch's videos, which `video_B` counts, and target_BTL (what is labelled is asked there).
    """

    tokens: Mapping[str, Tensor]
    mask: Mapping[str, Tensor]
    valid_BT: Tensor
    row_R: Tensor
    video_B: Tensor
    first_V: NDArray[np.int64]
    owner_B: NDArray[np.int64]
    start_B: NDArray[np.int64]
    frames_B: NDArray[np.int64]
    target_BTL: Tensor | None = None

    def to(self, device: str) -> Batch:
        """On `device`; nothing waits for the copy where the memory is pinned."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> Batch:
        """In page-locked memory, from which a GPU copies while it computes."""
        return self._mapped(lambda tensor: tensor.pin_memory())

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        return dataclasses.replace(
            self,
            tokens={m: change(t) for m, t in self.tokens.items()},
            mask={m: change(t) for m, t in self.mask.items()},
            valid_BT=change(self.valid_BT),
            row_R=change(self.row_R),
            video_B=change(self.video_B),
        )


def track(video: Video, tokens: Mapping[str, Mapping[str, Tensor]], fill: Literal["nearest", "mask"]) -> Track:
    """Lay image tokens along the frames; one without a face takes the nearest frame's token (paper 3.4), or none."""
    frames_N = tokens["image"]["frames"].numpy().astype(np.int64)
    row_F = np.full(video.frames, -1, np.int64)
    inside = frames_N < video.frames
    row_F[frames_N[inside]] = np.flatnonzero(inside)
    if fill == "nearest" and inside.any():
        row_F = row_F[nearest(row_F >= 0)]
    return Track(video, tokens, row_F)


def nearest(has_F: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each position the nearest one that `has`; of two equally near, the earlier.

    >>> nearest(np.array([False, True, False, False, False, True])).tolist()
    [1, 1, 1, 1, 5, 5]
    """
    there = np.flatnonzero(has_F)
    at = np.arange(len(has_F))
    after = np.clip(np.searchsorted(there, at), 0, len(there) - 1)
    before = np.clip(after - 1, 0, None)
    closer = np.abs(there[before] - at) <= np.abs(there[after] - at)
    return np.where(closer, there[before], there[after])


def starts(frames: int, length: int, offset: int = 0, overlap: int = 0) -> list[int]:
    """Where clips of `length` begin: 0, length, ...; with an offset, also the shorter piece before it.

    Each clip shares its first `overlap` frames with the one before it; none consists of such frames alone.
    """
    first = [0] if 0 < offset < frames else []
    return first + list(range(offset if offset < frames else 0, max(1, frames - overlap), length - overlap))


def coverage(frames: int, length: int, overlap: int) -> Floats:
    """In how many clips each frame stands: count_F.

    >>> coverage(7, 4, 2).tolist()
    [1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 1.0]
    """
    count_F = np.zeros(frames, np.float32)
    for start in starts(frames, length, overlap=overlap):
        count_F[start : start + length] += 1
    return count_F


Cut = tuple[int, int, int]  # track, first frame, frame after the last


def groups(
    tracks: Sequence[Track],
    *,
    length: int,
    batch: int,
    rng: np.random.Generator | None = None,
    whole_videos: bool = False,
    overlap: int = 0,
    most: int | None = None,
) -> Iterator[list[Cut]]:
    """Clips of every track, `batch` at a time; with `rng`, in random order and from a random offset (training).

    `whole_videos`: all clips of a video stand in one group, `batch` videos at a time (video-level tasks); with `rng`,
    `CLIPS_OF_A_VIDEO` drawn from a longer one. `overlap` is for reading in order: frames that neighbours share.
    `most`: a group of more clips than that is cut up.
    """
    divided = _by_video if whole_videos else _by_clip
    for cuts in divided(tracks, length, batch, rng, overlap):
        for at in range(0, len(cuts), most or len(cuts)):
            yield cuts[at : at + (most or len(cuts))]


def batches(tracks: Sequence[Track], **how: Any) -> Iterator[Batch]:
    """The clips of `groups`, assembled; one group is in memory at a time."""
    for cuts in groups(tracks, **how):
        yield assemble(tracks, cuts)


def _by_video(
    tracks: Sequence[Track], length: int, batch: int, rng: np.random.Generator | None, overlap: int
) -> Iterator[list[Cut]]:
    order = rng.permutation(len(tracks)) if rng else np.arange(len(tracks))
    for at in range(0, len(order), batch):
        cuts: list[Cut] = []
        for i in order[at : at + batch].tolist():
            frames = tracks[i].video.frames
            begin = starts(frames, length, overlap=overlap)
            if rng and len(begin) > CLIPS_OF_A_VIDEO:
                begin = [begin[c] for c in sorted(rng.choice(len(begin), CLIPS_OF_A_VIDEO, replace=False))]
            cuts += [(i, a, min(a + length, frames)) for a in begin]
        yield cuts


def _by_clip(
    tracks: Sequence[Track], length: int, batch: int, rng: np.random.Generator | None, overlap: int
) -> Iterator[list[Cut]]:
    cuts: list[Cut] = []
    for i, one in enumerate(tracks):
        frames = one.video.frames
        begin = starts(frames, length, int(rng.integers(length)) if rng else 0, overlap)
        ends = [*begin[1:], frames] if rng else [min(a + length, frames) for a in begin]
        cuts += [(i, a, b) for a, b in zip(begin, ends, strict=True)]
    if rng is not None:
        cuts = [cuts[i] for i in rng.permutation(len(cuts))]
    for at in range(0, len(cuts), batch):
        yield cuts[at : at + batch]


def assemble(tracks: Sequence[Track], cuts: Sequence[Cut]) -> Batch:
    """The batch of these clips, padded to the longest; only their own tokens are read."""
    import torch

    longest = max(b - a for _, a, b in cuts)
    valid_BT = torch.zeros(len(cuts), longest, dtype=torch.bool)
    tokens: dict[str, list[Tensor]] = {}
    mask: dict[str, list[Tensor]] = {}
    for row, (i, a, b) in enumerate(cuts):
        valid_BT[row, : b - a] = True
        for modality, (token_ND, mask_N) in _clip(tracks[i], a, b, longest).items():
            tokens.setdefault(modality, []).append(token_ND)
            mask.setdefault(modality, []).append(mask_N)
    owner_B = np.array([i for i, _, _ in cuts])
    _, first_V, video_B = np.unique(owner_B, return_index=True, return_inverse=True)
    return Batch(
        {m: torch.stack(t) for m, t in tokens.items()},
        {m: torch.stack(t) for m, t in mask.items()},
        valid_BT,
        row_R=valid_BT.flatten().nonzero()[:, 0],
        video_B=torch.from_numpy(video_B),
        first_V=first_V,
        owner_B=owner_B,
        start_B=np.array([a for _, a, _ in cuts]),
        frames_B=np.array([b - a for _, a, b in cuts]),
    )


def on_device(items: Iterator[Batch], device: str) -> Iterator[Batch]:
    """The batches on `device`; for a GPU the next one is assembled and pinned in a thread while this one is used."""
    if not device.startswith("cuda"):
        for batch in items:
            yield batch.to(device)
        return
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(_next_pinned, items)
        while (ready := upcoming.result()) is not None:
            upcoming = pool.submit(_next_pinned, items)
            yield ready.to(device)


def _next_pinned(items: Iterator[Batch]) -> Batch | None:
    batch = next(items, None)
    return batch.pinned() if batch is not None else None


def labelled(batch: Batch, target_VRL: Sequence[Floats]) -> Batch:
    """The batch with its frames' targets."""
    return dataclasses.replace(batch, target_BTL=targets(batch, target_VRL))


def targets(batch: Batch, target_VRL: Sequence[Floats]) -> Tensor:
    """target_BTL of a batch's frames; NaN on padding. A video-level target stands on each of its valid frames."""
    import torch

    width = batch.valid_BT.shape[1]
    out = torch.full((len(batch.owner_B), width, target_VRL[0].shape[1]), float("nan"))
    for row, (i, a, n) in enumerate(zip(batch.owner_B, batch.start_B, batch.frames_B, strict=True)):
        target_RL = target_VRL[i]
        whole_video = len(target_RL) == 1 and a + n > 1
        piece = target_RL.repeat(n, axis=0) if whole_video else target_RL[a : a + n]
        out[row, :n] = torch.from_numpy(np.ascontiguousarray(piece, dtype=np.float32))
    return out


def _clip(one: Track, a: int, b: int, longest: int) -> dict[str, tuple[Tensor, Tensor]]:
    import torch

    image_ND = one.tokens["image"]["tokens"]
    row_T = torch.from_numpy(one.row_F[a:b])
    clip_TD = torch.zeros(longest, image_ND.shape[1])
    mask_T = torch.zeros(longest, dtype=torch.bool)
    has = row_T >= 0
    clip_TD[: b - a][has] = image_ND[row_T[has]]
    mask_T[: b - a] = has
    out = {"image": (clip_TD, mask_T)}
    if "audio" in one.tokens:
        out["audio"] = _overlapping(one, a / one.video.fps, b / one.video.fps)
    if "text" in one.tokens:
        text_ND = one.tokens["text"]["tokens"]
        there = len(text_ND) > 0
        out["text"] = (text_ND[:1] if there else torch.zeros(1, text_ND.shape[1]), torch.tensor([there]))
    return out


def _overlapping(one: Track, begin: float, end: float) -> tuple[Tensor, Tensor]:
    """The mean of the audio tokens, weighted by how long each one's window overlaps the clip."""
    import torch

    token_ND, time_N2 = one.tokens["audio"]["tokens"], one.tokens["audio"]["times"]
    overlap_N = (torch.clamp(time_N2[:, 1], max=end) - torch.clamp(time_N2[:, 0], min=begin)).clamp(min=0)
    heard = np.flatnonzero(overlap_N.numpy())
    if len(heard) == 0:
        return torch.zeros(1, token_ND.shape[1]), torch.tensor([False])
    near = slice(heard[0] // BLOCK * BLOCK, heard[-1] + 1)  # of a long recording only what is near is read
    sum_1D = (overlap_N[near, None] * token_ND[near]).sum(0, keepdim=True)
    return sum_1D / overlap_N.sum(), torch.tensor([True])
