"""What flows through a run. No logic, no heavy imports.

Shape suffixes, here and everywhere: B batch, T frames of a clip, F frames of a video, R judged rows of a video
(F, or 1 for a video-level task), N tokens, D width, L labels, K classifiers, V videos, C H W image planes,
S audio samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.kinds import Kind

Side = Literal["train", "valid", "test"]
Level = Literal["frame", "video"]
Modality = Literal["image", "audio", "text"]
Floats = NDArray[np.float32]
Image = NDArray[np.uint8]  # H x W x 3, RGB


# -- data ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Video:
    """One person in one recording, without labels.

    A video is identified by `(id, side)`, since one official id stands on two sides; `group` is the raw recording,
    which no split and no bootstrap cluster ever cuts. `face_F[i]` is False where frame i has no face image.
    """

    id: str
    group: str
    side: Side
    frames: int
    fps: float
    face_F: NDArray[np.bool_]

    @property
    def key(self) -> str:
        """`side/id`: the name under which features, predictions and statistics are kept."""
        return f"{self.side}/{self.id}"


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono samples in [-1, 1] at `rate` Hz; the first one sounds `start` seconds after the first video frame."""

    samples_S: Floats
    rate: int
    start: float = 0.0


@dataclass(frozen=True)
class Box:
    """A face in pixels of its frame: left, top, right, bottom."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, eq=False)
class SceneFrame:
    """An uncropped frame; `boxes` are the faces in it, None where the layout does not tell."""

    image: Image
    boxes: tuple[Box, ...] | None


class View(Protocol):
    """What plugins may read of a data set: media, never a label nor the folder labels lie in."""

    def images(self, video: Video, indices: Sequence[int]) -> list[Image]:
        """Face images of these frames (each must have `video.face_F[i]` True), RGB, any size."""

    def audio(self, video: Video) -> Audio | None:
        """The sound of the recording; None where it is absent or cannot be decoded."""

    def text(self, video: Video) -> str | None:
        """The transcript; None where there is none."""

    def scene(self, video: Video, n: int) -> list[SceneFrame]:
        """At most n uncropped frames, evenly spread; empty where there is no raw video."""


class Reader(Protocol):
    """A data set on disk, as one task sees it. Only the core holds a reader; plugins get its `view()`."""

    def videos(self) -> tuple[Video, ...]:
        """Every video of every side, sorted by (side, id)."""

    def targets(self, video: Video) -> Floats:
        """target_RL read from the label file at each call: one-hot, 0/1 or value; NaN where unlabelled."""

    def view(self) -> View:
        """A new view, built from media folders alone."""

    def fingerprint(self) -> str:
        """SHA-256 of the label files' bytes and of the sorted (path, size, mtime) of media."""

    def demo(self) -> bool:
        """True where the folder holds the demo world (its `demo.json` says so)."""


# -- tasks --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TaskSpec:
    """A task as a literal. P is always the mean over `labels` of the kind's metric."""

    name: str
    title: str
    reader: str
    labels: tuple[str, ...]
    kind: Kind
    level: Level
    modalities: tuple[Modality, ...]
    version: int
    reference: str
    clip_frames: int = 100
    fps: float | None = None


# -- encoders -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ImageInput:
    """Square RGB images of `size` pixels, scaled to [0, 1], then (x - mean) / std; the batch is images_BCHW."""

    size: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"


@dataclass(frozen=True)
class AudioInput:
    """Windows of `window` seconds every `hop` seconds at `rate` Hz; the batch is samples_BS, float32 in [-1, 1]."""

    rate: int
    window: float
    hop: float


@dataclass(frozen=True)
class TextInput:
    """Whole transcripts; the batch is a list of B strings."""


@runtime_checkable
class Encoder(Protocol):
    """Turns one batch of one modality into one token each.

    The core decodes, resizes, windows, normalises and stores; an encoder never sees a label, a path or a video.
    `module` is what the core may fine-tune (its parameters with `requires_grad`), or None when there is nothing to
    train; `__call__` must be differentiable through `module` and runs on the module's device.
    """

    modality: Modality
    dim: int
    input: ImageInput | AudioInput | TextInput
    module: nn.Module | None

    def __call__(self, batch: Any) -> Tensor:
        """images_BCHW | samples_BS | list of B strings -> tokens_BD (float32)."""


# -- partitions and postprocessors --------------------------------------------------------------


class Scenes(Protocol):
    """K parts of the training videos; `assign` places any video, held-out ones too."""

    k: int
    source: str  # where frames and face boxes came from: "layout", "detector NAME", "outer border"

    def assign(self, video: Video, view: View) -> int:
        """The part, 0 .. k-1, this video belongs to."""

    def state(self) -> Mapping[str, Tensor]:
        """All that `Partition.restore` needs to place videos as these scenes do, in another process."""


class Partition(Protocol):
    """Divides training videos into parts, one classifier each (paper 3.3)."""

    def fit(self, videos: Sequence[Video], view: View, seed: int) -> Scenes:
        """Learn the parts from training videos alone."""

    def restore(self, state: Mapping[str, Tensor]) -> Scenes:
        """Scenes from what their `state` told."""


class Vote(Protocol):
    """scores_KRL -> scores_RL: one set of scores from K classifiers; `kind` tells what a vote is."""

    def __call__(self, scores_KRL: Floats, kind: Kind) -> Floats: ...


class PartVote(Protocol):
    """A vote that is also handed the `part` its video belongs to."""

    def __call__(self, scores_KRL: Floats, kind: Kind, part: int) -> Floats: ...


class Smoother(Protocol):
    """Refines the scores of one video along time.

    `candidates` are the settings among which the core chooses on `inner` (say sigmas, in frames of that video);
    an empty tuple means there is nothing to choose and `setting` is 0.
    """

    candidates: tuple[float, ...]

    def __call__(self, scores_RL: Floats, video: Video, setting: float) -> Floats: ...


# -- detectors ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face: its box, confidence and five landmarks (eyes, nose, mouth corners) as points_52, pixels."""

    box: Box
    score: float
    points_52: Floats | None = None


class Detector(Protocol):
    """Finds faces in uncropped RGB frames; `weights_sha256` is "" where there are no weights."""

    name: str
    weights_sha256: str

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        """For each image its faces, best score first."""


# -- a method as a literal ----------------------------------------------------------------------

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Component:
    """A provided thing by name, with keyword options of its factory, and where the choice comes from."""

    name: str
    options: Mapping[str, Scalar] = field(default_factory=dict)
    source: str = ""  # "paper 3.2" | "lab code" | "ours"


@dataclass(frozen=True)
class Recipe:
    """How something is trained: the numbers of one optimisation (AdamW, cosine to zero after a linear warm-up)."""

    epochs: int
    lr: float
    batch: int
    weight_decay: float = 0.05
    warmup: float = 0.1  # share of all steps
    samples_per_epoch: int = 0  # 0: every sample once per epoch
    layer_decay: float = 1.0  # learning rate of a layer, as a share of the next one's (timm's groups)
    clip_grad: float = 1.0
    label_weights: Literal["none", "root", "frequency"] = "frequency"  # W of Eq. 1 and 2; "root": its square root
    augment: float = 1.0  # how strongly images and sounds are varied; 0: not at all
    flip: float = 0.5  # chance that an image is mirrored
    shift: float = 0.06  # an image moves by up to this share of its size, times `augment`
    crop: float = 1.0  # a random crop keeps at least this share of an image's area; 1: no crop
    colour: float = 0.0  # contrast and saturation change by up to this share, times `augment`
    erase: float = 0.0  # chance that a random rectangle of an image is blanked
    sampling: Literal["uniform", "balanced"] = "uniform"  # "balanced": rare labels as often as frequent ones
    source: str = ""


@dataclass(frozen=True)
class Extra:
    """Labelled data of another source that joins the train part, and no other (paper 4.2). Labels match by name."""

    data: str  # the name of its reader; `--data NAME=PATH` says where it lies
    labels: str = ""  # those kept, separated by commas; "": every one that it shares with the task
    cap: int = 0  # most labelled rows (stills, frames) taken; 0: all
    stages: Literal["adapt", "fit", "adapt,fit"] = "adapt"
    source: str = ""

    def joins(self, stage: str) -> bool:
        """Whether it is used in this stage."""
        return stage in self.stages.split(",")


@dataclass(frozen=True)
class Pipeline:
    """A whole method. `changes` are the rows of what differs, by task and by profile, as `{dotted.field: value}`."""

    name: str
    title: str
    reference: str
    encoders: Mapping[str, Component]
    fusion: Component
    fit: Recipe
    partition: Component = Component("whole")
    vote: str = "mean"
    postprocess: Component = Component("none")
    order: Literal["vote-smooth", "smooth-vote"] = "vote-smooth"
    overlap: int = 0  # frames that neighbouring clips share at prediction; their scores are averaged
    adapt: Mapping[str, Recipe] = field(default_factory=dict)  # modality -> recipe; absent: frozen
    fill_faces: Literal["nearest", "mask"] = "nearest"
    partial_rows: Literal["any", "all", "mask"] = "any"  # AU rows with some invalid labels
    extra_train: Mapping[str, Extra] = field(default_factory=dict)
    train: Literal["task", "extra", "none"] = "task"  # on the task's videos; on `extra_train` alone; nothing is trained
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
