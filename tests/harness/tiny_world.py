"""A world small enough for a whole run in a second: files on disk, their reader, and the plugin that runs on them.

Sixteen recordings: ten train, four valid, two test. The colour of a 16 x 16 image tells the label, so does the
loudness of the sound; `write` says what the labels are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.hookspecs import hookimpl
from harness.kinds import ANY_OF, ONE_OF, Kind, continuous
from harness.types import (
    Audio,
    AudioInput,
    Component,
    Floats,
    Image,
    ImageInput,
    Pipeline,
    Recipe,
    SceneFrame,
    TaskSpec,
    TextInput,
    Video,
    View,
)

RATE = 800
SIDES = ("train",) * 10 + ("valid",) * 4 + ("test",) * 2
LABELS = {"one_of": ("red", "green", "blue"), "any_of": ("a", "b"), "continuous": ("x", "y")}


def task(name: str, kind: Kind, level: str = "frame", labels: Sequence[str] = ()) -> TaskSpec:
    return TaskSpec(
        name, name.upper(), "tiny", tuple(labels or LABELS[kind.name]), kind, level,  # type: ignore[arg-type]
        modalities=("image", "audio", "text"), version=1, reference="", clip_frames=8,
    )  # fmt: skip


TASKS = {
    "colour": task("colour", ONE_OF),
    "units": task("units", ANY_OF),
    "mood": task("mood", continuous("ccc", -1.0, 1.0)),
    "clip": task("clip", continuous("pearson", 0.0, 1.0), "video"),
}


# -- files ----------------------------------------------------------------------------------------


def target_of(spec: TaskSpec, number: int, frames: int, rng: np.random.Generator) -> Floats:
    """target_RL of one video, of three stretches; the first two frames are unlabelled where there are frames."""
    labels = len(spec.labels)
    rows = frames if spec.level == "frame" else 1
    if spec.kind.name == "one_of":
        of_F = (np.arange(frames) * 3 // frames + number) % labels
        target_RL = np.eye(labels, dtype=np.float32)[of_F]
    elif spec.kind.name == "any_of":
        of_F = (np.arange(frames) * 3 // frames + number) % 3
        target_RL = np.stack([of_F == 1, of_F >= 1], axis=1).astype(np.float32)
    else:
        wave_RL = np.linspace(0, 3, rows)[:, None] + rng.uniform(0, 6, labels)
        target_RL = (spec.kind.low + (spec.kind.high - spec.kind.low) * (np.sin(wave_RL) + 1) / 2).astype(np.float32)
    if rows > 1:
        target_RL[:2] = np.nan
    return target_RL


def write(root: Path, spec: TaskSpec, target: Callable[..., Floats] = target_of) -> Path:
    """The files of one task: media/ (images, sound, words), labels/, and videos.json."""
    (root / "media").mkdir(parents=True)
    (root / "labels").mkdir()
    videos = []
    for number, side in enumerate(SIDES):
        rng = np.random.default_rng(number)
        frames = 20 + number % 10
        target_RL = target(spec, number, frames, rng)
        shown_RL = np.nan_to_num((target_RL - spec.kind.low) / (spec.kind.high - spec.kind.low), nan=0.5)
        shown_FL = np.broadcast_to(shown_RL, (frames, shown_RL.shape[1])) if len(shown_RL) == 1 else shown_RL
        colour_F3 = np.pad(shown_FL, ((0, 0), (0, 3)))[:, :3]
        images = np.clip(colour_F3[:, None, None] * 200 + rng.integers(0, 50, (frames, 16, 16, 3)), 0, 255)
        sound_S = rng.normal(0, 0.05 + 0.3 * shown_FL[:, 0].mean(), 2 * RATE)
        name = f"video{number}"
        np.savez(root / "media" / f"{name}.npz", images=images.astype(np.uint8), sound=sound_S.astype(np.float32))
        if number % 3:
            (root / "media" / f"{name}.txt").write_text("warm " * round(10 * shown_FL[:, 0].mean()))
        np.save(root / "labels" / f"{name}.npy", target_RL)
        face_F = [i not in (5, 6) for i in range(frames)]
        videos.append({"id": name, "group": f"g{number}", "side": side, "frames": frames, "fps": 10.0, "face": face_F})
    (root / "videos.json").write_text(json.dumps(videos))
    return root


class TinyView:
    """Media alone."""

    def __init__(self, media: Path) -> None:
        self.media = media

    def images(self, video: Video, indices: Sequence[int]) -> list[Image]:
        with np.load(self.media / f"{video.id}.npz") as file:
            return list(file["images"][list(indices)])

    def audio(self, video: Video) -> Audio | None:
        with np.load(self.media / f"{video.id}.npz") as file:
            return Audio(file["sound"], RATE)

    def text(self, video: Video) -> str | None:
        path = self.media / f"{video.id}.txt"
        return path.read_text() if path.exists() else None

    def scene(self, video: Video, n: int) -> list[SceneFrame]:
        return [SceneFrame(image, None) for image in self.images(video, range(n))]


class TinyReader:
    """Reads what `write` wrote; labels from their files at each call."""

    def __init__(self, root: Path, spec: TaskSpec, partial_rows: str) -> None:
        self.root, self.spec = root, spec

    def videos(self) -> tuple[Video, ...]:
        listed = json.loads((self.root / "videos.json").read_text())
        found = [Video(**{k: v for k, v in one.items() if k != "face"}, face_F=np.array(one["face"])) for one in listed]
        return tuple(sorted(found, key=lambda video: (video.side, video.id)))

    def targets(self, video: Video) -> Floats:
        target_RL: Floats = np.load(self.root / "labels" / f"{video.id}.npy")
        return target_RL

    def view(self) -> View:
        return TinyView(self.root / "media")

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for path in sorted((self.root / "labels").iterdir()):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def demo(self) -> bool:
        return False


# -- components -----------------------------------------------------------------------------------


class Eye:
    """Image encoder: one linear layer on 4 x 4 pixels."""

    modality = "image"

    def __init__(self, width: int) -> None:
        self.dim = width
        self.input = ImageInput(4, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        self.module: nn.Module | None = nn.Linear(48, width)

    def __call__(self, batch: Tensor) -> Tensor:
        assert self.module is not None
        out: Tensor = self.module(batch.flatten(1))
        return out


class Ear:
    """Audio encoder: loudness of each window, nothing to train."""

    modality = "audio"
    dim = 2
    input = AudioInput(RATE, window=1.0, hop=0.5)
    module = None

    def __call__(self, batch: Tensor) -> Tensor:
        return torch.stack([batch.square().mean(1), batch.abs().amax(1)], dim=1)


class Words:
    """Text encoder: how many words."""

    modality = "text"
    dim = 1
    input = TextInput()
    module = None

    def __call__(self, batch: list[str]) -> Tensor:
        return torch.tensor([[len(text.split()) / 10] for text in batch])


class Fusion(nn.Module):
    """Sum of one linear layer per modality, absent tokens left out, then dropout and the outputs."""

    def __init__(self, widths: Mapping[str, int], outputs: int, width: int) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({modality: nn.Linear(n, width) for modality, n in widths.items()})
        self.out = nn.Sequential(nn.Tanh(), nn.Dropout(0.1), nn.Linear(width, outputs))

    def forward(self, tokens: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> Tensor:
        sums = [self.parts[m](tokens[m]) * mask[m].unsqueeze(-1) for m in self.parts]
        logits: Tensor = self.out(sum(sums[1:], sums[0]))
        return logits


class Mean(nn.Module):
    """`solve`: the mean of the training targets, whatever the tokens say."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.register_buffer("logits_L", torch.zeros(outputs))

    def solve(self, batches: Any, kind: Kind) -> None:
        rows = torch.cat([target_BTL.flatten(0, 1) for _, _, target_BTL in batches])
        mean_L = torch.nanmean(rows, dim=0)
        share_L = ((mean_L - kind.low) / (kind.high - kind.low)).clamp(0.01, 0.99)
        self.logits_L = share_L.log() if kind.name == "one_of" else torch.logit(share_L)

    def forward(self, tokens: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> Tensor:
        return self.logits_L.expand(*tokens["image"].shape[:2], -1)


class Halves:
    """Two parts of the training videos, by turns."""

    k, source = 2, "layout"

    def fit(self, videos: Sequence[Video], view: View, seed: int) -> Halves:
        self.first = {video.key for video in videos[::2]}
        return self

    def assign(self, video: Video, view: View) -> int:
        return int(video.key not in self.first)

    def state(self) -> Mapping[str, Tensor]:
        """The names of the first half, as bytes."""
        return {"first": torch.tensor(list(json.dumps(sorted(self.first)).encode()), dtype=torch.uint8)}

    def restore(self, state: Mapping[str, Tensor]) -> Halves:
        self.first = set(json.loads(bytes(state["first"].tolist())))
        return self


class Shrink:
    """A smoother: each setting is a share of the way to the video's mean score."""

    candidates = (0.0, 0.5, 1.0)

    def __call__(self, scores_RL: Floats, video: Video, setting: float) -> Floats:
        shrunk_RL: Floats = scores_RL + np.float32(setting) * (scores_RL.mean(axis=0, keepdims=True) - scores_RL)
        return shrunk_RL


def eye(width: int = 6) -> Eye:
    return Eye(width)


def ear() -> Ear:
    return Ear()


def words() -> Words:
    return Words()


def named(name: str, *, loud: bool = False) -> Ear:
    return Ear()


def mlp(widths: Mapping[str, int], outputs: int, width: int = 8) -> Fusion:
    return Fusion(widths, outputs, width)


def average(widths: Mapping[str, int], outputs: int) -> Mean:
    return Mean(outputs)


def halves() -> Halves:
    return Halves()


def shrink() -> Shrink:
    return Shrink()


PIPELINE = Pipeline(
    "tiny", "Tiny", "none",
    encoders={"image": Component("eye"), "audio": Component("ear"), "text": Component("words")},
    fusion=Component("mlp"),
    fit=Recipe(epochs=3, lr=0.05, batch=8),
    partition=Component("halves"),
    postprocess=Component("shrink"),
    adapt={"image": Recipe(epochs=2, lr=0.02, batch=64)},
    profiles={"wide": {"encoders.image.width": 9}},
    tasks={"clip": {"postprocess": "none"}},
)  # fmt: skip


def plugin(**replaced: Any) -> ModuleType:
    """The plugin, with nouns replaced or extended by `encoders={...}` and so on; `row_scored` where given."""
    nouns: dict[str, dict[str, Any]] = {
        "tasks": dict(TASKS),
        "readers": {"tiny": TinyReader},
        "encoders": {"eye": eye, "ear": ear, "words": words, "named": named},
        "fusions": {"mlp": mlp, "average": average},
        "partitions": {"halves": halves},
        "postprocessors": {"shrink": shrink},
        "pipelines": {"tiny": PIPELINE},
    }
    module = ModuleType("tiny")
    row_scored = replaced.pop("row_scored", None)
    for noun in {*nouns, *replaced}:
        things = {**nouns.get(noun, {}), **replaced.get(noun, {})}
        setattr(module, f"provide_{noun}", hookimpl(lambda things=things: things))
    if row_scored is not None:
        module.row_scored = hookimpl(row_scored)  # type: ignore[attr-defined]
    return module
