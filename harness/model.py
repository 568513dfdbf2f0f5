"""A finished run's model: all that `predict` needs, without data and without the store.

`model/` holds pipeline.json (the plan, widths, what was chosen), one safetensors file per encoder and per classifier,
and one of what places a video in a scene.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import plugins as plugin_loading
from harness.clips import track
from harness.context import Place
from harness.encode import media_of, tokens
from harness.errors import HarnessError, MissingData
from harness.fit import restore, scores_of
from harness.plugins import takes
from harness.predict import Decider
from harness.progress import silent
from harness.records import read_row
from harness.resolve import Part, Plan, replan
from harness.resources import Resources
from harness.store import Store, Tensors, write_whole
from harness.types import Encoder, Floats, Level, Scenes, Video, View

if TYPE_CHECKING:
    from torch import nn

    from harness.kinds import Kind

FILE = "pipeline.json"


@dataclass(frozen=True, eq=False)
class Model:
    """Encoders, K classifiers, vote and smoothing as one call: `predict(video, view) -> scores_RL`."""

    plan: Plan
    encoders: Mapping[str, Encoder]
    classifiers: Sequence[nn.Module]
    scenes: Scenes | None  # where the vote asks for the video's part
    decider: Decider
    setting: float
    place: Place
    demo: bool
    about: Mapping[str, Any]

    @property
    def task(self) -> str:
        return self.plan.task.name

    @property
    def level(self) -> Level:
        return self.plan.task.level

    @property
    def labels(self) -> tuple[str, ...]:
        return self.plan.task.labels

    @property
    def kind(self) -> Kind:
        return self.plan.task.kind

    def predict(self, video: Video, view: View) -> Floats:
        """scores_RL of one video, voted and smoothed: R is its number of frames, or 1 for a video-level task."""
        encoded = {m: tokens(e, media_of(e, video, view), self.place) for m, e in self.encoders.items()}
        tracks = [track(video, encoded, self.plan.pipeline.fill_faces)]
        task, overlap = self.plan.task, self.plan.pipeline.overlap
        of_parts = [scores_of(task, self.place, module, tracks, overlap=overlap) for module in self.classifiers]
        scores_KRL = np.stack([scores[video.key] for scores in of_parts])
        part = self.scenes.assign(video, view) if self.scenes else 0
        return self.decider(scores_KRL, video, self.setting, part)


def decider_of(plan: Plan) -> Decider:
    """The last stages of a plan."""
    return Decider(plan.vote.thing, plan.smoother.make(), plan.pipeline.order, plan.task.kind)


def save(
    folder: Path,
    plan: Plan,
    encoders: Mapping[str, Callable[[], Encoder]],
    classifiers: Sequence[Tensors],
    scenes: Tensors,
    widths: Mapping[str, int],
    about: Mapping[str, Any],
) -> None:
    """Write `folder` whole: under another name first, then renamed."""
    from safetensors.torch import save as to_bytes

    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    for modality, build in encoders.items():
        state = {k: v.detach().cpu().contiguous().clone() for k, v in network(build()).items()}
        write_whole(building / f"encoder-{modality}.safetensors", to_bytes(state))
    for i, weights in enumerate(classifiers):
        write_whole(building / f"classifier-{i}.safetensors", to_bytes({k: v.contiguous() for k, v in weights.items()}))
    write_whole(building / "scenes.safetensors", to_bytes({k: v.contiguous() for k, v in scenes.items()}))
    facts = {"plan": plan.describe(), "widths": dict(widths), "classifiers": len(classifiers), **about}
    write_whole(building / FILE, json.dumps(facts, indent=1, sort_keys=True, allow_nan=False).encode())
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def load(folder: Path, device: str = "cpu") -> Model:
    """The model in a run's `model/` folder; MissingData where it is not there or its plugin is not installed.

    HarnessError names a file that cannot be read. `about` holds what pipeline.json does, and of the run beside it, if
    any, its id (`run`) and whether it was a trial (`partial`).
    """
    if not (folder / FILE).exists():
        raise MissingData(f"No model in {folder}: expected {FILE} there; a run keeps one unless --keep-models none")
    facts, plan = _plan(folder / FILE)
    place = Place(device)
    resources = Resources(Store(folder / "unused"), device, plan.seed, _no_data, silent)
    encoders = {}
    for modality, part in plan.encoders.items():
        encoder = without_weights(part).make(resources=resources)
        with _weights(folder / f"encoder-{modality}.safetensors") as state:
            load_network(encoder, state, device)
        encoders[modality] = encoder
    modules = []
    for i in range(facts["classifiers"]):
        with _weights(folder / f"classifier-{i}.safetensors") as state:
            modules.append(restore(plan, place, state, facts["widths"]))
    decider, scenes = decider_of(plan), None
    if decider.asks_part:
        with _weights(folder / "scenes.safetensors") as state:
            scenes = plan.partition.make(resources=resources).restore(state)
    about = {**facts, **_run_of(folder, facts)}
    return Model(plan, encoders, modules, scenes, decider, facts["setting"], place, facts["data"] == "demo", about)


def _plan(path: Path) -> tuple[dict[str, Any], Plan]:
    """What pipeline.json says, and its plan; HarnessError naming the file where it is not what a run writes."""
    try:
        facts = json.loads(path.read_bytes())
        missing = {"plan", "widths", "classifiers", "setting", "data"} - set(facts)
        if missing:
            raise KeyError(*sorted(missing))
        return facts, replan(plugin_loading.load(), facts["plan"])
    except (ValueError, KeyError, TypeError) as error:  # not JSON, or the fields of another version
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise HarnessError(f"{path}: expected the plan of a run as this version writes it ({why})") from error


@contextmanager
def _weights(path: Path) -> Iterator[Tensors]:
    """The tensors of a file, to put them where they belong; what is wrong with them names the file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise MissingData(f"{path} is not there: this model is not whole")
    try:
        yield load_file(path)
    except SafetensorError as error:
        raise HarnessError(f"{path} is damaged: {error}") from error
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        raise HarnessError(f"{path} does not fit this model: {' '.join(str(error).split())[:200]}") from error


def _run_of(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Which run a model is of, by the row beside its folder."""
    path = folder.parent / f"{facts.get('split')}.json"
    row = read_row(path) if path.is_file() else {}
    return {"run": row.get("run"), "partial": row.get("partial")}


def find(runs: Path, task: str, system: str | None = None) -> Path | None:
    """The newest finished official run of a task that kept its model, of one system where it is named; no trial."""
    kept = (path for path in _finished(runs, task, system) if (path.parent / "model" / FILE).exists())
    return next((path.parent / "model" for path in kept if not read_row(path).get("partial")), None)


def without(runs: Path, task: str, system: str | None = None) -> dict[str, Any] | None:
    """The row of the newest finished run where `find` finds none: one that kept no model, else a trial.

    What others predicted (`harness score`) never had one.
    """
    rows = [row for row in map(read_row, _finished(runs, task, system)) if "scored" not in row]
    return next((row for row in rows if not row.get("partial")), next(iter(rows), None))


def _finished(runs: Path, task: str, system: str | None) -> list[Path]:
    """The rows of finished official runs, the newest first."""
    rows = [
        row
        for row in runs.glob(f"{task}/*/*/official.json")
        if system is None or row.parent.parent.name.rpartition("@")[0] == system
    ]
    return sorted(rows, key=lambda row: row.stat().st_mtime, reverse=True)


def without_weights(part: Part) -> Part:
    """The part that builds the same network without its first weights, which the saved ones replace."""
    if not takes(part.factory, "weights"):
        return part
    component = dataclasses.replace(part.component, options={**part.component.options, "weights": "random"})
    return dataclasses.replace(part, component=component)


def modules_of(encoder: Encoder) -> dict[str, nn.Module]:
    """Every network an encoder holds, trainable or frozen, by attribute name."""
    from torch import nn

    found = {name: value for name, value in vars(encoder).items() if isinstance(value, nn.Module)}
    if isinstance(encoder, nn.Module):
        return {"self": encoder}
    return found or ({"module": encoder.module} if encoder.module is not None else {})


def network(encoder: Encoder) -> dict[str, Any]:
    """The weights of every network an encoder holds."""
    return {
        f"{name}.{key}": value
        for name, module in modules_of(encoder).items()
        for key, value in module.state_dict().items()
    }


def load_network(encoder: Encoder, state: Tensors, device: str) -> None:
    """Put saved weights back; every one must fit."""
    for name, module in modules_of(encoder).items():
        prefix = f"{name}."
        module.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        module.to(device).eval()


def _no_data(name: str) -> Path:
    raise MissingData(f"A saved model asked for data set {name!r}; it should need none")
