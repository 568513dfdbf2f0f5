from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from harness import media
from harness.errors import MissingData, UserError
from harness.media import VideoFile, crop_square, read_audio
from harness.types import Box

FRAMES = {"bbaf2n.mpg": 75, "sbia1a.mpg": 75, "id2_vcd_swwp2s.mpg": 75, "single_face.mp4": 72, "face_noface.mov": 169}


@pytest.fixture
def clip(test_data: Path):
    """A real clip by name."""
    return lambda name: next(test_data.rglob(name))


def write_video(
    path: Path, *, frames: int = 10, times: list[int] | None = None, tone: float | None = None, sound_from: float = 0.0
) -> Path:
    """64 x 48 pixels, its left half red; `times` in 1/1000 s; a stereo tone of amplitude `tone`, both sides equal."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32, 0] = 255
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream("aac", rate=16_000, layout="stereo") if tone is not None else None
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = times[index] if times else index * 40
            frame.time_base = Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None and tone is not None:
            wave = (tone * np.sin(np.arange(8192) / 16_000 * 440 * 2 * np.pi)).astype(np.float32)
            for at in range(0, 8192, 1024):
                part = av.AudioFrame.from_ndarray(np.stack([wave[at : at + 1024]] * 2), format="fltp", layout="stereo")
                part.sample_rate, part.time_base, part.pts = (
                    16_000,
                    Fraction(1, 16_000),
                    at + round(sound_from * 16_000),
                )
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize(("name", "frames"), FRAMES.items())
def test_every_real_clip_decodes_to_its_true_number_of_frames(clip, name: str, frames: int):
    file = VideoFile(clip(name))
    decoded = [(frame.number, frame.time, frame.image.shape[2], frame.image.dtype) for frame in file]
    assert [d[0] for d in decoded] == list(range(frames))
    assert tuple(d[1] for d in decoded) == file.times
    assert {d[2:] for d in decoded} == {(3, np.dtype(np.uint8))}
    assert file.damaged == 0


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path):
    times = [100, 133, 200, 480, 500]  # a clip need not begin at 0
    file = VideoFile(write_video(tmp_path / "v.mp4", frames=5, times=times))
    assert file.times == pytest.approx([0, 0.033, 0.1, 0.38, 0.4], abs=1e-3)


def test_colours_are_rgb(tmp_path: Path):
    image = next(iter(VideoFile(write_video(tmp_path / "v.mp4")))).image
    assert image.shape == (48, 64, 3)
    assert image[24, 8].tolist() == pytest.approx([255, 0, 0], abs=12)
    assert image[24, 56].tolist() == pytest.approx([0, 0, 0], abs=12)


def test_a_phone_held_upright_is_turned(tmp_path: Path):
    path = write_video(tmp_path / "v.mp4")
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44
    one = 1 << 16
    quarter_turn = (0, one, 0, -one, 0, 0, 48 * one, 0, 1 << 30)
    content[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in quarter_turn)
    path.write_bytes(content)
    image = next(iter(VideoFile(path))).image
    assert image.shape == (64, 48, 3)  # clockwise: the red left half is now the upper half
    assert image[8, 24].tolist() == pytest.approx([255, 0, 0], abs=12)
    assert image[56, 24].tolist() == pytest.approx([0, 0, 0], abs=12)


def test_sound_that_is_equal_on_both_sides_keeps_its_level(tmp_path: Path):
    sound = VideoFile(write_video(tmp_path / "v.mp4", tone=0.5)).audio()
    assert sound is not None
    assert (sound.rate, sound.samples_S.dtype, sound.samples_S.ndim) == (16_000, np.float32, 1)
    assert np.abs(sound.samples_S[2000:6000]).max() == pytest.approx(0.5, abs=0.03)
    assert sound.start == pytest.approx(0, abs=0.07)


def test_late_silent_and_absent_sound(tmp_path: Path):
    late = VideoFile(write_video(tmp_path / "late.mp4", frames=60, tone=0.5, sound_from=1.5)).audio()
    assert late is not None
    assert late.start == pytest.approx(1.5, abs=0.07)
    silent = VideoFile(write_video(tmp_path / "silent.mp4", tone=0.0)).audio()
    assert silent is not None
    assert np.abs(silent.samples_S).max() == 0
    assert VideoFile(write_video(tmp_path / "mute.mp4")).audio() is None


def test_the_real_late_sound_starts_late(clip):
    sound = VideoFile(clip("face_noface.mov")).audio()
    assert sound is not None
    assert sound.start == pytest.approx(2.43, abs=0.01)
    assert len(sound.samples_S) / sound.rate == pytest.approx(176128 / 44100, abs=0.1)


def test_a_cover_picture_is_no_video(tmp_path: Path):
    with av.open(str(tmp_path / "plain.mp3"), "w") as container:
        stream = container.add_stream("mp3", rate=16_000, layout="mono")
        for at in range(0, 16_000, 1152):
            part = av.AudioFrame.from_ndarray(np.full((1, 1152), 0.1, np.float32), format="fltp", layout="mono")
            part.sample_rate, part.pts = 16_000, at
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    path = tmp_path / "with_cover.mp3"
    path.write_bytes(cover_tag() + (tmp_path / "plain.mp3").read_bytes())
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1  # the trap
    with pytest.raises(UserError, match="holds no video"):
        VideoFile(path)
    sound = read_audio(path)
    assert sound is not None
    assert len(sound.samples_S) / sound.rate == pytest.approx(1.0, abs=0.15)


def cover_tag() -> bytes:
    """An ID3v2.3 tag with a JPEG picture."""
    picture = io.BytesIO()
    Pillow.new("RGB", (16, 16), "green").save(picture, format="jpeg")
    body = b"\0image/jpeg\0\x03\0" + picture.getvalue()
    frame = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = bytes((len(frame) >> shift) & 127 for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frame


def test_a_damaged_packet_is_counted_and_left_out(tmp_path: Path):
    path = write_video(tmp_path / "v.mp4", frames=30)
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    at, size = packets[24]  # a key frame comes every 12
    content[at : at + size] = bytes(size)
    path.write_bytes(content)
    file = VideoFile(path)
    times = [frame.time for frame in file]
    assert file.damaged == 1
    assert len(times) == 29
    assert max(np.diff(times)) == pytest.approx(0.08)


def test_a_file_cut_off_gives_what_it_holds(clip, tmp_path: Path):
    content = bytearray(clip("bbaf2n.mpg").read_bytes())
    path = tmp_path / "cut.mpg"
    path.write_bytes(content[: len(content) // 2])
    frames = list(VideoFile(path))
    assert 20 < len(frames) < 75
    assert len(frames) == len(VideoFile(path).times)


def test_what_is_no_video_is_named(tmp_path: Path):
    with pytest.raises(MissingData, match=r"No such file: .*none\.mp4"):
        VideoFile(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(UserError, match=r"text\.mp4 cannot be read as video or sound"):
        VideoFile(tmp_path / "text.mp4")


def test_an_unknown_codec_is_named(tmp_path: Path):
    path = write_video(tmp_path / "odd.avi")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"ZQZQ").replace(b"mp4v", b"ZQZQ"))
    with pytest.raises(UserError, match=r"odd\.avi cannot be read as video or sound: Decoder not found$"):
        list(VideoFile(path))


@pytest.mark.parametrize("kind", [av.error.PatchWelcomeError, av.error.ExternalError, av.error.UnknownError])
def test_whatever_else_the_decoder_says_names_the_file(kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def some_frames(*known: Any) -> Iterator[Any]:
        yield next(frames(*known))
        raise kind(1, "no luck")

    path, frames = write_video(tmp_path / "odd.mp4"), media._frames
    monkeypatch.setattr(media, "_frames", some_frames)
    with pytest.raises(UserError, match=r"odd\.mp4 cannot be read as video or sound: no luck$"):
        list(VideoFile(path))


def test_crop_square_is_the_box_widened_about_its_centre():
    image = np.arange(100 * 100, dtype=np.uint8).reshape(100, 100, 1).repeat(3, axis=2)
    cut = crop_square(image, Box(40, 45, 60, 55), margin=1.5)
    assert cut.shape == (30, 30, 3)
    assert np.array_equal(cut, image[35:65, 35:65])


def test_crop_square_repeats_the_edge_outside_the_frame():
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, 0] = 200
    cut = crop_square(image, Box(-4, 4, 6, 14), margin=1.0)
    assert cut.shape == (10, 10, 3)
    assert (cut[:, :5] == 200).all()
    assert (cut[:, 5:] == 0).all()


def test_crop_square_moves_smoothly_with_a_fractional_box():
    ramp = np.linspace(0, 255, 64)[None, :, None].repeat(64, 0).repeat(3, 2).astype(np.uint8)
    means = [crop_square(ramp, Box(20 + d, 20, 36 + d, 36), size=24).mean() for d in (0.0, 0.25, 0.5, 0.75, 1.0)]
    steps = np.diff(means)
    assert steps == pytest.approx([steps.mean()] * 4, abs=0.25)
    assert crop_square(ramp, Box(20.3, 20.1, 36.2, 36), size=24).shape == (24, 24, 3)
