from __future__ import annotations

import inspect
import json
import subprocess
import sys
from dataclasses import asdict, replace
from typing import Any

import pytest

from harness.fields import changed
from harness.types import Component, Extra, Pipeline, Recipe
from netease_abaw6 import plugin
from netease_abaw6.pipeline import NETEASE_ABAW6

TASKS = ("au", "expr", "va", "ce", "emi")


def method(task: str, profile: str = "paper") -> Pipeline:
    """The pipeline of a task and a profile; rows about a modality the task lacks are passed over."""
    pipeline = changed(NETEASE_ABAW6, NETEASE_ABAW6.tasks[task])
    lacking = {"text"} - set(pipeline.encoders)
    rows = {p: v for p, v in NETEASE_ABAW6.profiles[profile].items() if not {*p.split(".")} & lacking}
    return changed(pipeline, rows)


def components(pipeline: Pipeline) -> list[tuple[str, Component]]:
    encoders = [("encoders", component) for component in pipeline.encoders.values()]
    return [
        *encoders,
        ("fusions", pipeline.fusion),
        ("partitions", pipeline.partition),
        ("postprocessors", pipeline.postprocess),
    ]


@pytest.mark.parametrize("profile", ["paper", "demo"])
@pytest.mark.parametrize("task", TASKS)
def test_every_component_is_provided_and_takes_its_options(task: str, profile: str) -> None:
    for noun, component in components(method(task, profile)):
        if component.name == "none":
            continue
        factory = getattr(plugin, f"provide_{noun}")()[component.name]
        assert set(component.options) <= set(inspect.signature(factory).parameters), component


@pytest.mark.parametrize("task", TASKS)
def test_the_demo_profile_changes_sizes_never_components(task: str) -> None:
    paper, demo = method(task, "paper"), method(task, "demo")
    assert [(noun, c.name) for noun, c in components(paper)] == [(noun, c.name) for noun, c in components(demo)]
    assert (paper.vote, paper.order, paper.fill_faces) == (demo.vote, demo.order, demo.fill_faces)


def test_rows_say_what_differs_by_task() -> None:
    table = {t: (tuple(method(t).encoders), method(t).vote, method(t).postprocess.name) for t in TASKS}
    assert table == {
        "au": (("image", "audio"), "majority", "gaussian"),
        "expr": (("image", "audio"), "majority", "gaussian"),
        "va": (("image", "audio"), "mean", "gaussian"),
        "ce": (("image", "audio"), "majority", "none"),
        "emi": (("image", "audio", "text"), "mean", "none"),
    }


def test_the_papers_numbers_stand_in_the_literal() -> None:
    image = NETEASE_ABAW6.encoders["image"].options
    assert {image[name] for name in ("width", "image", "patch", "pretrain_epochs", "pretrain_batch")} == {
        768, 224, 16, 800, 4096,
    }  # fmt: skip
    assert (NETEASE_ABAW6.fusion.options["layers"], NETEASE_ABAW6.fusion.options["dropout"]) == (4, 0.3)
    assert NETEASE_ABAW6.fit.lr == 1e-4
    assert "audio" not in NETEASE_ABAW6.adapt  # "without training on our dataset"
    assert set(method("emi", "demo").adapt) == {"image", "audio", "text"}


def test_every_entry_says_where_it_comes_from() -> None:
    entries: list[Any] = [c for _, c in components(NETEASE_ABAW6)] + [NETEASE_ABAW6.fit, *NETEASE_ABAW6.adapt.values()]
    rows = [
        value for row in [*NETEASE_ABAW6.tasks.values(), *NETEASE_ABAW6.profiles.values()] for value in row.values()
    ]
    entries += [value for value in rows if isinstance(value, Component | Recipe | Extra)]
    assert [entry for entry in entries if not entry.source.startswith(("paper ", "lab code", "ours"))] == []


def test_a_plan_of_it_can_be_written_as_json() -> None:
    plain = asdict(replace(method("emi", "demo"), tasks={}, profiles={}))
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_every_provided_name_can_be_made_something_of() -> None:
    for noun in ("detectors", "encoders", "fusions", "partitions", "postprocessors"):
        provided = getattr(plugin, f"provide_{noun}")()
        assert len(provided) == len(list(provided)) > 0
        assert all(callable(provided[name]) for name in provided)
    assert set(plugin.provide_pipelines()) == {"netease_abaw6", "frozen", "ce_rafdb", "ce_zero_shot"}


def test_starting_the_command_line_imports_nothing_heavy() -> None:
    code = (
        "import sys, click, netease_abaw6.plugin as p; cli = click.Group(); p.add_commands(cli); p.provide_pipelines();"
        "names = [n for noun in ('detectors', 'encoders', 'fusions', 'partitions', 'postprocessors')"
        " for n in getattr(p, f'provide_{noun}')()];"
        "print(sorted({'torch', 'pandas', 'sklearn', 'transformers', 'timm', 'av'} & set(sys.modules)), len(names) > 9,"
        " sorted(cli.commands))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[] True ['pretrain-mae']\n"
