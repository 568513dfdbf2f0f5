"""`harness predict`: a finished run's model on a raw video."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.finished_models import models_to_use, open_model
from harness.errors import HarnessError, MissingData, SomeTasksFailed, UserError

if TYPE_CHECKING:
    import pandas as pd

    from harness.model import Model
    from harness.rawvideo import RawVideo
    from harness.types import Detector, Floats


@click.command()
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--task", help="A task's name, or 'all'. Not needed with --run.")
@click.option("--plugin", metavar="NAME[:PIPELINE]", help="Whose newest finished run to use; default: anyone's.")
@click.option("--run", "run_dir", type=click.Path(path_type=Path), help="The folder of one finished run instead.")
@click.option("--detector", default="retinaface", show_default=True, help="What finds faces; full_frame: it is a crop.")
@click.option("--detector-weights", metavar="WEIGHTS", help="A file, hf:OWNER/NAME/FILE, or URL#sha256=HASH.")
@click.option("--person", default="largest", show_default=True, help="largest, left, right, or track:N of several.")
@click.option("--transcript", metavar="TEXT|FILE", help="What is said in the clip, for models that read words.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("predictions"), show_default=True)
@click.option("--format", "file_format", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("-q", "quiet", is_flag=True, help="Print only warnings and the files written.")
def predict(
    video: Path,
    task: str | None,
    plugin: str | None,
    run_dir: Path | None,
    detector: str,
    detector_weights: str | None,
    person: str,
    transcript: str | None,
    out: Path,
    file_format: str,
    runs: Path,
    device: str,
    quiet: bool,
) -> None:
    """Predict affect in a raw VIDEO with a finished run.

    Writes, under --out: VIDEO.TASK.csv with one row per decoded frame (frame, time, face box and its score, a score
    per label, decision, data), VIDEO.TASK.png, and VIDEO.TASK.json, which says what it was made with. For a task
    with one score per clip the frame rows hold the face alone and VIDEO.TASK.clip.csv holds the scores, in one row.
    Frames without a face have no box; their scores rest on the nearest face.
    """
    from harness import plugins as plugin_room
    from harness import rawvideo
    from harness.context import check_device
    from harness.detect import make_detector
    from harness.progress import shown, silent

    check_device(device)
    if video.is_dir():
        raise UserError(f"Expected a video file, came the folder {video}")
    words = spoken(transcript)
    plugins = plugin_room.load()
    found = models_to_use(plugins, task, plugin, run_dir, runs)
    finder = make_detector(plugins, detector, detector_weights, device)
    if detector_weights and not finder.weights_sha256:
        raise UserError(f"--detector-weights: the detector {finder.name!r} takes none, came {detector_weights!r}")
    only = open_model(next(iter(found.values())), task, device) if len(found) == 1 else None  # fail before the work
    failed = []
    with rawvideo.read(video, finder, person=person, transcript=words, progress=silent if quiet else shown) as raw:
        if not quiet:
            _report_faces(video, raw)
        for name, model_dir in found.items():
            try:
                model = only or open_model(model_dir, name, device)
                _report_run(model, model_dir, quiet)
                _predict_one(raw, model, finder, out, file_format)
            except HarnessError as error:
                if only:
                    raise
                click.echo(f"{name}: {error}", err=True)
                failed.append(name)
    if failed:
        raise SomeTasksFailed(f"No prediction for {', '.join(failed)}; the other tasks are done")


def _predict_one(raw: RawVideo, model: Model, detector: Detector, out: Path, file_format: str) -> None:
    from harness.timeline import NOT_FOR_USE, timeline_png

    scores_RL = model.predict(raw.video, raw.view)
    per_frame = model.level == "frame"
    rows = raw.video.frames if per_frame else 1
    if scores_RL.shape != (rows, len(model.labels)):
        raise ValueError(f"the model returned scores of shape {scores_RL.shape}, expected {(rows, len(model.labels))}")
    stem = f"{raw.video.id}.{model.task}"
    tables = {f"{stem}.{file_format}": face_table(raw)}
    if per_frame:
        tables[f"{stem}.{file_format}"] = face_table(raw).join(score_table(model, scores_RL))
    else:
        tables[f"{stem}.clip.{file_format}"] = clip_table(raw, model, scores_RL)
    files: dict[str, bytes] = {name: _bytes(_stamped(table, model), file_format) for name, table in tables.items()}
    face_F, title = raw.video.face_F, f"{_short(raw.video.id)}: {model.task}"
    files[f"{stem}.png"] = timeline_png(
        scores_RL, raw.times_F, face_F, kind=model.kind, labels=model.labels, title=title, demo=model.demo
    )
    about = provenance(raw, model, detector)
    files[f"{stem}.json"] = (json.dumps(about, indent=2, allow_nan=False, default=str) + "\n").encode()
    _write(out, files)
    if model.demo:
        click.secho(f"{model.task}: this model was {NOT_FOR_USE}", fg="red", err=True)


def face_table(raw: RawVideo) -> pd.DataFrame:
    """One row per decoded frame: `frame`, `time` (seconds), `x0 y0 x1 y1` (pixels) and `face_score`; empty: no face."""
    import pandas as pd

    nothing = (None,) * 5
    rows = [
        (face.box.x0, face.box.y0, face.box.x1, face.box.y1, face.score) if face else nothing for face in raw.faces_F
    ]
    boxes = pd.DataFrame(rows, columns=["x0", "y0", "x1", "y1", "face_score"], dtype="float64")
    boxes.insert(0, "time", raw.times_F)
    boxes.insert(0, "frame", range(len(boxes)))
    return boxes


def score_table(model: Model, scores_RL: Floats) -> pd.DataFrame:
    """A column per label, and `decision`: the label, the labels that hold joined by a space, or name=value pairs."""
    import pandas as pd

    table = pd.DataFrame(scores_RL, columns=list(model.labels))
    decisions_RL = model.kind.decide(scores_RL)
    texts = []
    for row in decisions_RL:
        pairs = zip(model.labels, row.tolist(), strict=True)
        if model.kind.name == "continuous":
            texts.append(" ".join(f"{label}={value:.4f}" for label, value in pairs))
        else:
            texts.append(" ".join(label for label, holds in pairs if holds))
    table["decision"] = texts
    return table


def clip_table(raw: RawVideo, model: Model, scores_RL: Floats) -> pd.DataFrame:
    """The one row of a task with one score per clip."""
    table = score_table(model, scores_RL)
    table.insert(0, "faceless_frames", int((~raw.video.face_F).sum()))
    table.insert(0, "frames", raw.video.frames)
    table.insert(0, "video", raw.video.id)
    return table


def provenance(raw: RawVideo, model: Model, detector: Detector) -> dict[str, Any]:
    """What a prediction was made with, and what is to be known of it."""
    from harness.timeline import NOT_FOR_USE

    sound = raw.view.audio(raw.video)
    return {
        "video": raw.video.id,
        "task": model.task,
        "data": data_of(model),
        "note": NOT_FOR_USE if model.demo else "",
        "frames": raw.video.frames,
        "fps": round(raw.video.fps, 4),
        "faceless": [list(stretch) for stretch in raw.faceless],
        "audio": sound and {"start": round(sound.start, 4), "seconds": round(len(sound.samples_S) / sound.rate, 4)},
        "transcript": raw.view.text(raw.video) is not None,
        "detector": {"name": detector.name, "weights_sha256": detector.weights_sha256},
        "model": dict(model.about),
    }


def data_of(model: Model) -> str:
    """What the model was trained on, as the `data` column says it."""
    from harness.timeline import NOT_FOR_USE

    return f"demo ({NOT_FOR_USE})" if model.demo else str(model.about.get("data", ""))


def _stamped(table: pd.DataFrame, model: Model) -> pd.DataFrame:
    return table.assign(data=data_of(model))


def _bytes(table: pd.DataFrame, file_format: str) -> bytes:
    if file_format == "csv":
        return table.to_csv(index=False, float_format="%.6g", lineterminator="\n").encode()
    out = io.BytesIO()
    table.to_parquet(out, index=False)
    return out.getvalue()


def _write(out: Path, files: Mapping[str, bytes]) -> None:
    from harness.store import write_whole

    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(out / name, content)
        click.echo(str(out / name))


def _report_faces(video: Path, raw: RawVideo) -> None:
    missing = int((~raw.video.face_F).sum())
    where = ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in raw.faceless[:8])
    more = " ..." if len(raw.faceless) > 8 else ""
    tail = f"no face in {missing} (frames {where}{more})" if missing else "a face in every one"
    click.echo(f"{video.name}: {raw.video.frames} frames decoded, {tail}", err=True)


def _report_run(model: Model, where: Path | MissingData, quiet: bool) -> None:
    """Which run predicts; that it is a trial is a warning, told with -q too."""
    partial = model.about.get("partial")
    if partial or not quiet:
        folder = where.parent if isinstance(where, Path) and where.name == "model" else where
        trial = f", a trial: {partial}" if partial else ""
        click.echo(f"{model.task}: run {model.about.get('run') or 'unknown'}, {folder}{trial}", err=True)


def spoken(transcript: str | None) -> str | None:
    """What is said in the clip: the words given, or those of the file given; MissingData for a file that is not there.

    What ends in .txt, begins like a path, or has a path's separators and no space, is a file.
    """
    if transcript is None:
        return None
    path = Path(transcript).expanduser() if transcript.startswith("~/") else Path(transcript)
    if _is_file(path):
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            byte = error.object[error.start : error.start + 1]
            raise UserError(f"--transcript: expected UTF-8 text in {path}, came {byte!r}") from None
    begins = transcript.startswith(("/", "./", "../", "~"))
    if begins or transcript.endswith(".txt") or (os.sep in transcript and not set(transcript) & set(" \n\t")):
        raise MissingData(f"--transcript: no such file: {transcript}")
    return transcript


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a transcript too long to be a path
        return False


def _short(name: str, width: int = 60) -> str:
    return name if len(name) <= width else name[: width - 3] + "..."
