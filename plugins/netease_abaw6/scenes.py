"""Scene-wise parts of the training videos (paper 3.3): one classifier per part, a vote over all of them.

The paper gives no descriptor and no number of scenes. Ours: frames with the faces masked out -> descriptor -> PCA ->
k-means, fitted on training videos alone. Shapes: V videos, D descriptor, K parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingData, UserError, unknown
from harness.progress import Progress, silent
from harness.types import Box, Detector, SceneFrame, Video, View

if TYPE_CHECKING:
    from sklearn.preprocessing import StandardScaler

    from harness.resources import Resources

Floats64 = NDArray[np.float64]


@dataclass(frozen=True)
class Backgrounds:
    """How a video's frames become one descriptor: how many, and how faces are found where the layout is silent."""

    frames: int
    detector: Detector | None

    def describe(self, video: Video, view: View) -> tuple[Floats64 | None, set[str]]:
        """The mean descriptor_D over the frames, None where the video has none; and where its face boxes came from."""
        from netease_abaw6.scene_descriptor import describe, mask_faces, mask_inside

        rows, sources = [], set()
        for frame in view.scene(video, self.frames):
            boxes, source = self._boxes(frame)
            height, width = frame.image.shape[:2]
            background_HW = mask_inside(height, width) if boxes is None else mask_faces(height, width, boxes)
            if not background_HW.any():  # a face that fills the frame leaves nothing but its rim
                background_HW, source = mask_inside(height, width), "outer border"
            rows.append(describe(frame.image, background_HW))
            sources.add(source)
        return (np.mean(rows, axis=0) if rows else None), sources

    def _boxes(self, frame: SceneFrame) -> tuple[Sequence[Box] | None, str]:
        if frame.boxes is not None:
            return frame.boxes, "layout"
        if self.detector is None:
            return None, "outer border"
        return [face.box for face in self.detector([frame.image])[0]], f"detector {self.detector.name}"


@dataclass(eq=False)
class FittedScenes:
    """Parts 0 .. k-1. A video without any frame goes to the part with most training videos."""

    k: int
    source: str
    backgrounds: Backgrounds
    scaler: StandardScaler
    axes: Floats64  # descriptor width x components
    centres: Floats64  # K x components
    largest: int
    known: dict[str, int] = field(default_factory=dict)  # by video key, so that no frame is decoded twice

    def assign(self, video: Video, view: View) -> int:
        """The part whose centre is nearest to this video's background."""
        if video.key not in self.known:
            descriptor_D, _ = self.backgrounds.describe(video, view)
            self.known[video.key] = self.largest if descriptor_D is None else self._nearest(descriptor_D)
        return self.known[video.key]

    def _nearest(self, descriptor_D: Floats64) -> int:
        reduced_D = (self.scaler.transform(descriptor_D[None]) @ self.axes)[0]
        return int(np.linalg.norm(self.centres - reduced_D, axis=1).argmin())


@dataclass(frozen=True)
class ScenePartition:
    """See `scenes`."""

    k: int
    components: int
    minimum: int
    backgrounds: Backgrounds
    progress: Progress = silent

    def fit(self, videos: Sequence[Video], view: View, seed: int) -> FittedScenes:
        """Learn the parts; MissingData where no training video has an uncropped frame."""
        from sklearn.cluster import KMeans
        from sklearn.preprocessing import StandardScaler

        rows, seen, sources = [], [], set()
        for video in self.progress(videos, "describe scenes", total=len(videos)):
            descriptor_D, found = self.backgrounds.describe(video, view)
            if descriptor_D is not None:
                rows.append(descriptor_D)
                seen.append(video)
            sources |= found
        if not rows:
            raise MissingData(
                "Scenes need uncropped frames, and none of the training videos has a raw video beside its face images. "
                "Add the raw videos, or run with --partition whole"
            )
        scaler = StandardScaler().fit(np.stack(rows))
        standard_VD = scaler.transform(np.stack(rows))
        axes_DC = np.linalg.svd(standard_VD, full_matrices=False)[2][: self.components].T  # PCA: the mean is gone
        reduced_VD = standard_VD @ axes_DC
        k = min(self.k, len(np.unique(reduced_VD.round(9), axis=0)))
        part_V = KMeans(k, n_init=10, random_state=seed % 2**32).fit(reduced_VD).labels_
        part_V = merge_small(reduced_VD, part_V, self.minimum)
        centres_KD = np.stack([reduced_VD[part_V == part].mean(axis=0) for part in range(part_V.max() + 1)])
        return FittedScenes(
            k=len(centres_KD),
            source=_told(sources, len(videos) - len(seen)),
            backgrounds=self.backgrounds,
            scaler=scaler,
            axes=axes_DC,
            centres=centres_KD,
            largest=int(np.bincount(part_V).argmax()),
            known={video.key: int(part) for video, part in zip(seen, part_V, strict=True)},
        )


def scenes(
    *,
    k: int = 4,
    descriptor: Literal["offline"] = "offline",
    components: int = 16,
    frames: int = 5,
    minimum: int = 3,
    detector: str | None = None,
    detector_weights: str | None = None,
    resources: Resources | None = None,
) -> ScenePartition:
    """At most `k` parts by the look of the background of `frames` frames a video.

    `components` are kept by the PCA; a part of fewer than `minimum` training videos is merged into the nearest.
    Faces are masked by the layout's boxes; where it has none, by this bundle's `detector`; without one, only the outer
    border of the frame is looked at. Which of these it was stands in `Scenes.source`.
    """
    if descriptor != "offline":
        raise UserError(f"descriptor={descriptor!r}: the only one known is 'offline'")
    if min(k, components, frames, minimum) < 1:
        raise UserError(f"k={k}, components={components}, frames={frames} and minimum={minimum} must be 1 or more")
    finder = None
    if detector is not None:
        from netease_abaw6.detectors import DETECTORS

        if detector not in DETECTORS:
            raise unknown("detector", detector, DETECTORS)
        finder = DETECTORS[detector](detector_weights)
    progress = resources.progress if resources is not None else silent
    return ScenePartition(k, components, minimum, Backgrounds(frames, finder), progress)


def merge_small(reduced_VD: Floats64, part_V: NDArray[np.int32], minimum: int) -> NDArray[np.int64]:
    """Merge the smallest part into the one with the nearest mean while it has fewer than `minimum` videos; renumber."""
    part_V = np.unique(part_V, return_inverse=True)[1]
    while part_V.max() > 0 and np.bincount(part_V).min() < minimum:
        small = int(np.bincount(part_V).argmin())
        means_KD = np.stack([reduced_VD[part_V == part].mean(axis=0) for part in range(part_V.max() + 1)])
        distance_K = np.linalg.norm(means_KD - means_KD[small], axis=1)
        distance_K[small] = np.inf
        part_V = np.where(part_V == small, int(distance_K.argmin()), part_V)
        part_V = np.unique(part_V, return_inverse=True)[1]
    return part_V


def _told(sources: set[str], without: int) -> str:
    told = " + ".join(sorted(sources))
    return told if not without else f"{told}; {without} training videos without frames in the largest part"
