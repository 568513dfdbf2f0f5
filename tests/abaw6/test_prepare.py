"""Raw videos to data sets: what is written, what a reader makes of it, what a bad file does to the others."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from abaw6 import prepare as room
from abaw6.affwild2 import AffWild2
from abaw6.cexpr import CExpr
from abaw6.hume import HumeVidmimic2
from abaw6.prepare import DetectorSpec, Summary, devices_of, prepare, processes, raw_files, specs_of
from abaw6.prepare_command import prepare as command
from abaw6.prepare_video import COLUMNS, Settings, face_table, prepare_video, wav
from abaw6.specs import TASKS
from abaw6.transcripts import Recogniser, transcribe
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


def test_c_expr_is_read_too(raw: Path, tmp_path: Path):
    out = tmp_path / "out"
    files = [path.rename(raw / f"0{i}{path.suffix}") for i, path in enumerate(raw_files(raw), start=1)]
    prepare(files, out, Settings(layout="c-expr", size=32), SPEC)
    reader = CExpr(out, TASKS["ce"])
    videos = reader.videos()
    assert [(v.key, v.frames, v.fps, int(v.face_F.sum())) for v in videos] == [
        ("test/01", 12, 10.0, 10), ("test/02", 12, 10.0, 10),
    ]  # fmt: skip
    view = reader.view()
    assert [image.shape for image in view.images(videos[0], [0, 11])] == [(32, 32, 3)] * 2
    assert view.audio(videos[1]) is not None
    assert [len(frame.boxes or ()) for frame in view.scene(videos[0], 2)] == [1, 1]


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


def test_a_file_of_an_unknown_codec_stops_no_other(raw: Path, tmp_path: Path):
    path = write_video(raw / "a.avi")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZQZQ").replace(b"mp4v", b"ZQZQ"))
    summary = prepare(raw_files(raw), tmp_path / "out", Settings(size=32), SPEC)
    assert [one.video for one in summary.made] == ["video1", "video2"]
    assert summary.failed == {"a.avi": f"{path} cannot be read as video or sound: Decoder not found"}


class Odd(Exception):
    """Of no kind that anybody expects, as cv2.error is."""


def test_whatever_a_detector_raises_stops_no_other_file(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def once(self: Bright, images: Sequence[Image]) -> list[list[Face]]:
        monkeypatch.undo()
        raise Odd("OpenCV(5.0.0)\n  error: (-215) !empty()")

    monkeypatch.setattr(Bright, "__call__", once)
    summary = prepare(raw_files(raw), tmp_path / "out", Settings(size=32), SPEC)
    assert [one.video for one in summary.made] == ["video1"]
    assert summary.failed == {"video2.mp4": "Odd: OpenCV(5.0.0) error: (-215) !empty()"}


def parts_of(out: Path, video: str) -> list[str]:
    """What a data set holds of one video."""
    parts = {path.relative_to(out) for path in out.rglob("*") if path.stem == video}
    return sorted(map(str, parts))


def test_a_changed_file_that_fails_leaves_nothing_of_what_it_was(raw: Path, tmp_path: Path):
    out = tmp_path / "out"
    prepare(raw_files(raw), out, Settings(size=32), SPEC)
    heard(out, "video1", "video2")
    (raw / "video1.avi").write_text("no video any more")
    assert prepare(raw_files(raw), out, Settings(size=32), SPEC).failed.keys() == {"video1.avi"}
    assert parts_of(out, "video1") == []
    assert parts_of(out, "video2") == [
        "audio/video2.wav", "batch1/video2.mp4", "cropped_aligned/video2", "faces/video2.csv", "faces/video2.json",
    ]  # fmt: skip
    assert "video1" not in (out / "batch1" / "face_boxes.csv").read_text()
    assert "video1" not in (out / "transcripts.csv").read_text()
    assert "video2" in (out / "transcripts.csv").read_text()


def heard(out: Path, *videos: str) -> None:
    """Transcripts as `--transcribe` writes them."""

    class Deaf(Recogniser):
        def __init__(self) -> None:
            self.model = "deaf"

        def about(self) -> dict[str, str]:
            return {"model": self.model}

        def __call__(self, path: Path) -> str:
            return "something"

    transcribe(out, "audio", videos, Deaf())


def test_a_video_that_lost_its_sound_keeps_none(raw: Path, tmp_path: Path):
    out = tmp_path / "out"
    prepare(raw_files(raw), out, Settings(size=32), SPEC)
    heard(out, "video1", "video2")
    write_video(raw / "video1.avi", sound=False)
    assert made(prepare(raw_files(raw), out, Settings(size=32), SPEC)) == [("video1", 12, 10, False)]
    assert [path.name for path in (out / "audio").iterdir()] == ["video2.wav"]
    assert "video1" not in (out / "transcripts.csv").read_text()


def test_a_changed_file_that_kills_its_process_leaves_nothing_either(raw: Path, tmp_path: Path):
    class Stopped(Bright):
        def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    prepare(raw_files(raw), out, Settings(size=32), SPEC)
    write_video(raw / "video1.avi", frames=8)
    with pytest.raises(KeyboardInterrupt):
        prepare_video(raw / "video1.avi", out, Settings(size=32), Stopped())
    assert parts_of(out, "video1") == []


def test_the_same_file_done_in_another_way_keeps_what_there_is_until_it_succeeds(raw: Path, tmp_path: Path):
    class Boxes(Bright):
        def _faces(self, image: Image) -> list[Face]:
            return [Face(face.box, face.score) for face in super()._faces(image)]

    out = tmp_path / "out"
    prepare(raw_files(raw), out, Settings(size=32), SPEC)
    before = parts_of(out, "video1")
    with pytest.raises(UserError, match="--align"):
        prepare_video(raw / "video1.avi", out, Settings(align=True), Boxes())
    assert parts_of(out, "video1") == before
    assert len(prepare(raw_files(raw), out, Settings(size=32), SPEC).kept) == 2


def test_a_video_killed_while_it_is_put_in_place_is_not_finished(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def killed(*known: Any) -> str:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    prepare(raw_files(raw), out, Settings(size=32), SPEC)
    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare(raw_files(raw), out, Settings(size=40), SPEC)
    monkeypatch.undo()
    again = prepare(raw_files(raw), out, Settings(size=32), SPEC)
    assert [one.video for one in again.made] == ["video2"]  # the first in order of paths
    assert [one.video for one in again.kept] == ["video1"]


@pytest.mark.parametrize("how", ["link", "copy"])
def test_a_changed_raw_video_is_placed_anew(how: str, raw: Path, tmp_path: Path):
    out = tmp_path / "out"
    prepare(raw_files(raw), out, Settings(size=32), SPEC, raw=how)
    (raw / "video1.avi").unlink()
    write_video(raw / "video1.mp4", frames=8)
    write_video(raw / "b" / "video2.mp4", frames=9).rename(raw / "video2.mp4")
    prepare(raw_files(raw), out, Settings(size=32), SPEC, raw=how)
    placed = out / "batch1"
    assert (placed / "video1.mp4").read_bytes() == (raw / "video1.mp4").read_bytes()
    assert (placed / "video2.mp4").read_bytes() == (raw / "video2.mp4").read_bytes()
    assert (placed / "video1.avi").exists() == (how == "copy")  # a file may be somebody's only one, a link is not


def test_a_raw_video_of_ones_own_is_never_replaced_by_a_link(raw: Path, tmp_path: Path):
    own = write_video(tmp_path / "out" / "batch1" / "video1.avi", frames=3)
    content = own.read_bytes()
    summary = prepare(raw_files(raw), tmp_path / "out", Settings(size=32), SPEC)
    assert "is another file than" in summary.failed["video1.avi"]
    assert own.read_bytes() == content
    assert (tmp_path / "out" / "batch1" / "video2.mp4").is_symlink()


def test_raw_videos_may_lie_in_the_data_set_already(raw: Path, tmp_path: Path):
    (raw / "b" / "video2.mp4").unlink()
    inside = raw.rename(tmp_path / "batch1")
    for frames in (FRAMES, 8):
        write_video(inside / "video1.avi", frames=frames)
        summary = prepare(raw_files(inside), tmp_path, Settings(size=32), SPEC)
        assert summary.failed == {}
    assert (inside / "video1.avi").is_file()
    assert not (inside / "video1.avi").is_symlink()


def test_another_person_of_the_same_videos_needs_a_data_set_of_its_own(raw: Path, tmp_path: Path):
    out = tmp_path / "out"
    prepare(raw_files(raw), out, Settings(size=32, person="track:1"), SPEC)
    before = (out / "faces" / "video1.json").read_text()
    with pytest.raises(UserError, match=f"^{out} holds 'video2' of --person track:1.* --out {out}_track2$"):
        prepare(raw_files(raw), out, Settings(size=32, person="track:2"), SPEC)
    with pytest.raises(UserError, match=f"holds 'video2' of --person track:1.* --out {out}_largest$"):
        prepare(raw_files(raw), out, Settings(size=32), SPEC)
    assert (out / "faces" / "video1.json").read_text() == before
    assert len(prepare(raw_files(raw), out, Settings(size=32, person="track:1"), SPEC).kept) == 2


def test_who_is_left_or_right_has_an_id_of_their_own_and_fits_beside(raw: Path, tmp_path: Path):
    out = tmp_path / "out"
    prepare(raw_files(raw), out, Settings(size=32), SPEC)
    beside = prepare(raw_files(raw), out, Settings(size=32, person="left"), SPEC)
    assert "nobody is the left one" in beside.failed["video1.avi"]
    assert (out / "cropped_aligned" / "video1").is_dir()


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


class Echo:
    """Hears nothing but its own name; fails on what it is told to."""

    fails_on: tuple[str, ...] = ()

    def __init__(self, model: str, device: str = "cpu", revision: str | None = None) -> None:
        if model == "mistyped":
            raise MissingData("--transcribe: no folder 'mistyped'")
        self.model = model

    def about(self) -> dict[str, str]:
        return {"model": self.model}

    def __call__(self, path: Path) -> str:
        if path.stem in self.fails_on:
            raise RuntimeError("input is too small")
        return self.model


HUME = ("--layout", "hume-vidmimic2", "-q", "--transcribe")


def test_transcripts_are_written_and_one_that_fails_stops_no_other(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("abaw6.transcripts.Recogniser", Echo)
    monkeypatch.setattr(Echo, "fails_on", ("video1",))
    monkeypatch.setattr(room, "DetectorSpec", Spec)
    words = [*map(str, (raw, "--out", tmp_path / "out", *HUME, "echo", "--workers", "1"))]
    done = CliRunner().invoke(command, words)
    assert isinstance(done.exception, SomeTasksFailed)
    assert done.exception.exit_code == 4
    assert done.stderr == "failed: video1.wav: RuntimeError: input is too small\n"
    assert done.stdout.splitlines()[-1] == f"2 prepared, 0 before, 1 failed, in {tmp_path / 'out'}"
    with (tmp_path / "out" / "transcripts.csv").open(newline="") as lines:
        assert [(row["Filename"], row["text"]) for row in csv.DictReader(lines)] == [("video2", "echo")]


def test_the_summary_is_told_whatever_happens_to_transcripts(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*known: Any, **more: Any) -> None:
        raise OSError("No space left on device")

    (raw / "broken.mp4").write_text("no video")
    monkeypatch.setattr("abaw6.transcripts.Recogniser", Echo)
    monkeypatch.setattr("abaw6.transcripts.transcribe", full)
    monkeypatch.setattr(room, "DetectorSpec", Spec)
    words = [*map(str, (raw, "--out", tmp_path / "out", *HUME, "echo", "--workers", "1"))]
    done = CliRunner().invoke(command, words)
    assert isinstance(done.exception, OSError)
    assert done.stdout.splitlines()[-1] == f"2 prepared, 0 before, 1 failed, in {tmp_path / 'out'}"
    assert "failed: broken.mp4" in done.stderr


def test_a_mistyped_recogniser_is_told_before_the_work(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("abaw6.transcripts.Recogniser", Echo)
    with pytest.raises(MissingData, match="no folder 'mistyped'"):
        asked(monkeypatch, raw, "--out", tmp_path / "out", *HUME, "mistyped")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("layout", ["aff-wild2", "c-expr"])
def test_transcripts_that_nobody_reads_are_refused(
    layout: str, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("abaw6.transcripts.Recogniser", Echo)
    with pytest.raises(UserError, match=rf"^--transcribe: .*--layout hume-vidmimic2.*{layout}") as error:
        asked(monkeypatch, raw, "--out", tmp_path / "out", "--layout", layout, "--transcribe", "echo")
    assert error.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_one_process_per_core_or_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    assert devices_of("cuda") == ["cuda:0", "cuda:1", "cuda:2"]
    assert [devices_of(device) for device in ("cuda:1", "cpu")] == [["cuda:1"], ["cpu"]]
    assert [processes(device) for device in ("cuda", "cuda:1", "cpu")] == [3, 1, 5]


def test_each_process_drives_the_next_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.set_num_threads", lambda many: None)
    monkeypatch.setattr("signal.signal", lambda *known: None)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    for device, expected in (("cuda", ["cuda:0", "cuda:1", "cuda:0"]), ("cuda:1", ["cuda:1"] * 3)):
        specs, begun = specs_of(Spec("bright", None, device)), get_context("spawn").Value("i", 0)
        driven = []
        for _ in range(3):
            monkeypatch.setattr(room, "_worker", {})
            room._begin(specs, begun)
            driven.append(room._worker["spec"].device)
        assert driven == expected


def test_the_command_starts_one_process_per_gpu(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def noted(*known: Any, **more: Any) -> Summary:
        asked_for.append(more["workers"])
        return Summary()

    asked_for: list[int] = []
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.setattr("harness.context.check_device", lambda device: None)
    monkeypatch.setattr(room, "prepare", noted)
    for device, more in (("cuda", ()), ("cuda:1", ()), ("cuda", ("--workers", "7"))):
        words = [str(raw), "--out", str(tmp_path / "out"), "--device", device, *more]
        assert CliRunner().invoke(command, words, catch_exceptions=False).exit_code == 0
    assert asked_for == [3, 1, 7]


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
