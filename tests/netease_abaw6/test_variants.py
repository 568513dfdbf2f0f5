"""Each way to CE, and the frozen variant, from files on disk to a row."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import abaw6.plugin
from abaw6.specs import CE, EXPR
from harness import builtin, judge, plugins
from harness.errors import MissingData, UserError
from harness.session import Request, carry_out, prepare
from netease_abaw6 import plugin
from netease_abaw6.pipeline import NETEASE_ABAW6
from netease_abaw6.variants import CE_RAFDB, CE_ZERO_SHOT, COMPOUNDS, FROZEN

FRAMES = 6
SMALL = {
    "encoders.image.weights": "random",
    "encoders.image.width": 16,
    "encoders.image.depth": 1,
    "encoders.image.heads": 2,
    "encoders.image.patch": 8,
    "encoders.image.image": 16,
    "fusion.width": 8,
    "fusion.heads": 2,
    "fusion.layers": 1,
    "fit.epochs": 2,
    "fit.lr": 1e-2,
}
ADAPT = {"adapt.image.epochs": 2, "adapt.image.samples_per_epoch": 0, "adapt.image.lr": 1e-2}
SILENT = {"encoders.audio": None, "extra_train": None, "partition": "whole"}


def face(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((16, 16, 3), 40, np.uint8)
    image[:, :, number % 3] = 60 + 15 * number
    Image.fromarray(image).save(path)


def write_videos(root: Path, track: str, labels: tuple[str, ...], sides: dict[str, int]) -> None:
    for side, count in sides.items():
        for i in range(count):
            name = f"{side[0].lower()}{i}"
            rows = [str((i + f) % len(labels)) for f in range(FRAMES)]
            path = root / track / side / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join([",".join(labels), *rows]) + "\n")
            for f, row in enumerate(rows, start=1):
                face(root / "cropped_aligned" / name / f"{f:05d}.jpg", int(row))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`row(task, pipeline, **words)`: run it on eight EXPR videos and four CE ones, beside RAF-DB's compound part."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    monkeypatch.setattr(judge, "DRAWS", 50)
    write_videos(tmp_path / "aff", "EXPR_Recognition_Challenge", EXPR.labels, {"Train_Set": 6, "Validation_Set": 2})
    write_videos(tmp_path / "ce", "CE_Recognition_Challenge", CE.labels, {"Validation_Set": 3})
    lines = []
    for i in range(22):
        lines.append(f"train_{i:04d}.jpg {i % 11 + 1}")
        face(tmp_path / "raf" / "compound" / "Image" / "aligned" / f"train_{i:04d}_aligned.jpg", i % 11)
    labels = tmp_path / "raf" / "compound" / "EmoLabel" / "list_patition_label.txt"
    labels.parent.mkdir()
    labels.write_text("\n".join(lines))
    loaded = plugins.load({"builtin": builtin, "netease_abaw6": plugin, "abaw6": abaw6.plugin})
    monkeypatch.setattr(plugins, "load", lambda: loaded)
    data = {"aff-wild2": "aff", "c-expr": "ce", "raf-db-compound": "raf"}

    def row(task: str, pipeline: str, **words: Any) -> dict[str, Any]:
        request = Request(f"netease_abaw6:{pipeline}", profile="paper", data=data, **words)
        prepared = prepare(loaded, task, request, report=lambda line: None)
        (found,) = carry_out(prepared, loaded)
        found["folder"] = str(prepared.folder.path)
        return found

    return row


def test_zero_shot_from_an_expr_run_is_judged_like_any_other(world: Any) -> None:
    expr = world("expr", "netease_abaw6", sets={**SMALL, **ADAPT, **SILENT})
    run = Path(expr["folder"]) / "model"
    row = world("ce", "ce_zero_shot", sets={"encoders.audio": None, "components.run": str(run)})
    assert row["score"]["P"].keys() == expr["score"]["P"].keys()
    assert row["coverage"]["train_videos"] == row["coverage"]["inner_videos"] == 0
    assert (row["coverage"]["held_videos"], row["labels"]) == (3, list(CE.labels))
    assert expr["run"] in row["components"]["fusion"]["options"]["run"]  # the row names the EXPR run
    assert expr["run"] in row["system"]
    assert expected_of(run, row) == predicted(row)


def test_test_videos_alone_are_predicted_zero_shot(world: Any) -> None:
    import av

    expr = world("expr", "netease_abaw6", sets={**SMALL, **SILENT, "adapt.image": None})
    shutil.rmtree("ce")
    for number in (1, 2):
        for f in range(1, FRAMES + 1):
            face(Path(f"ce/cropped_aligned/{number:02d}/{f:05d}.jpg"), f)
        with av.open(f"ce/{number:02d}.mp4", "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
            for _ in range(FRAMES):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
            container.mux(stream.encode(None))
    sets = {"encoders.audio": None, "components.run": f"{expr['folder']}/model"}
    row = world("ce", "ce_zero_shot", sets=sets, splits="test")
    assert (row["score"], row["coverage"]["held_videos"]) == (None, 2)
    with pytest.raises(MissingData, match="no videos on the valid side; say --split test"):
        world("ce", "ce_zero_shot", sets=sets)
    with pytest.raises(MissingData, match="Three ways"):
        world("ce", "netease_abaw6", sets={**SMALL, **SILENT}, splits="test")


def expected_of(run: Path, row: dict[str, Any]) -> dict[str, list[str]]:
    """Decisions by the rule, from the run's own classifier and nothing of the pipeline."""
    from abaw6.cexpr import CExpr
    from harness.clips import track
    from harness.encode import media_of, tokens
    from harness.fit import scores_of
    from harness.model import load

    model, reader = load(run), CExpr(Path("ce"), CE)
    pairs = [[model.labels.index(name) for name in pair.split("+")] for pair in COMPOUNDS.split(",")]
    found = {}
    for video in (v for v in reader.videos() if v.side == "valid"):
        encoded = {m: tokens(e, media_of(e, video, reader.view()), model.place) for m, e in model.encoders.items()}
        basic_FC = scores_of(model.plan.task, model.place, model.classifiers[0], [track(video, encoded, "nearest")])
        mean_FL = np.stack([basic_FC[video.key][:, pair].mean(axis=1) for pair in pairs], axis=1)
        found[video.key] = [CE.labels[i] for i in mean_FL.argmax(axis=1)]
    return found


def predicted(row: dict[str, Any]) -> dict[str, list[str]]:
    import pandas as pd

    table = pd.read_parquet(Path(row["folder"]) / "official.parquet")
    return {str(key): list(rows["decision"]) for key, rows in table.groupby("video")}


def test_zero_shot_says_what_it_needs(world: Any) -> None:
    with pytest.raises(UserError, match=r"Zero-shot needs a finished EXPR run: --set components\.run="):
        world("ce", "ce_zero_shot")
    with pytest.raises(MissingData, match="No model in nowhere"):
        world("ce", "ce_zero_shot", sets={"components.run": "nowhere"})


def test_from_rafdb_s_compound_images_to_videos(world: Any) -> None:
    row = world("ce", "ce_rafdb", sets={**SMALL, **ADAPT})
    added = row["extra_train"]["raf-db-compound"]
    assert (added["videos"], added["rows"], added["stages"]) == (14, 14, "adapt,fit")
    assert added["by_label"] == dict.fromkeys(CE.labels, 2)
    assert row["coverage"]["train_videos"] + row["coverage"]["inner_videos"] == 14
    assert (row["coverage"]["held_videos"], row["coverage"]["judged_rows"]) == (3, 3 * FRAMES)
    assert 0 <= row["score"]["P"]["value"] <= 1


def test_from_labelled_videos_where_there_are_none(world: Any) -> None:
    with pytest.raises(MissingData, match=r"Three ways: .*ce_rafdb .*ce_zero_shot"):
        world("ce", "netease_abaw6", sets={**SMALL, **SILENT})


def test_from_labelled_videos(world: Any) -> None:
    write_videos(Path("ce"), "CE_Recognition_Challenge", CE.labels, {"Train_Set": 4})
    row = world("ce", "netease_abaw6", sets={**SMALL, **ADAPT, **SILENT})
    assert (row["coverage"]["train_videos"], row["coverage"]["held_videos"]) == (3, 3)
    assert "extra_train" not in row


def test_the_frozen_variant_trains_no_image_encoder(world: Any) -> None:
    row = world("expr", "frozen", sets={**SMALL, **SILENT})
    assert row["cost"]["computed"].keys() == {"encode", "partition", "fit", "predict"}
    assert row["components"]["image"]["name"] == "mae_vit_b.frozen"


def test_the_compounds_are_those_of_the_task_in_its_order() -> None:
    roots = {
        "Fear": "Fear",
        "Happiness": "Happ",
        "Sadness": "Sad",
        "Disgust": "Disgust",
        "Anger": "Ang",
        "Surprise": "Surprised",
    }
    for label, pair in zip(CE.labels, COMPOUNDS.split(","), strict=True):
        first, second = (roots[name] for name in pair.split("+"))
        assert label.startswith(first)
        assert label.split()[1].startswith(second)
        assert set(pair.split("+")) <= set(EXPR.labels)


def test_every_variant_can_be_written_as_json_and_says_where_it_comes_from() -> None:
    for pipeline in (FROZEN, CE_RAFDB, CE_ZERO_SHOT):
        plain = dataclasses.asdict(dataclasses.replace(pipeline, tasks={}, profiles={}))
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
        assert all(one.source for one in (*pipeline.encoders.values(), pipeline.fusion, *pipeline.extra_train.values()))
    assert FROZEN.fusion == NETEASE_ABAW6.fusion
    assert "image" not in FROZEN.adapt
