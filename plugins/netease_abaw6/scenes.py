"""Scene-wise parts of the training videos (paper 3.3): one classifier per part, a vote over all of them.

The paper gives no descriptor and no number of scenes. Ours: frames with the faces masked out -> descriptor -> PCA ->
k-means, fitted on training videos alone. Shapes: V videos, D descriptor, K parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingData, UserError, unknown
from harness.progress import Progress, silent
from harness.types import Box, Detector, Image, SceneFrame, Video, View
from netease_abaw6.scene_descriptor import mask_faces, mask_inside
from netease_abaw6.scene_parts import cluster, merge_small

if TYPE_CHECKING:
    from torch import Tensor

    from harness.resources import Resources

Floats64 = NDArray[np.float64]
Descriptor = Callable[[Image, NDArray[np.float32]], Floats64]  # (image, background_HW) -> descriptor_D


@dataclass(frozen=True)
class Backgrounds:
    """How a video's frames become one descriptor: how many, by what, and how faces are found where no layout tells."""

    frames: int
    describe_one: Descriptor
    detector: Detector | None

    def describe(self, video: Video, view: View) -> tuple[Floats64 | None, set[str]]:
        """The mean descriptor_D over the frames, None where the video has none; and where its face boxes came from."""
        rows, sources = [], set()
        for frame in view.scene(video, self.frames):
            boxes, source = self._boxes(frame)
            height, width = frame.image.shape[:2]
            background_HW = mask_inside(height, width) if boxes is None else mask_faces(height, width, boxes)
            if not background_HW.any():  # a face that fills the frame leaves nothing but its rim
                background_HW, source = mask_inside(height, width), "outer border"
            rows.append(self.describe_one(frame.image, background_HW))
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

    source: str
    backgrounds: Backgrounds
    mean_D: Floats64  # of training descriptors, and their deviation
    scale_D: Floats64
    axes: Floats64  # descriptor width x components
    centres: Floats64  # K x components
    largest: int
    known: dict[str, int] = field(default_factory=dict)  # by video key, so that no frame is decoded twice

    @property
    def k(self) -> int:
        return len(self.centres)

    def assign(self, video: Video, view: View) -> int:
        """The part whose centre is nearest to this video's background."""
        if video.key not in self.known:
            descriptor_D, _ = self.backgrounds.describe(video, view)
            self.known[video.key] = self.largest if descriptor_D is None else self._nearest(descriptor_D)
        return self.known[video.key]

    def state(self) -> Mapping[str, Tensor]:
        """The standardisation, the axes and the centres; not the names of the videos seen."""
        import torch

        arrays = {"mean": self.mean_D, "scale": self.scale_D, "axes": self.axes, "centres": self.centres}
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        return {**tensors, "largest": torch.tensor(self.largest)}

    def _nearest(self, descriptor_D: Floats64) -> int:
        reduced_D = ((descriptor_D - self.mean_D) / self.scale_D) @ self.axes
        return int(np.linalg.norm(self.centres - reduced_D, axis=1).argmin())


@dataclass(frozen=True)
class ScenePartition:
    """See `scenes`."""

    k: int
    most: int
    components: int
    minimum: int
    backgrounds: Backgrounds
    progress: Progress = silent

    def fit(self, videos: Sequence[Video], view: View, seed: int) -> FittedScenes:
        """Learn the parts; MissingData where no training video has an uncropped frame."""
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
        part_V = merge_small(reduced_VD, cluster(reduced_VD, self.k, self.most, seed), self.minimum)
        return FittedScenes(
            source=_told(sources, len(videos) - len(seen)),
            backgrounds=self.backgrounds,
            mean_D=scaler.mean_,
            scale_D=scaler.scale_,
            axes=axes_DC,
            centres=np.stack([reduced_VD[part_V == part].mean(axis=0) for part in range(part_V.max() + 1)]),
            largest=int(np.bincount(part_V).argmax()),
            known={video.key: int(part) for video, part in zip(seen, part_V, strict=True)},
        )

    def restore(self, state: Mapping[str, Tensor]) -> FittedScenes:
        """Scenes that place new videos as those did whose `state` this is."""
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        return FittedScenes(
            source="a saved model",
            backgrounds=self.backgrounds,
            mean_D=arrays["mean"],
            scale_D=arrays["scale"],
            axes=arrays["axes"],
            centres=arrays["centres"],
            largest=int(arrays["largest"]),
        )


def scenes(
    descriptor: str = "offline",
    *,
    k: int = 4,
    most: int = 8,
    components: int = 16,
    frames: int = 5,
    minimum: int = 3,
    detector: str | None = None,
    detector_weights: str | None = None,
    weights: str = "hub",
    resources: Resources | None = None,
) -> ScenePartition:
    """At most `k` parts by the look of the background of `frames` frames a video; k=0: 2 to `most`, by silhouette.

    `descriptor` is "offline" (colour, brightness and edges; needs no weights) or "timm:MODEL", that model's pooled
    features, with `weights` "hub", a file's path, or "random": as a name, `scenes:timm:resnet18`. `components` are kept
    by the PCA; a part of fewer than `minimum` training videos is merged into the nearest.
    Faces are masked by the layout's boxes; where it has none, by this bundle's `detector`; without one, only the outer
    border of the frame is looked at. Which of these it was stands in `Scenes.source`.
    """
    if k < 0 or min(components, frames, minimum) < 1:
        raise UserError(
            f"scenes: expected k of 0 (by silhouette) or more, and components, frames and minimum of 1 or more; "
            f"came k={k}, components={components}, frames={frames}, minimum={minimum}"
        )
    if k == 0 and most < 2:
        raise UserError(f"scenes: k=0 chooses among 2 to `most` parts; expected most of 2 or more, came {most}")
    finder = None
    if detector is not None:
        from netease_abaw6.detectors import DETECTORS

        if detector not in DETECTORS:
            raise unknown("detector", detector, DETECTORS)
        finder = DETECTORS[detector](detector_weights)
    progress = resources.progress if resources is not None else silent
    device = resources.device if resources is not None else "cpu"
    backgrounds = Backgrounds(frames, _descriptor(descriptor, weights, device), finder)
    return ScenePartition(k, most, components, minimum, backgrounds, progress)


def _descriptor(name: str, weights: str, device: str) -> Descriptor:
    kind, colon, model = name.partition(":")
    if name == "offline":
        from netease_abaw6.scene_descriptor import describe

        return describe
    if kind == "timm" and colon:
        from netease_abaw6.scene_embedding import timm_embedding

        return timm_embedding(model, weights, device)
    raise unknown("descriptor of scenes", name, ("offline", "timm:MODEL"))


def _told(sources: set[str], without: int) -> str:
    told = " + ".join(sorted(sources))
    return told if not without else f"{told}; {without} training videos without frames in the largest part"
