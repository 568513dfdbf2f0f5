"""`harness prepare DIR --out DIR`: raw videos to a data set."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import SomeTasksFailed, UserError

if TYPE_CHECKING:
    from abaw6.prepare import Summary

LAYOUTS = ("aff-wild2", "c-expr", "hume-vidmimic2")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="The data set's root.")
@click.option("--layout", type=click.Choice(LAYOUTS), default="aff-wild2", show_default=True, help="As whose data.")
@click.option(
    "--detector", default="auto", show_default=True,
    help="retinaface[:PRESET], yunet, precropped, full_frame; auto: the first of the first two that has its weights.",
)
@click.option("--detector-weights", metavar="WEIGHTS", help="A file, hf:OWNER/NAME/FILE, or URL#sha256=HASH.")
@click.option("--person", default="largest", show_default=True, help="largest, left, right, or track:N of several.")
@click.option("--size", default=224, show_default=True, type=click.IntRange(16, 1024), help="Side of a crop, pixels.")
@click.option("--margin", default=1.3, show_default=True, type=click.FloatRange(0.5, 4), help="Crop per face box.")
@click.option("--align", is_flag=True, help="Turn faces upright by their five landmarks.")
@click.option("--quality", default=95, show_default=True, type=click.IntRange(1, 100), help="Of the JPEG crops.")
@click.option(
    "--cropper", type=click.Choice(["pillow", "roi_align"]), default=None,
    help="Crops one by one, or in batches on the device.  [default: roi_align on a GPU, else pillow]",
)
@click.option("--transcribe", metavar="MODEL", help="Also write transcripts.csv, by this recogniser (hume-vidmimic2).")
@click.option("--revision", metavar="COMMIT", help="Of the recogniser, on the hub.")
@click.option(
    "--raw", type=click.Choice(["link", "copy", "none"]), default="link", show_default=True,
    help="Raw videos into the data set; scenes are read from them.",
)
@click.option("--device", default="cpu", show_default=True)
@click.option("--workers", type=click.IntRange(0), default=0, help="Processes.  [default: one per core or GPU]")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("-q", "quiet", is_flag=True, help="Print the summary alone.")
def prepare(
    folder: Path, out: Path, layout: str, detector: str, detector_weights: str | None, person: str, size: int,
    margin: float, align: bool, quality: int, cropper: str | None, transcribe: str | None, revision: str | None,
    raw: str, device: str, workers: int, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Make a data set of the raw videos in DIR: face crops, sound, face tables, and transcripts if asked for.

    Every frame's face is found and one person followed; each frame with that face becomes a crop, numbered like the
    frames, and one without has none. Sound is 16 kHz, mono, laid in time with the frames. faces/VIDEO.csv holds boxes,
    landmarks and scores, faces/VIDEO.json the detector and its weights' hash. Labels are yours to add.

    The same command goes on after an interruption. A file that fails is named at the end with the reason (exit code
    4) and stops no other. A file that changed is done anew, and nothing of what it was is kept. --device cuda uses
    every GPU, cuda:N that one.

    \b
    harness prepare videos/ --out data/ --detector-weights retinaface_mnet025_1mb.pth
    harness prepare clips/ --out hume/ --layout hume-vidmimic2 --transcribe openai/whisper-small
    harness prepare videos/ --out data/ --person left      # VIDEO_left, where two are in view
    """
    from abaw6 import transcripts
    from abaw6.prepare import DetectorSpec, processes, raw_files
    from abaw6.prepare import prepare as carry_out
    from abaw6.prepare_video import LAYOUTS as PLACES
    from abaw6.prepare_video import Settings
    from harness.context import check_device
    from harness.progress import shown, silent

    if transcribe and not PLACES[layout].transcripts:
        takers = " or ".join(name for name in LAYOUTS if PLACES[name].transcripts)
        raise UserError(f"--transcribe: only readers of --layout {takers} read transcripts, came {layout}")
    check_device(device)
    on_gpu = device.partition(":")[0] != "cpu"
    settings = Settings(layout, person, size, margin, align, quality, cropper or ("roi_align" if on_gpu else "pillow"))  # type: ignore[arg-type]  # click has checked it
    progress = silent if quiet else shown
    spec = DetectorSpec(detector, detector_weights, device)
    files, many = raw_files(folder), workers or processes(device)
    recogniser = transcripts.Recogniser(transcribe, device, revision) if transcribe else None
    summary = carry_out(files, out, settings, spec, workers=many, raw=raw, progress=progress)
    try:
        if recogniser:
            names = sorted(one.video for one in (*summary.made, *summary.kept) if one.sound)
            places = PLACES[layout]
            summary.failed |= transcripts.transcribe(out, places.audio, names, recogniser, progress=progress)
    finally:
        _tell(summary, out, as_json=as_json)
    if summary.failed:
        what = "prepared or transcribed" if transcribe else "prepared"
        raise SomeTasksFailed(f"{len(summary.failed)} of the videos could not be {what}; the others are in {out}")


def _tell(summary: Summary, out: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(summary), indent=1))
        return
    for one in summary.made:
        missing = f", no face in {one.frames - one.faces}" if one.frames > one.faces else ""
        silent = "" if one.sound else ", no sound"
        damaged = f", {one.damaged} damaged packets left out" if one.damaged else ""
        click.echo(f"{one.video}: {one.frames} frames at {one.fps:.2f} a second{missing}{silent}{damaged}")
    for name, why in sorted(summary.failed.items()):
        click.echo(f"failed: {name}: {why}", err=True)
    click.echo(f"{len(summary.made)} prepared, {len(summary.kept)} before, {len(summary.failed)} failed, in {out}")
