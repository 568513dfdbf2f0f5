"""Single frames, windows and transcripts with their targets: what an encoder is fine-tuned on.

A batch comes about in three steps, so that they overlap: `draw` (what varies, in order, from one random stream),
`fetch` (decoding and varying, in any thread), `ready` (the copy to the device).
Shapes: N samples, B batch, L labels, R judged rows of a video.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness import augment
from harness.ahead import to_device
from harness.pixels import Squares, normalised, stacked
from harness.types import AudioInput, Encoder, Floats, Image, ImageInput, Recipe, Video, View
from harness.windows import windows

if TYPE_CHECKING:
    from torch import Tensor


class Samples:
    """Samples of one modality with their `target_NL`."""

    target_NL: Floats

    def draw(self, count: int, rng: np.random.Generator, recipe: Recipe) -> Any:
        """How the next `count` samples are varied."""
        return None

    def fetch(self, ids: Sequence[int], varied: Any = None) -> Any:
        """These samples on the host, as they are or `varied` as drawn."""
        raise NotImplementedError

    def ready(self, fetched: Any, device: str) -> Any:
        """What `fetch` gave as the batch an encoder takes, on `device`."""
        raise NotImplementedError

    def load(self, ids: Sequence[int], device: str) -> Any:
        """The batch of these samples as they are."""
        return self.ready(self.fetch(ids), device)

    def __len__(self) -> int:
        return len(self.target_NL)


def samples_of(
    encoder: Encoder,
    videos: Sequence[Video],
    view: View,
    targets: Mapping[str, Floats],
    squares: Squares | None = None,
) -> Samples:
    """Every labelled sample of these videos in the form `encoder` takes; `squares` are shared with other stages."""
    if isinstance(encoder.input, ImageInput):
        return Frames(encoder.input, videos, view, targets, squares)
    if isinstance(encoder.input, AudioInput):
        return Windows(encoder.input, videos, view, targets)
    return Texts(videos, view, targets)


class Frames(Samples):
    """Every frame with a face and a label; `squares` keeps what was decoded."""

    def __init__(
        self,
        spec: ImageInput,
        videos: Sequence[Video],
        view: View,
        targets: Mapping[str, Floats],
        squares: Squares | None = None,
    ) -> None:
        self.spec, self.view, self.videos, self.squares = spec, view, tuple(videos), squares or Squares()
        rows, frames, owners = [np.zeros((0, 0), np.float32)], [], []
        for owner, video in enumerate(self.videos):
            target_FL = _per_frame(targets[video.key], video)
            labelled = np.flatnonzero(video.face_F & ~np.isnan(target_FL).all(axis=1))
            frames.append(labelled)
            owners.append(np.full(len(labelled), owner))
            rows.append(target_FL[labelled])
        self.frame_N = np.concatenate(frames) if frames else np.zeros(0, int)
        self.owner_N = np.concatenate(owners) if owners else np.zeros(0, int)
        self.target_NL = np.concatenate(rows[1:] or rows)

    def draw(self, count: int, rng: np.random.Generator, recipe: Recipe) -> list[augment.Variation] | None:
        return [augment.draw(rng, self.spec.size, recipe) for _ in range(count)] if recipe.augment else None

    def fetch(self, ids: Sequence[int], varied: Sequence[augment.Variation] | None = None) -> list[Image]:
        if varied is None:
            return self._squares([self._place(i) for i in ids])
        places = [self._place(i, one.neighbour) for i, one in zip(ids, varied, strict=True)]
        return augment.augmented(self._squares(places), varied)

    def ready(self, fetched: list[Image], device: str) -> Tensor:
        return normalised(stacked(fetched, self.spec.size, device), self.spec, device)

    def _place(self, sample: int, neighbour: int = 0) -> tuple[int, int]:
        """(video, frame) of a sample, or of the next frame with a face before (-1) or after (1) it, if there is one."""
        owner, frame = int(self.owner_N[sample]), int(self.frame_N[sample])
        if not neighbour:
            return owner, frame
        face_F = self.videos[owner].face_F
        beside = np.flatnonzero(face_F[:frame])[-1:] if neighbour < 0 else np.flatnonzero(face_F[frame + 1 :])[:1]
        at = beside + (frame + 1 if neighbour > 0 else 0)
        return owner, int(at[0]) if len(at) else frame

    def _squares(self, places: Sequence[tuple[int, int]]) -> list[Image]:
        frames: dict[int, list[int]] = {}
        for owner, frame in dict.fromkeys(places):
            frames.setdefault(owner, []).append(frame)
        found: dict[tuple[int, int], Image] = {}
        for owner, some in frames.items():
            squares = self.squares.of(self.view, self.spec, self.videos[owner], some)
            found.update(zip(((owner, frame) for frame in some), squares, strict=True))
        return [found[place] for place in places]


class Windows(Samples):
    """Every window of sound; its target is the mean over the labelled frames it covers."""

    def __init__(self, spec: AudioInput, videos: Sequence[Video], view: View, targets: Mapping[str, Floats]) -> None:
        import torch

        samples, rows = [], []
        for video in videos:
            samples_NS, times_N2 = windows(view.audio(video), spec, video)
            target_FL = _per_frame(targets[video.key], video)
            for sample_S, (begin, end) in zip(samples_NS, times_N2.tolist(), strict=True):
                covered = target_FL[max(0, round(begin * video.fps)) : max(1, round(end * video.fps))]
                if len(covered) and not np.isnan(covered).all():
                    samples.append(sample_S)
                    rows.append(_mean_labelled(covered))
        self.samples_NS = torch.stack(samples) if samples else torch.zeros(0, 1)
        self.target_NL = np.stack(rows) if rows else np.zeros((0, 0), np.float32)

    def draw(self, count: int, rng: np.random.Generator, recipe: Recipe) -> NDArray[np.float32] | None:
        """gain_B1: louder or softer."""
        if not recipe.augment:
            return None
        gain_B1: NDArray[np.float32] = 1 + recipe.augment * rng.uniform(-0.3, 0.4, (count, 1)).astype(np.float32)
        return gain_B1

    def fetch(self, ids: Sequence[int], varied: NDArray[np.float32] | None = None) -> Tensor:
        import torch

        samples_BS = self.samples_NS[list(ids)]
        return samples_BS if varied is None else samples_BS * torch.from_numpy(varied)

    def ready(self, fetched: Tensor, device: str) -> Tensor:
        return to_device(fetched, device)


class Texts(Samples):
    """Every transcript; its target is the mean over the video's labelled rows."""

    def __init__(self, videos: Sequence[Video], view: View, targets: Mapping[str, Floats]) -> None:
        pairs = [(view.text(video), targets[video.key]) for video in videos]
        known = [(text, target) for text, target in pairs if text is not None and not np.isnan(target).all()]
        self.texts = [text for text, _ in known]
        self.target_NL = np.stack([_mean_labelled(t) for _, t in known]) if known else np.zeros((0, 0), np.float32)

    def fetch(self, ids: Sequence[int], varied: Any = None) -> list[str]:
        return [self.texts[i] for i in ids]

    def ready(self, fetched: list[str], device: str) -> list[str]:
        return fetched


def _per_frame(target_RL: Floats, video: Video) -> Floats:
    return target_RL if len(target_RL) == video.frames else np.repeat(target_RL[:1], video.frames, axis=0)


def _mean_labelled(target_NL: NDArray[np.float32]) -> Floats:
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")  # a label nobody gave stays NaN
        mean_L: Floats = np.nanmean(target_NL, axis=0).astype(np.float32)
    return mean_L
