"""Which finished run's model `harness predict` uses; where there is none, why, and the line that makes one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import MissingData, UserError, unknown

if TYPE_CHECKING:
    from harness.model import Model
    from harness.plugins import Plugins


def models_to_use(
    plugins: Plugins, task: str | None, plugin: str | None, run_dir: Path | None, runs: Path
) -> dict[str, Path | MissingData]:
    """The model folder for each task asked for; of several tasks, those without a run hold the error to show."""
    from harness import model

    if run_dir is not None:
        if plugin is not None or task == "all":
            raise UserError("--run names one finished run: leave out --plugin, and --task all")
        if not run_dir.is_dir():
            raise MissingData(f"No finished run at {run_dir}")
        return {task or "": run_dir}
    if task is None:
        raise UserError("Expected --task NAME, --task all, or --run RUN")
    known = plugins.provided("tasks")
    system = plugins.pipeline(plugin).name if plugin else None
    if task != "all" and task not in known:
        raise unknown("task", task, [*known, "all"])
    found: dict[str, Path | MissingData] = {}
    for name in known if task == "all" else [task]:
        found[name] = model.find(runs, name, system) or _no_model(plugins, name, plugin, system, runs)
    errors = [where for where in found.values() if isinstance(where, MissingData)]
    if len(errors) == len(found):
        raise errors[0]
    return found


def _no_model(plugins: Plugins, task: str, plugin: str | None, system: str | None, runs: Path) -> MissingData:
    """Why no run can be used, and the line that makes one."""
    from harness import model

    line = f"harness run --plugin {plugin or a_plugin(plugins)} --task {task}"
    which = f"finished run{f' of {plugin}' if plugin else ''} on {task!r} in {runs}"
    row = model.without(runs, task, system)
    if row is None:
        return MissingData(f"No {which}. To make one, type: {line}")
    if row["partial"]:
        trial = f"The {which} is a trial ({row['partial']}); --run takes it all the same"
        return MissingData(f"{trial}. To make a whole one, type: {line}")
    line = _once_more(row["command"], task, line)
    return MissingData(f"The {which} kept no model (--keep-models none). To make one, type: {line}")


def _once_more(command: str, task: str, otherwise: str) -> str:
    """The command of a run, on one task, done afresh and keeping its model; `otherwise` where it was no such command.

    >>> _once_more("harness run --plugin mine --task all --keep-models none --seed 3", "au", "")
    'harness run --plugin mine --seed 3 --task au --fresh'
    """
    words = shlex.split(command)
    if words[:2] != ["harness", "run"]:
        return f"{otherwise} --fresh"
    kept, rest = words[:2], iter(words[2:])
    for word in rest:
        if word in ("--task", "--keep-models"):
            next(rest, None)
        elif word != "--fresh" and not word.startswith(("--task=", "--keep-models=")):
            kept.append(word)
    return shlex.join([*kept, "--task", task, "--fresh"])


def a_plugin(plugins: Plugins) -> str:
    """A plugin `--plugin NAME` works with, for the line to type: one whose pipeline is called like it, if any."""
    pipelines = plugins.provided("pipelines").values()
    named = sorted(p.plugin for p in pipelines if p.name == p.plugin)
    return next(iter(named or sorted(p.plugin for p in pipelines)), "NAME")


def open_model(where: Path | MissingData, task: str | None, device: str) -> Model:
    """The model of a finished run, which must be of `task` where one is named."""
    from harness import model

    if isinstance(where, MissingData):
        raise where
    opened = model.load(where / "model" if (where / "model").is_dir() else where, device)
    if task and task not in ("all", opened.task):
        raise UserError(f"The run at {where} is of task {opened.task!r}, not of {task!r}")
    return opened
