"""run -> submit -> score: the official file of a run has the run's own score, in every track."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import abaw6.plugin
from abaw6.specs import TASKS
from abaw6.submission import FORMS
from abaw6.submit_command import submit
from harness import builtin, judge, plugins
from harness.scoring.score import Request, score
from harness.types import TaskSpec

FRAMES = {"Train_Set": {"video1": 4}, "Validation_Set": {"video2_left": 6, "video2_right": 5, "03": 7}}
CLIPS = {"train_split.csv": ("00001",), "valid_split.csv": ("00002", "00003", "00004")}
FOLDERS = {
    "va": "6th_ABAW_Annotations/VA_Estimation_Challenge",
    "expr": "6th_ABAW_Annotations/EXPR_Recognition_Challenge",
    "au": "6th_ABAW_Annotations/AU_Detection_Challenge",
    "ce": "CE_Recognition_Challenge",
}


def rows_of(task: TaskSpec, rows: int, rng: np.random.Generator) -> list[str]:
    """Label rows as the official files have them, the second one invalid."""
    if task.kind.name == "one_of":
        lines = [str(number) for number in rng.integers(0, len(task.labels), rows)]
    elif task.kind.name == "any_of":
        lines = [",".join(map(str, row)) for row in rng.integers(0, 2, (rows, len(task.labels)))]
    else:
        values = rng.uniform(task.kind.low, task.kind.high, (rows, len(task.labels)))
        lines = [",".join(f"{value:.3f}" for value in row) for row in values]
    if task.level == "frame":
        lines[1] = "-5,-5" if task.kind.name == "continuous" else ",".join("-1" for _ in lines[1].split(","))
    return lines


def write_labels(disk, task: TaskSpec) -> None:
    rng = np.random.default_rng(0)
    names = ",".join(task.labels)
    if task.level == "video":
        for table, clips in CLIPS.items():
            rows = rows_of(task, len(clips), rng)
            disk.text(table, f"Filename,{names}", *(f"{clip},{row}" for clip, row in zip(clips, rows, strict=True)))
        return
    for side, videos in FRAMES.items():
        for video, frames in videos.items():
            disk.text(f"{FOLDERS[task.name]}/{side}/{video}.txt", names, *rows_of(task, frames, rng))


@pytest.mark.parametrize("name", TASKS)
def test_a_run_scores_through_its_file_what_it_scored(
    name: str, disk, make_run, make_template, scores_for, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    monkeypatch.setattr(judge, "DRAWS", 200)
    task, form = TASKS[name], FORMS[name]
    loaded = plugins.load({"builtin": builtin, "abaw6": abaw6.plugin})
    write_labels(disk, task)
    reader = loaded.get("readers", task.reader)[0].thing(disk.root, task, "any")
    held = [video for video in reader.videos() if video.side == "valid"]
    rows = {video.id: len(reader.targets(video)) for video in held}
    scores = {video: scores_for(name, n, seed) for seed, (video, n) in enumerate(rows.items())}
    decided = ((video, task.kind.decide(scores[video.id]), reader.targets(video)) for video in held)
    own = judge.judge_decisions(task, decided, {}).score

    places = [(video, i) for video, n in rows.items() for i in range(1, n + 1)]
    names = [f"{video}/{i:05d}.jpg" if task.level == "frame" else video for video, i in places]
    words = [make_run(name, scores, split="official"), "--split", "official", "--template", make_template(name, *names)]
    done = CliRunner().invoke(submit, [*map(str, words), "--out", str(tmp_path / "sent"), "-q"], catch_exceptions=False)
    assert f"{len(names)} rows asked for, {len(names)} predicted" in done.stdout

    sent, data = tmp_path / "sent" / form.file_name, {task.reader: str(disk.root)}
    (row,) = score(loaded, Request(sent, name, data=data, runs=tmp_path / "runs")).rows
    assert row["score"] == own
    assert row["scored"]["format"] == "abaw"
    assert 0 < own["P"]["value"] < 1 or task.kind.name == "continuous"
