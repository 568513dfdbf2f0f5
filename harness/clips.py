"""Clips: k frames of a video with the sound and the words that go with them (paper 3.2).

Shapes: B batch, T frames of a clip, F frames of a video, N tokens, D width, L labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from harness.types import Floats, Video

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Track:
    """A video's tokens with, for each frame, the row of the image token that stands for it (-1: none)."""

    video: Video
    tokens: Mapping[str, Mapping[str, Tensor]]
    row_F: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Batch:
    """B clips: tokens_BND and mask_BN per modality, valid_BT (unpadded frames), each one's track and first frame."""

    tokens: Mapping[str, Tensor]
    mask: Mapping[str, Tensor]
    valid_BT: Tensor
    owner_B: NDArray[np.int64]
    start_B: NDArray[np.int64]

    def to(self, device: str) -> Batch:
        return Batch(
            {m: t.to(device) for m, t in self.tokens.items()},
            {m: t.to(device) for m, t in self.mask.items()},
            self.valid_BT.to(device),
            self.owner_B,
            self.start_B,
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


def spans(frames: int, length: int, overlap: int = 0) -> list[tuple[int, int]]:
    """Clips of `length` as (first frame, frame after the last); each shares `overlap` frames with the one before.

    The last one is as long as the others where the video is, so that no frame is judged by a stub alone.

    >>> spans(10, 4), spans(10, 4, 2), spans(9, 4, 2), spans(3, 4, 2)
    ([(0, 4), (4, 8), (8, 10)], [(0, 4), (2, 6), (4, 8), (6, 10)], [(0, 4), (2, 6), (4, 8), (5, 9)], [(0, 3)])
    """
    if not overlap:
        return [(at, min(at + length, frames)) for at in range(0, frames, length)]
    last = max(frames - length, 0)
    begins = [*range(0, last, length - overlap), last]
    return [(at, min(at + length, frames)) for at in begins]


def starts(frames: int, length: int, offset: int = 0) -> list[int]:
    """Where clips of `length` begin: 0, length, ...; with an offset, also the shorter piece before it."""
    first = [0] if 0 < offset < frames else []
    return first + list(range(offset if offset < frames else 0, frames, length))


def batches(
    tracks: Sequence[Track],
    *,
    length: int,
    batch: int,
    rng: np.random.Generator | None = None,
    whole_videos: bool = False,
    overlap: int = 0,
) -> Iterator[Batch]:
    """Clips of every track, `batch` at a time; with `rng`, in random order and from a random offset (training).

    `whole_videos`: all clips of a video stand in one batch, `batch` videos at a time (video-level tasks). `overlap`
    is for prediction, frame by frame: see `spans`.
    """
    if whole_videos:
        order = rng.permutation(len(tracks)) if rng else np.arange(len(tracks))
        for at in range(0, len(order), batch):
            chosen = order[at : at + batch]
            yield assemble(
                tracks,
                [(int(i), a, b) for i in chosen for a, b in spans(tracks[i].video.frames, length)],
            )
        return
    cuts = []
    for i, one in enumerate(tracks):
        if rng is None:
            cuts += [(i, a, b) for a, b in spans(one.video.frames, length, overlap)]
            continue
        begin = starts(one.video.frames, length, int(rng.integers(length)))
        cuts += [(i, a, b) for a, b in zip(begin, [*begin[1:], one.video.frames], strict=True)]
    if rng is not None:
        cuts = [cuts[i] for i in rng.permutation(len(cuts))]
    for at in range(0, len(cuts), batch):
        yield assemble(tracks, cuts[at : at + batch])


def assemble(tracks: Sequence[Track], cuts: Sequence[tuple[int, int, int]]) -> Batch:
    """The batch of clips (track, first frame, frame after the last), padded to the longest."""
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
    return Batch(
        {m: torch.stack(t) for m, t in tokens.items()},
        {m: torch.stack(t) for m, t in mask.items()},
        valid_BT,
        np.array([i for i, _, _ in cuts]),
        np.array([a for _, a, _ in cuts]),
    )


def targets(batch: Batch, target_VRL: Sequence[Floats]) -> Tensor:
    """target_BTL of a batch's frames; NaN on padding. A video-level target stands on each of its valid frames."""
    import torch

    width = batch.valid_BT.shape[1]
    out = torch.full((len(batch.owner_B), width, target_VRL[0].shape[1]), float("nan"))
    for row, (i, a) in enumerate(zip(batch.owner_B, batch.start_B, strict=True)):
        n = int(batch.valid_BT[row].sum())
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
    if len(token_ND) == 0 or float(overlap_N.sum()) == 0:
        return torch.zeros(1, token_ND.shape[1]), torch.tensor([False])
    return (overlap_N[:, None] * token_ND).sum(0, keepdim=True) / overlap_N.sum(), torch.tensor([True])
