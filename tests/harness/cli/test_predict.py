from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import harness
from harness import plugins
from harness.cli.predict import predict
from harness.errors import MissingData, SomeTasksFailed, UserError
from harness.hookspecs import hookimpl
from harness.kinds import ANY_OF, ONE_OF, Kind, continuous
from harness.types import Box, Face, Video, View

CLIPS = {"bbaf2n.mpg": 75, "sbia1a.mpg": 75, "id2_vcd_swwp2s.mpg": 75, "single_face.mp4": 72, "face_noface.mov": 169}


class FakeModel:
    """Scores that are functions of what it is given: the mean brightness of each crop and the loudness of the clip."""

    def __init__(self, task: str, kind: Kind, labels: tuple[str, ...], level: str = "frame", demo: bool = True) -> None:
        self.task, self.kind, self.labels, self.level, self.demo = task, kind, labels, level, demo
        self.about = {"data": "demo" if demo else "aff-wild2", "system": "fake"}
        self.heard: list[Any] = []

    def predict(self, video: Video, view: View) -> np.ndarray:
        crops = view.images(video, np.flatnonzero(video.face_F).tolist())
        assert {crop.shape for crop in crops} == {(224, 224, 3)}
        sound = view.audio(video)
        self.heard.append((None if sound is None else sound.start, view.text(video)))
        rows = video.frames if self.level == "frame" else 1
        brightness = np.mean([crop.mean() for crop in crops]) / 255
        rest = np.linspace(0.1, 0.9, rows * len(self.labels)).reshape(rows, -1)
        return (0.5 * brightness + 0.5 * rest).astype(np.float32)


MODELS = {
    "expr": FakeModel("expr", ONE_OF, ("Neutral", "Anger", "Happiness")),
    "au": FakeModel("au", ANY_OF, ("AU1", "AU2"), demo=False),
    "va": FakeModel("va", continuous("ccc", -1, 1), ("valence", "arousal")),
    "emi": FakeModel("emi", continuous("pearson", 0, 1), ("Joy", "Awe"), level="video"),
}


class LeftHalf:
    """A detector without weights: a face in the left half of every frame but those it is told to leave out."""

    name, weights_sha256 = "left_half", ""

    def __init__(self, without: tuple[int, ...] = ()) -> None:
        self.without, self.seen = without, 0

    def __call__(self, images: list[np.ndarray]) -> list[list[Face]]:
        found = []
        for image in images:
            box = Box(0, 0, image.shape[1] / 2, image.shape[0] / 2)
            found.append([] if self.seen in self.without else [Face(box, 0.9)])
            self.seen += 1
        return found


class Provider:
    @hookimpl
    def provide_tasks(self) -> dict[str, Any]:
        return {name: SimpleNamespace(name=name) for name in MODELS}

    @hookimpl
    def provide_pipelines(self) -> dict[str, Any]:
        return {"paper": SimpleNamespace(name="paper")}

    @hookimpl
    def provide_detectors(self) -> dict[str, Any]:
        from netease_abaw6.detectors import DETECTORS, retinaface

        gaps = {"left_half": lambda weights: LeftHalf((2, 3, 9)), "blind": lambda weights: LeftHalf(tuple(range(999)))}
        return {**DETECTORS, "retinaface": partial(retinaface, max_side=320), **gaps}


@pytest.fixture(autouse=True)
def house(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """One plugin with the detectors, and a finished run (of a fake model) of each task in `finished`."""
    finished = tmp_path / "runs"
    for name in MODELS:
        (finished / name / "model").mkdir(parents=True)

    def find(runs: Path, task: str, system: str | None = None) -> Path | None:
        place = runs / task / "model"
        return place if place.is_dir() and system in (None, "paper") else None

    def without(runs: Path, task: str, system: str | None = None) -> dict[str, Any] | None:
        row = runs / task / "row.json"
        return json.loads(row.read_text()) if row.exists() else None

    fake = SimpleNamespace(find=find, without=without, load=lambda folder, device: MODELS[folder.parent.name])
    monkeypatch.setattr(harness, "model", fake, raising=False)
    loaded = plugins.load
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_RETINAFACE_WEIGHTS", raising=False)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    monkeypatch.setattr(plugins, "load", lambda: loaded({"paper": Provider()}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """12 frames without sound."""
    import av

    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        grey = np.full((48, 64, 3), 128, np.uint8)
        for _ in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(predict, [str(argument) for argument in arguments])


def done(*arguments: object) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


@pytest.mark.parametrize(("name", "frames"), CLIPS.items())
def test_a_real_clip_gives_one_row_per_decoded_frame(test_data: Path, name: str, frames: int):
    path = next(test_data.rglob(name))
    weights = test_data / "weights" / "retinaface_mnet025_1mb.pth"
    result = done(path, "--task", "expr", "--detector-weights", weights)
    table = pd.read_csv(f"predictions/{path.stem}.expr.csv")
    assert len(table) == frames
    labels = ["Neutral", "Anger", "Happiness"]
    assert table.columns.tolist() == [
        "frame",
        "time",
        "x0",
        "y0",
        "x1",
        "y1",
        "face_score",
        *labels,
        "decision",
        "data",
    ]
    assert table["frame"].tolist() == list(range(frames))
    assert table[["Neutral", "decision"]].notna().all(axis=None)
    faceless = table.index[table["x0"].isna()].tolist()
    about = json.loads(Path(f"predictions/{path.stem}.expr.json").read_text())
    assert about["detector"]["name"] == "retinaface:mnet025_1mb"
    if name == "face_noface.mov":
        first = faceless[0]
        assert first in (72, 73, 74)
        assert faceless == list(range(first, 169))
        assert about["faceless"] == [[first, 168]]
        assert f"no face in {169 - first} (frames {first}-168)" in result.stderr
        assert about["audio"]["start"] == pytest.approx(2.43, abs=0.01)
    else:
        assert faceless == []
        assert about["audio"]["start"] == pytest.approx(0, abs=0.01)


def test_the_demo_is_named_in_file_picture_and_on_screen(clip: Path, house: Path):
    result = done(clip, "--task", "expr", "--detector", "left_half")
    table = pd.read_csv("predictions/clip.expr.csv")
    assert set(table["data"]) == {"demo (trained on the demo world: not for real use)"}
    assert "trained on the demo world: not for real use" in result.stderr
    about = json.loads(Path("predictions/clip.expr.json").read_text())
    assert (about["data"], about["note"]) == (table["data"][0], "trained on the demo world: not for real use")
    assert red(Path("predictions/clip.expr.png")) > 500
    result = done(clip, "--task", "au", "--detector", "left_half")
    assert set(pd.read_csv("predictions/clip.au.csv")["data"]) == {"aff-wild2"}
    assert "demo" not in result.output
    assert red(Path("predictions/clip.au.png")) == 0


def red(picture: Path) -> int:
    pixels = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    return int((np.abs(pixels - [0xB0, 0, 0x20]).max(axis=2) < 40).sum())


def test_decisions_read_as_labels_or_values(clip: Path):
    done(clip, "--task", "all", "--detector", "left_half", "-q")
    expr = pd.read_csv("predictions/clip.expr.csv")
    assert expr["decision"].tolist() == expr[["Neutral", "Anger", "Happiness"]].idxmax(axis=1).tolist()
    au = pd.read_csv("predictions/clip.au.csv", keep_default_na=False)
    held = [" ".join(label for label in ("AU1", "AU2") if row[label] >= 0.5) for _, row in au.iterrows()]
    assert au["decision"].tolist() == held
    assert "" in held
    assert "AU1 AU2" in held
    va = pd.read_csv("predictions/clip.va.csv")
    assert va["decision"][0] == f"valence={va['valence'][0]:.4f} arousal={va['arousal'][0]:.4f}"


def test_a_task_with_one_score_per_clip_has_a_file_of_one_row(clip: Path):
    done(clip, "--task", "emi", "--detector", "left_half")
    frames, whole = pd.read_csv("predictions/clip.emi.csv"), pd.read_csv("predictions/clip.emi.clip.csv")
    assert (len(frames), len(whole)) == (12, 1)
    assert frames.columns.tolist() == ["frame", "time", "x0", "y0", "x1", "y1", "face_score", "data"]
    assert whole.loc[0, ["video", "frames", "faceless_frames"]].tolist() == ["clip", 12, 3]
    assert whole.columns.tolist()[3:] == ["Joy", "Awe", "decision", "data"]


def test_parquet_holds_the_same_table(clip: Path):
    done(clip, "--task", "expr", "--detector", "left_half")
    done(clip, "--task", "expr", "--detector", "left_half", "--format", "parquet", "--out", "elsewhere")
    csv, parquet = pd.read_csv("predictions/clip.expr.csv"), pd.read_parquet("elsewhere/clip.expr.parquet")
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False, rtol=1e-4)
    assert csv.index[csv["x0"].isna()].tolist() == [2, 3, 9]
    written = sorted(path.suffix for path in Path("elsewhere").iterdir())
    assert written == [".json", ".parquet", ".png"]


def test_a_clip_without_sound_and_its_transcript_reach_the_model(clip: Path, house: Path):
    MODELS["va"].heard.clear()
    done(clip, "--task", "va", "--detector", "left_half", "--transcript", "so glad")
    (house / "said.txt").write_text("from a file", encoding="utf-8")
    done(clip, "--task", "va", "--detector", "left_half", "--transcript", house / "said.txt")
    done(clip, "--task", "va", "--detector", "full_frame")
    assert MODELS["va"].heard == [(None, "so glad"), (None, "from a file"), (None, None)]


def test_no_finished_run_says_what_to_type(clip: Path, house: Path):
    result = run(clip, "--task", "expr", "--runs", "nowhere")
    assert isinstance(result.exception, MissingData)
    assert str(result.exception).endswith("in nowhere. To make one, type: harness run --plugin paper --task expr")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (
            "harness run --plugin=paper --task all --keep-models none --set 'a=b c' --data aff-wild2=/data",
            "harness run --plugin=paper --set 'a=b c' --data aff-wild2=/data --task expr --fresh",
        ),
        ("harness run --task=expr --fresh --keep-models=none --seed 1", "harness run --seed 1 --task expr --fresh"),
        ("harness ablate plan.toml", "harness run --plugin paper --task expr --fresh"),
    ],
)
def test_a_run_that_kept_no_model_says_what_to_type(clip: Path, house: Path, command: str, line: str):
    (house / "runs" / "expr" / "model").rmdir()
    (house / "runs" / "expr" / "row.json").write_text(json.dumps({"partial": None, "command": command}))
    result = run(clip, "--task", "expr")
    assert isinstance(result.exception, MissingData)
    assert str(result.exception) == (
        f"The finished run on 'expr' in runs kept no model (--keep-models none). To make one, type: {line}"
    )


def test_of_trials_alone_none_is_taken(clip: Path, house: Path):
    (house / "runs" / "expr" / "model").rmdir()
    row = {"partial": "limited to 2 videos a part", "run": "abc", "command": "harness run --limit 2"}
    (house / "runs" / "expr" / "row.json").write_text(json.dumps(row))
    result = run(clip, "--task", "expr", "--plugin", "paper")
    assert isinstance(result.exception, MissingData)
    assert str(result.exception) == (
        "The finished run of paper on 'expr' in runs is a trial (limited to 2 videos a part); --run takes it all the "
        "same. To make a whole one, type: harness run --plugin paper --task expr"
    )


def test_which_run_was_used_is_told(clip: Path, monkeypatch: pytest.MonkeyPatch):
    about = {"data": "demo", "run": "0123456789ab", "partial": None}
    monkeypatch.setattr(MODELS["expr"], "about", about)
    result = done(clip, "--task", "expr", "--detector", "left_half")
    assert "expr: run 0123456789ab, runs/expr\n" in result.stderr
    assert json.loads(Path("predictions/clip.expr.json").read_text())["model"] == about
    assert "0123456789ab" not in done(clip, "--task", "expr", "--detector", "left_half", "-q").stderr
    about["partial"] = "limited to 2 videos a part"
    result = done(clip, "--run", "runs/expr", "--detector", "left_half", "-q")
    assert "expr: run 0123456789ab, runs/expr, a trial: limited to 2 videos a part\n" in result.stderr


def test_of_all_tasks_those_with_a_run_are_done(clip: Path, house: Path):
    (house / "runs" / "au" / "model").rmdir()
    result = run(clip, "--task", "all", "--detector", "left_half")
    assert isinstance(result.exception, SomeTasksFailed)
    assert "harness run --plugin paper --task au" in result.stderr
    assert {p.name for p in Path("predictions").glob("*.csv")} == {
        "clip.expr.csv", "clip.va.csv", "clip.emi.csv", "clip.emi.clip.csv",
    }  # fmt: skip


def test_one_named_run_needs_no_task(clip: Path, house: Path):
    done(clip, "--run", house / "runs" / "va", "--detector", "left_half")
    assert len(pd.read_csv("predictions/clip.va.csv")) == 12
    result = run(clip, "--run", house / "runs" / "va", "--task", "au", "--detector", "left_half")
    assert isinstance(result.exception, UserError)
    assert "is of task 'va', not of 'au'" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["--task", "exp"], UserError, "Did you mean 'expr'"),
        ([], UserError, "Expected --task NAME"),
        (["--task", "expr", "--detector", "retinafce"], UserError, "Did you mean 'retinaface'"),
        (["--task", "expr"], MissingData, "retinaface_mnet025_1mb.pth from biubug6"),
        (["--task", "expr", "--detector", "blind"], MissingData, "finds no face in any of its 12 frames"),
        (["--task", "all", "--run", "runs/va"], UserError, "leave out"),
        (["--task", "va", "--transcript", "/nope.txt"], MissingData, "--transcript: no such file: /nope.txt"),
        (["--task", "va", "--transcript", "said.txt"], MissingData, "--transcript: no such file: said.txt"),
        (["--task", "va", "--transcript", "~/said"], MissingData, "--transcript: no such file: ~/said"),
        (["--task", "va", "--transcript", "words/said"], MissingData, "--transcript: no such file: words/said"),
        (
            ["--task", "va", "--detector", "full_frame", "--detector-weights", "/nope"],
            UserError,
            "--detector-weights: the detector 'full_frame' takes none, came '/nope'",
        ),
    ],
)
def test_mistakes_are_named(clip: Path, arguments: list[str], kind: type[Exception], message: str):
    result = run(clip, *arguments)
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
    assert not Path("predictions").exists()


def test_a_transcript_that_is_no_text_is_named(clip: Path):
    Path("said.txt").write_bytes("Müller".encode("latin-1"))
    result = run(clip, "--task", "va", "--detector", "full_frame", "--transcript", "said.txt")
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith("--transcript: expected UTF-8 text in said.txt, came ")


@pytest.mark.parametrize("words", ["and/or so he said", "glad", "a sentence. Then one more", "x" * 5000])
def test_what_is_no_path_is_what_is_said(clip: Path, words: str):
    MODELS["va"].heard.clear()
    done(clip, "--task", "va", "--detector", "full_frame", "--transcript", words)
    assert MODELS["va"].heard == [(None, words)]


def test_a_folder_is_no_video(house: Path):
    result = run("runs", "--task", "expr", "--detector", "full_frame")
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "Expected a video file, came the folder runs"


def test_out_is_a_folder(clip: Path):
    assert "'--out'" in run(clip, "--task", "expr", "--detector", "full_frame", "--out", clip).output


def test_a_missing_video_is_named(house: Path):
    result = run("none.mp4", "--task", "expr", "--detector", "full_frame")
    assert isinstance(result.exception, MissingData)
    assert "none.mp4" in str(result.exception)
