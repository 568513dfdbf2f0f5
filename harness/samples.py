"""Single frames, windows and transcripts with their targets: what an encoder is fine-tuned on.

Shapes: N samples, L labels, R judged rows of a video.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.pixels import normalised, squares
from harness.types import AudioInput, Encoder, Floats, Image, ImageInput, Video, View
from harness.windows import windows

if TYPE_CHECKING:
    from torch import Tensor

CACHED_BYTES = 2 << 30  # decoded images kept between epochs


class Samples:
    """Samples of one modality: `target_NL`, and `load(ids)` giving the batch an encoder takes."""

    target_NL: Floats

    def load(
        self, ids: Sequence[int], device: str, rng: np.random.Generator | None = None, augment: float = 1.0
    ) -> Any:
        """The batch of these samples on `device`; with `rng`, varied by `augment`."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.target_NL)


def samples_of(encoder: Encoder, videos: Sequence[Video], view: View, targets: Mapping[str, Floats]) -> Samples:
    """Every labelled sample of these videos in the form `encoder` takes."""
    if isinstance(encoder.input, ImageInput):
        return Frames(encoder.input, videos, view, targets)
    if isinstance(encoder.input, AudioInput):
        return Windows(encoder.input, videos, view, targets)
    return Texts(videos, view, targets)


class Frames(Samples):
    """Every frame with a face and a label; decoded squares are kept up to `CACHED_BYTES`."""

    def __init__(self, spec: ImageInput, videos: Sequence[Video], view: View, targets: Mapping[str, Floats]) -> None:
        self.spec, self.view = spec, view
        self.places: list[tuple[Video, int]] = []
        rows = []
        for video in videos:
            target_FL = _per_frame(targets[video.key], video)
            frames = np.flatnonzero(video.face_F & ~np.isnan(target_FL).all(axis=1))
            self.places += [(video, int(i)) for i in frames]
            rows.append(target_FL[frames])
        self.target_NL = np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)
        self._cache: OrderedDict[int, Image] = OrderedDict()

    def load(
        self, ids: Sequence[int], device: str, rng: np.random.Generator | None = None, augment: float = 1.0
    ) -> Tensor:
        images_BHWC = np.stack(self._squares(ids))
        if rng is not None and augment:
            images_BHWC = augmented(images_BHWC, rng, augment)
        return normalised(images_BHWC, self.spec, device)

    def _squares(self, ids: Sequence[int]) -> list[Image]:
        missing = [i for i in ids if i not in self._cache]
        by_video: dict[str, list[int]] = {}
        for i in dict.fromkeys(missing):
            by_video.setdefault(self.places[i][0].key, []).append(i)

        def decode(group: list[int]) -> Image:
            video = self.places[group[0]][0]
            return squares(self.view.images(video, [self.places[i][1] for i in group]), self.spec)

        with ThreadPoolExecutor(2) as pool:
            for group, images in zip(by_video.values(), pool.map(decode, by_video.values()), strict=True):
                self._cache.update(zip(group, images, strict=True))
        out = [self._cache[i] for i in ids]
        while len(self._cache) * 3 * self.spec.size**2 > CACHED_BYTES:
            self._cache.popitem(last=False)
        return out


def augmented(images_BHWC: Image, rng: np.random.Generator, strength: float = 1.0) -> Image:
    """Each image flipped with chance 1/2, moved with its edge repeated, and made brighter or darker.

    At strength 1: by up to 6 % of its size and 25 % of its light. Moves are small and filled from the edge, so no crop
    loses its face.
    """
    out = images_BHWC.copy()
    size = images_BHWC.shape[1]
    reach = round(0.06 * size * strength)
    for i, image in enumerate(images_BHWC):
        if rng.random() < 0.5:
            image = image[:, ::-1]
        dy, dx = rng.integers(-reach, reach + 1, size=2)
        rows = np.clip(np.arange(size) + dy, 0, size - 1)
        columns = np.clip(np.arange(size) + dx, 0, size - 1)
        gain, lift = 1 + strength * rng.uniform(-0.25, 0.25), strength * rng.uniform(-20, 20)
        out[i] = np.clip(image[rows][:, columns] * gain + lift, 0, 255)
    return out


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

    def load(
        self, ids: Sequence[int], device: str, rng: np.random.Generator | None = None, augment: float = 1.0
    ) -> Tensor:
        samples_BS = self.samples_NS[list(ids)].to(device)
        if rng is not None and augment:
            import torch

            samples_BS = samples_BS * torch.from_numpy(
                1 + augment * rng.uniform(-0.3, 0.4, (len(samples_BS), 1)).astype(np.float32)
            ).to(device)
        return samples_BS


class Texts(Samples):
    """Every transcript; its target is the mean over the video's labelled rows."""

    def __init__(self, videos: Sequence[Video], view: View, targets: Mapping[str, Floats]) -> None:
        pairs = [(view.text(video), targets[video.key]) for video in videos]
        known = [(text, target) for text, target in pairs if text is not None and not np.isnan(target).all()]
        self.texts = [text for text, _ in known]
        self.target_NL = np.stack([_mean_labelled(t) for _, t in known]) if known else np.zeros((0, 0), np.float32)

    def load(
        self, ids: Sequence[int], device: str, rng: np.random.Generator | None = None, augment: float = 1.0
    ) -> list[str]:
        return [self.texts[i] for i in ids]


def _per_frame(target_RL: Floats, video: Video) -> Floats:
    return target_RL if len(target_RL) == video.frames else np.repeat(target_RL[:1], video.frames, axis=0)


def _mean_labelled(target_NL: NDArray[np.float32]) -> Floats:
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")  # a label nobody gave stays NaN
        mean_L: Floats = np.nanmean(target_NL, axis=0).astype(np.float32)
    return mean_L
