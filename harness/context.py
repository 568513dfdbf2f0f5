"""What the stages of one run share: the plan, the data, the store, and where the work happens."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.pixels import Squares
from harness.progress import Progress
from harness.resolve import Plan
from harness.resources import Resources
from harness.rng import derive
from harness.types import Floats, Reader, Video, View

if TYPE_CHECKING:
    from harness.extra import ExtraData
    from harness.splits import Split
    from harness.store import Store


@dataclass(frozen=True)
class Place:
    """Where and how precisely the arithmetic happens."""

    device: str = "cpu"
    precision: str = "fp32"

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """bf16 where asked for; weights and losses stay float32."""
        import torch

        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.partition(":")[0], dtype=torch.bfloat16)

    def identity(self) -> dict[str, str]:
        """What of the place changes numbers enough to keep results apart."""
        return {"device": self.device.partition(":")[0], "precision": self.precision}


@dataclass
class Context:
    """One run of one task. `choices` grows with everything chosen on `inner`; the row tells them all."""

    plan: Plan
    reader: Reader
    data: str
    fingerprint: str
    store: Store
    resources: Resources
    progress: Progress
    place: Place = Place()
    choices: list[dict[str, Any]] = field(default_factory=list)
    extra: tuple[ExtraData, ...] = ()
    squares: Squares = field(default_factory=Squares, init=False, repr=False)
    _extra_of: dict[str, ExtraData] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._extra_of = {video.key: one for one in self.extra for video in one.videos}

    def seed(self, stage: str, split: Split, part: object = "") -> int:
        """The random stream of one stage of one split."""
        return derive(self.plan.seed, stage, _stream_name(split), part)

    def targets(self, videos: tuple[Video, ...]) -> dict[str, Floats]:
        """Targets of these videos by key, read from disk now."""
        return {video.key: self._extra_of.get(video.key, self.reader).targets(video) for video in videos}

    def view(self) -> View:
        """A new view of the task's media and of the extra training data's."""
        if not self.extra:
            return self.reader.view()
        from harness.extra import Views

        return Views(self.reader.view(), [(one.reader.view(), one.origin) for one in self.extra])

    def extra_videos(self, stage: str) -> tuple[Video, ...]:
        """Videos that join a split's training part in `stage` ("adapt" or "fit")."""
        return tuple(video for one in self._joining(stage) for video in one.videos)

    def fingerprint_of(self, video: Video) -> str:
        """The fingerprint of the data set a video belongs to."""
        return self._extra_of[video.key].fingerprint if video.key in self._extra_of else self.fingerprint

    def _joining(self, stage: str) -> list[ExtraData]:
        """Where `train` is "extra" nothing joins: its videos are the training part itself."""
        return [one for one in self.extra if self.plan.pipeline.train == "task" and one.extra.joins(stage)]

    def split_parts(self, split: Split, stage: str = "") -> Mapping[str, Any]:
        """What every trained stage of a split depends on: the data, who trains, who chooses, and the arithmetic."""
        joining = self._joining(stage) if self.plan.pipeline.train == "task" else self.extra
        more = {"extra": {one.name: one.identity() for one in joining}} if joining else {}
        return {
            **more,
            "data": self.fingerprint,
            "task": f"{self.plan.task.name}/{self.plan.task.version}",
            "train": [v.key for v in split.train],
            "inner": [v.key for v in split.inner],
            "stream": _stream_name(split),
            "partial_rows": self.plan.pipeline.partial_rows,
            "place": self.place.identity(),
        }


def _stream_name(split: Split) -> str:
    """`test` trains on what `official` trains on, so they share one training and its random stream."""
    return "official" if split.name == "test" else split.name


def check_device(device: str) -> None:
    """UserError for a device that PyTorch does not know or that this machine lacks."""
    import torch

    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        count = torch.cuda.device_count()
        here = ", ".join(["cpu", *(f"cuda:{i}" for i in range(count))])
        reason = str(error).partition("\n")[0].partition(". ")[0]
        why = "" if reason.startswith("Expected one of") else f" ({reason})"
        raise UserError(f"--device: expected one of {here}, came {device!r}{why}") from None
