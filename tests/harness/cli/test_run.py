from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import tiny_world
import torch

from harness import builtin, plugins
from harness.cli import main
from harness.cli.run import request_of, run
from harness.errors import UserError
from harness.session import Request

Call = Callable[..., tuple[int, str, str]]

FLAGS = [
    "--data", "--dedupe", "--device", "--dry-run", "--encoder", "--fresh", "--fusion", "--json", "--keep-models",
    "--limit", "--partition", "--plugin", "--postprocess", "--precision", "--profile", "--quiet", "--runs", "--seed",
    "--set", "--split", "--task", "--threads", "--verbose", "--vote", "-q", "-v",
]  # fmt: skip


def test_no_new_flags():
    """Adding one is a decision: most wishes are a field of the Pipeline, which --set reaches."""
    found = sorted(flag for option in run.params for flag in (*option.opts, *option.secondary_opts))
    assert found == FLAGS


@pytest.fixture
def call(own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """`call(words...)`: exit code, output and messages of `harness run --plugin tiny --data tiny=... words...`."""
    spec = tiny_world.TASKS["colour"]
    mine = tiny_world.plugin(tasks={"nowhere": tiny_world.task("nowhere", spec.kind)})
    mine.provide_tasks = tiny_world.hookimpl(lambda: {"colour": spec, **no_data(spec)})  # type: ignore[attr-defined]
    real = plugins.load
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    monkeypatch.setattr(plugins, "load", lambda: real({"builtin": builtin, "tiny": mine}))
    tiny_world.write(own_home / "data", spec)
    torch.set_num_threads(1)

    def go(*words: str) -> tuple[int, str, str]:
        given = dict(zip(words[::2], words[1::2], strict=False))
        base = ["--plugin", "tiny"] * ("--plugin" not in given) + ["--task", "colour"] * ("--task" not in given)
        base += ["--data", f"tiny={own_home / 'data'}", "--threads", "1"]
        with pytest.raises(SystemExit) as ended:
            main(["run", *base, "--set", "fit.epochs=1", "--set", "adapt.image=none", *words])
        out = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out.out, out.err

    return go


def no_data(spec: Any) -> dict[str, Any]:
    import dataclasses

    return {"nowhere": dataclasses.replace(spec, name="nowhere", reader="gone")}


def test_a_run_says_its_plan_and_its_score(call: Call, own_home: Path):
    code, out, err = call()
    assert (code, out) == (0, "")
    assert "colour: tiny[fit.epochs=1,adapt.image=None] (paper) on tiny data, seed 0, cpu, 1 thread\n" in err
    assert (
        "to run: official; to compute: encode image x14, encode audio x14, encode text x14, partition x1, fit up to x2"
        in err
    )
    assert "colour official on tiny: P 0." in err
    assert "red 0." in err
    [row] = own_home.glob("runs/colour/*/*/official.json")
    assert f"rows in {row.parent.relative_to(own_home)}" in err


def test_a_long_path_stays_on_its_line(call: Call, own_home: Path):
    runs = own_home / ("long" * 20)
    _, _, err = call("--runs", str(runs))
    [row] = runs.glob("colour/*/*/official.json")
    assert f"rows in {row.parent}\n" in err


def test_a_second_run_does_nothing_and_says_so(call: Call):
    call()
    code, _, err = call()
    assert code == 0
    assert "nothing to do: official finished" in err
    assert "(finished before)" in err


def test_json_is_alone_on_standard_output(call: Call, own_home: Path):
    code, out, err = call("--json", "-q")
    [row] = json.loads(out)
    [path] = own_home.glob("runs/colour/*/*/official.json")
    assert (code, err) == (0, "")
    assert row == json.loads(path.read_text())


def test_a_dry_run_shows_the_plan_and_writes_nothing(call: Call, own_home: Path):
    code, out, err = call("--dry-run", "--json")
    [plan] = json.loads(out)
    assert code == 0
    assert plan["to_run"] == ["official"]
    assert plan["stages"] == {
        "encode image": 14, "encode audio": 14, "encode text": 14, "partition": 1, "fit": 2, "predict": 2,
    }  # fmt: skip
    assert plan["frames_to_encode"] == sum((20 + n % 10) - 2 for n in range(14))
    assert plan["plan"]["pipeline"]["fit"]["epochs"] == 1
    assert "frames to encode" in err
    assert not (own_home / "runs").exists()
    assert not list((own_home / "cache").rglob("*.safetensors"))


def test_with_all_stages_stored_votes_and_scores_are_left(call: Call):
    call()
    assert "to compute: votes and scores alone\n" in call("--dry-run", "--vote", "majority")[2]


def test_a_dry_run_forgets_no_row(call: Call, own_home: Path):
    call()
    assert call("--dry-run", "--fresh")[0] == 0
    assert len(list(own_home.glob("runs/colour/*/*/official.json"))) == 1


def test_verbose_tells_what_was_chosen_and_what_it_cost(call: Call):
    _, _, err = call("-v")
    assert "chosen: {'part': 0, 'by': 'f1 on inner', 'chosen': 1," in err
    assert "cost: {" in err


def test_predictions_without_scores(call: Call):
    code, _, err = call("--split", "test")
    assert code == 0
    assert "colour test on tiny: predicted 2 videos, no scores" in err


def test_a_partial_run_says_so(call: Call):
    _, _, err = call("--limit", "2")
    assert "[limited to 2 videos a part]" in err


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["--task", "color"], 2, "No task is called 'color'. Did you mean 'colour'?"),
        (["--plugin", "tyni"], 2, "No plugin with pipelines is called 'tyni'. Known: tiny"),
        (["--split", "offical"], 2, "No split is called 'offical'. Did you mean 'official'?"),
        (["--vote", "meen"], 2, "No vote is called 'meen'. Did you mean 'mean'?"),
        (["--fusion", "mpl"], 2, "No fusion is called 'mpl'. Did you mean 'mlp'?"),
        (["--partition", "hole"], 2, "No partition is called 'hole'. Did you mean 'whole'"),
        (["--postprocess", "nonne"], 2, "No postprocessor is called 'nonne'. Did you mean 'none'?"),
        (["--encoder", "eye"], 2, "--encoder: expected MODALITY=NAME, say image=timm:resnet18, came 'eye'"),
        (["--encoder", "image=ey"], 2, "No encoder is called 'ey'. Did you mean 'eye'?"),
        (["--encoder", "smell=nose"], 2, "No modality of encoders is called 'smell'."),
        (["--set", "vote"], 2, "--set: expected FIELD=VALUE, say fit.epochs=10, came 'vote'"),
        (["--set", "fit.epoch=1"], 2, "No field of a Recipe is called 'epoch'. Did you mean 'epochs'?"),
        (["--set", "fit.epochs=some"], 2, "fit.epochs: expected int, came 'some'"),
        (["--profile", "papier"], 2, "No profile of tiny is called 'papier'. Did you mean 'paper'?"),
        (["--data", "here"], 2, "--data: expected NAME=PATH or 'demo', got 'here'"),
        (["--data", "tiny=/no/such/folder"], 3, "No data set 'tiny' (set by --data tiny=/no/such/folder)"),
        (["--task", "nowhere"], 3, "No data set 'gone'"),
        (["--device", "warp"], 2, "warp"),
    ],
)  # fmt: skip
def test_mistakes(call: Call, words: list[str], code: int, line: str):
    found, out, err = call(*words)
    assert (found, out) == (code, "")
    assert err.startswith("harness: ")
    assert line in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["--threads", "-1"], ["--limit", "-1"], ["--device", "cuda:99"], ["--seed", "-1"], ["--seed", str(2**63)]]
)
def test_more_mistakes(call: Call, words: list[str]):
    code, _, err = call(*words)
    assert code in (2, 3)
    assert "Traceback" not in err


def test_one_task_of_all_that_fails_leaves_the_others_whole(call: Call, own_home: Path):
    code, out, err = call("--task", "all", "--json")
    assert code == 4
    assert [row["task"] for row in json.loads(out)] == ["colour"]
    assert "harness: task nowhere: No data set 'gone'" in err
    assert err.strip().endswith("harness: 1 of 2 tasks did not finish: nowhere")


def test_malformed_data_of_one_task_leaves_the_others_whole(call: Call, monkeypatch: pytest.MonkeyPatch):
    targets = tiny_world.TinyReader.targets

    def refuse(self: tiny_world.TinyReader, video: Any) -> Any:
        if self.spec.name == "colour":
            raise UserError(f"{self.root}/labels/a.txt, line 2: expected 0 to 7, got '9'")
        return targets(self, video)

    monkeypatch.setattr(tiny_world.TinyReader, "targets", refuse)
    code, _, err = call("--task", "all")
    assert code == 4
    assert "harness: task colour: " in err
    assert "a.txt, line 2: expected 0 to 7, got '9'" in err
    assert err.strip().endswith("harness: 2 of 2 tasks did not finish: colour, nowhere")
    assert call("--task", "colour")[0] == 2


def test_a_wrong_name_ends_all_tasks(call: Call):
    code, _, err = call("--task", "all", "--vote", "meen")
    assert (code, err.count("\n")) == (2, 1)


def test_threads_are_those_of_every_library():
    code = (
        "from harness.cli.run import fix_threads; import numpy, threadpoolctl; fix_threads(1); import scipy.linalg\n"
        "import sklearn.cluster, torch; found = threadpoolctl.threadpool_info(); assert torch.get_num_threads() == 1\n"
        "assert {one['user_api'] for one in found} == {'blas', 'openmp'}, found\n"
        "assert all(one['num_threads'] == 1 for one in found), found"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_run_that_does_not_fit_on_the_disk_is_refused(call: Call, monkeypatch: pytest.MonkeyPatch, own_home: Path):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 9))  # type: ignore[attr-defined]
    code, _, err = call()
    assert code == 2
    assert "are free below" in err
    assert not (own_home / "runs").exists()


def request(*words: str) -> Request:
    params = run.make_context("run", ["--plugin", "p", "--task", "t", *words]).params
    return request_of("p", params)


def test_component_flags_are_shorthands_of_set():
    short = request(
        "--encoder",
        "image=timm:x",
        "--encoder",
        "audio=none",
        "--fusion",
        "linear",
        "--vote",
        "mean",
        "--partition",
        "whole",
    )
    fields = ("encoders.image=timm:x", "encoders.audio=none", "fusion=linear", "partition=whole", "vote=mean")
    assert short.sets == request(*(word for field in fields for word in ("--set", field))).sets
    assert short.sets["encoders.audio"] is None


def test_what_is_set_comes_after_the_shorthands():
    found = request("--set", "encoders.image.weights=random", "--encoder", "image=timm:x", "--set", "fit.lr=1e-3")
    assert list(found.sets.items()) == [
        ("encoders.image", "timm:x"),
        ("encoders.image.weights", "random"),
        ("fit.lr", 0.001),
    ]


def test_a_value_may_hold_an_equals_sign():
    assert request("--set", "encoders.text.prompt=a=b").sets == {"encoders.text.prompt": "a=b"}


def test_a_set_without_value_is_a_mistake():
    with pytest.raises(UserError, match="expected FIELD=VALUE"):
        request("--set", "fit")


def test_what_was_not_typed_has_its_default():
    found = request()
    assert (found.splits, found.profile, found.seed, found.limit, found.keep_models) == (
        "official",
        None,
        0,
        0,
        "official",
    )
    assert found.threads >= 1
    assert (found.sets, found.data, found.fresh, found.dedupe) == ({}, {}, False, False)


def test_plugins_fail_loudly_only_when_asked_for(own_home: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(plugins, "entry_points", lambda group: [EntryPoint("broken", "no_such_module_at_all", group)])
    with pytest.raises(SystemExit) as ended:
        main(["run", "--plugin", "broken", "--task", "x"])
    assert ended.value.code == 2
    assert "No task is called 'x'" in capsys.readouterr().err
