"""Raw videos to data sets: what is written, what a reader makes of it, what a bad file does to the others."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from abaw6 import prepare as room
from abaw6.affwild2 import AffWild2
from abaw6.hume import HumeVidmimic2
from abaw6.prepare import DetectorSpec, Summary, prepare, raw_files
from abaw6.prepare_command import prepare as command
from abaw6.prepare_video import COLUMNS, Settings, face_table, prepare_video, wav
from abaw6.specs import TASKS
from harness.errors import MissingData, SomeTasksFailed, UserError
from harness.types import Audio, Box, Face, Image

FPS, FRAMES, SIDE = 10, 12, 96


def write_video(path: Path, *, sound: bool = True, frames: int = FRAMES) -> Path:
    """A bright square (the "face") on dark ground moves right; it is missing in frames 4 and 5."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=FPS)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        heard: Any = container.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for i in range(frames):
            image = np.full((SIDE, SIDE, 3), 20, np.uint8)
            if i not in (4, 5):
                image[30:60, 10 + 3 * i : 40 + 3 * i] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
        if heard is not None:
            wave = (8000 * np.sin(np.arange(16_000 * frames // FPS) * 0.2)).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            frame.sample_rate = 16_000
            for packet in [*heard.encode(frame), *heard.encode()]:
                container.mux(packet)
    return path


class Bright:
    """Finds the bright square."""

    name, weights_sha256 = "bright", "abc"

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        return [self._faces(image) for image in images]

    def _faces(self, image: Image) -> list[Face]:
        y, x = np.nonzero(image[..., 1] > 128)
        if not len(x):
            return []
        box = Box(float(x.min()), float(y.min()), float(x.max() + 1), float(y.max() + 1))
        return [Face(box, 0.9, np.arange(10, dtype=np.float32).reshape(5, 2))]


class Spec(DetectorSpec):
    def make(self) -> Bright:
        return Bright()


SPEC = Spec("bright", None, "cpu")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for name in ("b/video2.mp4", "video1.avi"):
        write_video(tmp_path / "raw" / name)
    return tmp_path / "raw"


def made(summary: Summary) -> list[tuple[str, int, int, bool]]:
    return [(one.video, one.frames, one.faces, one.sound) for one in summary.made]


def test_what_is_written_of_a_video(raw: Path, tmp_path: Path):
    out = tmp_path / "out"
    summary = prepare(raw_files(raw), out, Settings(size=32), SPEC)
    assert made(summary) == [("video1", 12, 10, True), ("video2", 12, 10, True)]
    names = sorted(path.name for path in (out / "cropped_aligned" / "video1").iterdir())
    assert names == [f"{i:05d}.jpg" for i in range(1, 13) if i not in (5, 6)]
    samples, rate = soundfile.read(out / "audio" / "video1.wav")
    assert (len(samples), rate) == (19_200, 16_000)
    with (out / "faces" / "video1.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [int(row["frame"]) for row in rows] == [i for i in range(1, 13) if i not in (5, 6)]
    assert float(rows[2]["x0"]) == pytest.approx(16, abs=2)
    assert (rows[0]["followed"], rows[0]["nose_x"], rows[0]["right_mouth_y"]) == ("1", "4.00", "9.00")
    told = json.loads((out / "faces" / "video1.json").read_text())
    assert told["detector"] == {"name": "bright", "weights_sha256": "abc"}
    assert (out / "batch1" / "video1.avi").resolve() == (raw / "video1.avi").resolve()


def test_a_reader_reads_it(raw: Path, tmp_path: Path):
    out = tmp_path / "out"
    prepare(raw_files(raw), out, Settings(size=48), SPEC)
    for name, side in (("video1", "Train_Set"), ("video2", "Validation_Set")):
        labels = out / "6th_ABAW_Annotations" / "VA_Estimation_Challenge" / side / f"{name}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("valence,arousal\n" + "0.5,0.25\n" * FRAMES)
    reader = AffWild2(out, TASKS["va"])
    videos = reader.videos()
    assert [(v.id, v.side, v.frames, v.fps) for v in videos] == [
        ("video1", "train", 12, 10.0), ("video2", "valid", 12, 10.0),
    ]  # fmt: skip
    assert videos[0].face_F.tolist() == [i not in (4, 5) for i in range(FRAMES)]
    view = reader.view()
    [image] = view.images(videos[0], [3])
    assert image.shape == (48, 48, 3)
    assert image[24, 24].mean() > 180
    heard = view.audio(videos[0])
    assert heard is not None
    assert abs(heard.samples_S).max() > 0.1
    scene = view.scene(videos[0], 2)
    assert [len(frame.boxes or ()) for frame in scene] == [1, 1]


def test_the_other_layout_is_read_too(raw: Path, tmp_path: Path):
    out = tmp_path / "out"
    files = [path.rename(raw / f"0000{i}{path.suffix}") for i, path in enumerate(raw_files(raw), start=1)]
    prepare(files, out, Settings(layout="hume-vidmimic2", size=32), SPEC)
    head = "Filename,Admiration,Amusement,Determination,Empathic Pain,Excitement,Joy\n"
    for side, name in (("train", "00001"), ("valid", "00002")):
        (out / f"{side}_split.csv").write_text(f"{head}{name},0,0,0,0,0.5,1\n")
    (out / "test_split.csv").write_text("Filename\n")
    reader = HumeVidmimic2(out, TASKS["emi"])
    videos = reader.videos()
    assert [(v.id, v.frames, int(v.face_F.sum())) for v in videos] == [("00001", 12, 10), ("00002", 12, 10)]
    assert len(reader.view().images(videos[1], [0, 11])) == 2


def test_a_finished_video_is_not_done_again_unless_something_changed(raw: Path, tmp_path: Path):
    out = tmp_path / "out"
    first = prepare(raw_files(raw), out, Settings(size=32), SPEC)
    again = prepare(raw_files(raw), out, Settings(size=32), SPEC)
    assert (again.made, again.kept) == ([], first.made)
    write_video(raw / "video1.avi", frames=8)
    changed = prepare(raw_files(raw), out, Settings(size=32), SPEC)
    assert made(changed) == [("video1", 8, 6, True)]
    assert len(list((out / "cropped_aligned" / "video1").iterdir())) == 6
    assert len(prepare(raw_files(raw), out, Settings(size=40), SPEC).made) == 2


def test_an_interrupted_video_is_begun_anew(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "out"
    calls: list[Path] = []

    def stopped(path: Path, image: Image, quality: int) -> None:
        calls.append(path)
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("abaw6.prepare_video.write_jpeg", stopped)
    with pytest.raises(KeyboardInterrupt):
        prepare(raw_files(raw)[:1], out, Settings(size=32), SPEC)
    assert not (out / "cropped_aligned" / "video2").exists()
    assert not (out / "faces").exists()
    monkeypatch.undo()
    assert len(prepare(raw_files(raw)[:1], out, Settings(size=32), SPEC).made) == 1
    assert [path.name for path in (out / "cropped_aligned").iterdir()] == ["video2"]


def test_a_failing_file_stops_no_other(raw: Path, tmp_path: Path):
    (raw / "broken.mp4").write_text("no video")
    import av

    with av.open(str(raw / "dark.avi"), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=FPS)
        stream.width = stream.height = SIDE
        nothing = np.zeros((SIDE, SIDE, 3), np.uint8)
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(nothing, format="rgb24")))
        container.mux(stream.encode())
    summary = prepare(raw_files(raw), tmp_path / "out", Settings(size=32), SPEC)
    assert [one.video for one in summary.made] == ["video1", "video2"]
    assert summary.failed.keys() == {"broken.mp4", "dark.avi"}
    assert "cannot be read" in summary.failed["broken.mp4"]
    assert "finds no face in any of its 3 frames" in summary.failed["dark.avi"]
    assert sorted(path.name for path in (tmp_path / "out" / "batch1").iterdir()) == [
        "face_boxes.csv", "video1.avi", "video2.mp4",
    ]  # fmt: skip


def test_a_silent_video_has_no_sound_file(tmp_path: Path):
    path = write_video(tmp_path / "raw" / "mute.mp4", sound=False)
    one = prepare_video(path, tmp_path / "out", Settings(size=32), Bright())
    assert not one.sound
    assert not (tmp_path / "out" / "audio").exists()


def test_crops_in_batches_are_nearly_those_one_by_one(tmp_path: Path):
    path = write_video(tmp_path / "raw" / "v.mp4")
    for cropper in ("pillow", "roi_align"):
        prepare_video(path, tmp_path / cropper, Settings(size=32, cropper=cropper), Bright())  # type: ignore[arg-type]
    from PIL import Image as Pillow

    def pixels(cropper: str) -> np.ndarray:
        files = sorted((tmp_path / cropper / "cropped_aligned" / "v").iterdir())
        return np.stack([np.asarray(Pillow.open(file)).astype(int) for file in files])

    assert np.abs(pixels("pillow") - pixels("roi_align")).mean() < 6  # of 255, with hard edges


def test_alignment_needs_landmarks(tmp_path: Path):
    class Boxes(Bright):
        def _faces(self, image: Image) -> list[Face]:
            return [Face(face.box, face.score) for face in super()._faces(image)]

    path = write_video(tmp_path / "raw" / "v.mp4")
    with pytest.raises(UserError, match="--align needs five landmarks"):
        prepare_video(path, tmp_path / "out", Settings(align=True), Boxes())
    assert prepare_video(path, tmp_path / "out", Settings(align=True, size=32), Bright()).faces == 10


def test_two_files_of_one_name(tmp_path: Path):
    for name in ("a/v.mp4", "b/v.avi"):
        write_video(tmp_path / name, frames=2)
    with pytest.raises(UserError, match="would both be video 'v'"):
        raw_files(tmp_path)


def test_a_folder_without_videos(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(MissingData, match=r"No raw video below .*: expected \.mp4"):
        raw_files(tmp_path)
    with pytest.raises(MissingData, match="No folder"):
        raw_files(tmp_path / "other")


@pytest.mark.parametrize(("start", "expected"), [(0.0, [1, 1, 1, 1]), (0.5, [0, 0, 1, 1]), (-0.5, [1, 1, 0, 0])])
def test_sound_is_laid_in_time_with_the_frames(start: float, expected: list[int], tmp_path: Path):
    (tmp_path / "s.wav").write_bytes(wav(Audio(np.full(4, 0.5, np.float32), 4, start), 1.0))
    samples, rate = soundfile.read(tmp_path / "s.wav")
    assert rate == 4
    assert (samples > 0.25).astype(int).tolist() == expected


def test_every_face_is_in_the_table_and_the_person_is_marked():
    own, other = Face(Box(0, 0, 9, 9), 0.8, np.zeros((5, 2), np.float32)), Face(Box(20, 0, 30, 9), 0.7)
    lines = face_table("v_left", [0.0, 0.04], [[own, other], []], [own, None]).splitlines()
    assert lines[0].split(",") == list(COLUMNS)
    assert lines[1].split(",")[:9] == ["v_left", "1", "0.0000", "1", "0.00", "0.00", "9.00", "9.00", "0.8000"]
    assert lines[2].split(",") == ["v_left", "1", "0.0000", "0", "20.00", "0.00", "30.00", "9.00", "0.7000", *[""] * 10]
    assert len(lines) == 3


# -- the command ----------------------------------------------------------------------------------


def asked(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> Any:
    monkeypatch.setattr(room, "DetectorSpec", Spec)
    return CliRunner().invoke(command, [*map(str, words), "--workers", "1"], catch_exceptions=False)


def test_the_command_tells_what_it_made(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done = asked(monkeypatch, raw, "--out", tmp_path / "out", "-q")
    assert done.stdout.splitlines() == [
        "video1: 12 frames at 10.00 a second, no face in 2",
        "video2: 12 frames at 10.00 a second, no face in 2",
        f"2 prepared, 0 before, 0 failed, in {tmp_path / 'out'}",
    ]


def test_where_some_failed_it_says_which_and_why(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (raw / "broken.mp4").write_text("no video")
    with pytest.raises(SomeTasksFailed, match="1 of the videos could not be prepared"):
        asked(monkeypatch, raw, "--out", tmp_path / "out", "-q")
    assert (tmp_path / "out" / "faces" / "video2.json").is_file()


def test_as_json(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    done = asked(monkeypatch, raw, "--out", tmp_path / "out", "-q", "--json")
    told = json.loads(done.stdout)
    assert [one["video"] for one in told["made"]] == ["video1", "video2"]
    assert (told["kept"], told["failed"]) == ([], {})


@pytest.mark.slow
def test_worker_processes_make_the_same(raw: Path, tmp_path: Path):
    spec = DetectorSpec("full_frame", None, "cpu")
    for name, workers in (("one", 1), ("two", 2)):
        prepare(raw_files(raw), tmp_path / name, Settings(size=32), spec, workers=workers)
    files = {
        name: {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.jpg")}
        for name in ("one", "two")
    }
    assert files["one"] == files["two"]
    assert len(files["one"]) == 2 * FRAMES
