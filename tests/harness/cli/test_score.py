"""`harness score` on label files in the layout of Aff-Wild2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from abaw6.specs import AU, EXPR
from harness import judge
from harness.cli import cli, main
from harness.cli.score import score
from harness.types import TaskSpec

FRAMES = 12
VIDEOS = ("108", "video49_left", "1-30-1280x720")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Labels of EXPR and AU: two training videos, three held out, the first two rows of each unlabelled."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(judge, "DRAWS", 100)
    root = tmp_path / "data"
    for side, names in (("Train_Set", ("a", "b")), ("Validation_Set", VIDEOS)):
        for track, task in (("EXPR_Recognition_Challenge", EXPR), ("AU_Detection_Challenge", AU)):
            folder = root / "6th_ABAW_Annotations" / track / side
            folder.mkdir(parents=True)
            for name in names:
                rows = [",".join(map(str, row)) for row in labels(task, name)]
                (folder / f"{name}.txt").write_text("\n".join([",".join(task.labels), *rows]) + "\n")
    return root


def labels(task: TaskSpec, name: str) -> list[list[int]]:
    """Rows of a label file: every class in turn, every AU now and then."""
    shift = len(name)
    if task is EXPR:
        return [[-1]] * 2 + [[(i + shift) % 8] for i in range(FRAMES - 2)]
    return [[-1] * 12] * 2 + [[(i + shift + unit) % 3 // 2 for unit in range(12)] for i in range(FRAMES - 2)]


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(score, list(map(str, words)), catch_exceptions=False)


def expr_table(path: Path, *, first: int = 1, skip: int = 0) -> Path:
    """Perfect scores of EXPR as a table."""
    lines = [",".join(["video", "frame", *EXPR.labels])]
    for name in VIDEOS:
        for i, (label,) in list(enumerate(labels(EXPR, name)))[skip:]:
            lines.append(",".join(map(str, [name, i + first, *np.eye(8)[label].tolist()])))
    path.write_text("\n".join(lines) + "\n")
    return path


def openface_folder(folder: Path) -> Path:
    """A CSV per video; FeatureExtraction has no AU24."""
    folder.mkdir()
    units = [label for label in AU.labels if label != "AU24"]
    head = ["frame", " timestamp", " confidence", " success", *(f" AU{int(unit[2:]):02d}_c" for unit in units)]
    for name in VIDEOS:
        rows = [",".join(head)]
        for i, row in enumerate(labels(AU, name)):
            said = [float(max(value, 0)) for value, label in zip(row, AU.labels, strict=True) if label != "AU24"]
            rows.append(", ".join(map(str, [i + 1, i / 30, 0.98, 1, *said])))
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_table_is_scored_and_its_coverage_told(data: Path, tmp_path: Path):
    done = call(expr_table(tmp_path / "mine.csv"), "--task", "expr", "--data", f"aff-wild2={data}", "--json")
    (row,) = json.loads(done.stdout)
    assert row["score"]["P"]["value"] == 1.0
    assert (row["system"], row["profile"], row["scored"]["format"]) == ("mine", "scored", "csv")
    lines = done.stderr.splitlines()
    assert "expr official on aff-wild2: P 1.0000, 95 % [1.0000, 1.0000] for these predictions" in lines
    assert (
        "  coverage, policy official: 3 of 3 videos, 36 rows; 30 of 30 labelled rows matched (100.00 %), 0 missing; "
        "0 rows beyond the end of a video, 0 unlabelled rows absent"
    ) in lines
    assert lines[-1] == f"format csv; rows in runs/expr/mine@scored/{row['run']}"


def test_rows_without_a_label_may_be_absent_and_are_counted(data: Path, tmp_path: Path):
    done = call(expr_table(tmp_path / "mine.csv", skip=2), "--task", "expr", "--data", f"aff-wild2={data}")
    assert "6 unlabelled rows absent" in done.stderr
    told = "  video 108: 10 rows, 10 labelled; 2 rows without a label have no prediction, first at frame 1"
    assert told in done.stderr.splitlines()


def test_a_wrong_first_frame_is_refused_with_the_option_that_mends_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["score", str(expr_table(tmp_path / "mine.csv", first=0)), "--task", "expr", "--data", f"aff-wild2={data}"]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--policy", "strict"])
    assert stopped.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert "Frames before the first: video 1-30-1280x720: 12 rows, 10 labelled" in told
    assert "--first-frame 0" in told
    assert "P 1.0000" in call(*words[1:], "--first-frame", "0").stderr


def test_a_tool_without_a_label_is_scored_by_strict(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["score", str(openface_folder(tmp_path / "OpenFace")), "--task", "au", "--data", f"aff-wild2={data}"]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "complete predictions alone: no column for AU24" in capsys.readouterr().err
    done = call(*words[1:], "--policy", "strict", "--json")
    (row,) = json.loads(done.stdout)
    assert {label: one["value"] for label, one in row["score"]["labels"].items()} == {
        **dict.fromkeys(AU.labels, 1.0), "AU24": 0.0,
    }  # fmt: skip
    assert row["profile"] == "scored-strict"
    assert "no column for AU24: never predicted" in done.stderr.splitlines()
    assert "format openface; rows in runs/au/OpenFace@scored-strict/" in done.stderr


@pytest.mark.parametrize("task", [EXPR, AU])
def test_official_files_per_video(data: Path, tmp_path: Path, task: TaskSpec):
    """Label files are in the very form; what they leave out, with -1, is unlabelled."""
    folder = next(data.glob(f"*/{task.name.upper()}_*/Validation_Set"))
    done = call(folder, "--task", task.name, "--data", f"aff-wild2={data}", "--system", "oracle", "--json")
    (row,) = json.loads(done.stdout)
    assert (row["score"]["P"]["value"], row["scored"]["format"], row["system"]) == (1.0, "abaw", "oracle")


def test_a_renamed_column(data: Path, tmp_path: Path):
    path = expr_table(tmp_path / "mine.csv")
    path.write_text(path.read_text().replace("Happiness", "joy", 1))
    words = (path, "--task", "expr", "--data", f"aff-wild2={data}")
    done = call(*words, "--map", "joy=Happiness")
    assert "P 1.0000" in done.stderr
    assert "columns not used" in call(*words, "--policy", "strict").stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("mine.csv", "--map", "joy"), 2, "--map: expected THEIR=OURS, say happy=Happiness, came 'joy'"),
        (("mine.csv", "--policy", "lenient"), 2, "No policy is called 'lenient'"),
        (("nothing.csv",), 3, "No predictions at nothing.csv"),
    ],
)
def test_mistakes(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words, code: int, told: str):
    expr_table(tmp_path / "mine.csv")
    with pytest.raises(SystemExit) as stopped:
        main(["score", *words, "--task", "expr", "--data", f"aff-wild2={data}"])
    assert stopped.value.code == code
    assert told in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_quiet(data: Path, tmp_path: Path):
    done = call(expr_table(tmp_path / "mine.csv"), "--task", "expr", "--data", f"aff-wild2={data}", "-q")
    assert (done.stdout, done.stderr) == ("", "")


def test_help_teaches():
    done = CliRunner().invoke(cli, ["score", "--help"])
    assert "harness score openface_csvs/ --task au --policy strict" in done.output
    assert "emotiefflib" in done.output
