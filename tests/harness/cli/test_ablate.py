from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from finished_runs import write_run

from harness import ablate as room
from harness import plugins
from harness.ablate import Ablated, Ablation, Variant
from harness.boards.compare import compare, read_judged
from harness.cli.ablate import ablate, as_json, markdown, own_variant
from harness.errors import UserError
from harness.resolve import resolve

MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    return partial(write_run, tmp_path)


@pytest.fixture
def ablation(make_run: MakeRun) -> Ablation:
    """A full pipeline that is much better than its one variant."""
    full = read_judged(make_run(skill=0.95), "official")
    judged = read_judged(make_run(skill=0.1, run="r2", system="linear[vote=mean]"), "official")
    difference = compare(full, judged, method="percentile")
    return Ablation(full, (Ablated(Variant("mean vote", {"vote": "mean"}), judged, difference),))


def asked(tiny: Any, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    monkeypatch.setattr(plugins, "load", lambda: tiny.plugins)
    base = ["--plugin", "tiny", "--task", tiny.spec.name, "--data", f"tiny={tiny.root}", "--threads", "1"]
    return CliRunner().invoke(ablate, [*base, *words], catch_exceptions=False)


def test_a_row_per_variant_a_column_per_task(ablation: Ablation):
    lines = markdown({"expr": ablation, "au": ablation}).splitlines()
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == ["system", "EXPR", "AU"]
    assert lines[2].startswith("| full")
    cells = [cell.strip() for cell in lines[3].strip("|").split("|")]
    assert cells[0] == "mean vote"
    assert cells[1] == cells[2]
    assert cells[1].startswith("-")
    assert "* [-" in cells[1]


def test_json_holds_fractions(ablation: Ablation):
    told = as_json(ablation)
    [one] = told["variants"]
    assert (told["run"], one["run"], one["sets"]) == ("run0", "r2", {"vote": "mean"})
    assert one["difference"]["value"] == pytest.approx(one["P"]["value"] - told["P"]["value"], abs=1e-12)
    assert -1 <= one["difference"]["low"] <= one["difference"]["high"] < 0
    assert list(one["labels"]) == ["Anger", "Joy"]


@pytest.mark.parametrize("text", ["nothing", "name:", ":fit.lr=1", "name:fit.lr", "name:=3"])
def test_a_variant_needs_a_name_and_fields(text: str):
    with pytest.raises(UserError, match="expected NAME:FIELD=VALUE"):
        own_variant(text)


def test_a_variant_of_ones_own():
    assert own_variant("random start:encoders.image.weights=random,fit.epochs=3") == room.Variant(
        "random start", {"encoders.image.weights": "random", "fit.epochs": 3}
    )


def test_the_command_runs_and_prints_a_table(tiny: Any, monkeypatch: pytest.MonkeyPatch):
    world = tiny()
    monkeypatch.setenv("COLUMNS", "160")
    done = asked(world, monkeypatch, "--only", "no label weights in fusion", "--variant", "short:fit.epochs=1")
    assert "colour, official, tiny data: F1" in done.stdout
    assert "no label weights in fusion" in done.stdout
    assert "short" in done.stdout
    assert "the interval excludes 0" in done.stdout


def test_the_command_prints_json(tiny: Any, monkeypatch: pytest.MonkeyPatch):
    words = ("--variant", "short:fit.epochs=1", "--only", "no label weights in fusion", "-q", "--format", "json")
    done = asked(tiny(), monkeypatch, *words)
    names = [one["name"] for one in json.loads(done.stdout)["colour"]["variants"]]
    assert names == ["no label weights in fusion", "short"]


def test_variants_are_listed_with_what_they_set(tiny: Any, monkeypatch: pytest.MonkeyPatch):
    done = asked(tiny(), monkeypatch, "--list", "-q")
    assert "colour\tno label weights in fusion\t--set fit.label_weights=none" in done.stdout


def test_a_dry_run_names_the_variants_and_runs_nothing(tiny: Any, monkeypatch: pytest.MonkeyPatch):
    world = tiny()
    done = asked(world, monkeypatch, "--dry-run", "-q", "--only", "whole", "--variant", "short:fit.epochs=1")
    assert done.stdout.splitlines() == [
        "colour\twhole\t--set partition=whole\tone classifier for all videos",
        "colour\tshort\t--set fit.epochs=1",
    ]
    assert not (world.folder / "runs").exists()
    assert list((world.folder / "cache").rglob("*.safetensors")) == []
    with pytest.raises(UserError, match="'hole'"):
        asked(world, monkeypatch, "--dry-run", "-q", "--only", "hole")


def test_the_help_tells_every_variant():
    loaded = plugins.load()
    told = " ".join((ablate.help or "").split())
    for task in ("expr", "emi"):
        for profile in ("paper", "demo"):
            plan = resolve(loaded, task, "netease_abaw6", profile)
            for variant in room.variants(plan, 2):
                assert variant.name.replace("audio not", "image not").replace("text not", "image not") in told
