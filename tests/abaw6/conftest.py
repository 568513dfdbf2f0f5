from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

EXPR_HEADER = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    return cache


class Disk:
    """Writes tiny data sets by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def text(self, path: str, *lines: str, end: str = "\n") -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes("".join(line + end for line in lines).encode())
        return target

    def image(self, path: str, grey: int = 0) -> Path:
        from PIL import Image

        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), grey).save(target)
        return target

    def video(
        self,
        path: str,
        *,
        fps: Fraction = Fraction(10),
        ticks: Sequence[int] = tuple(range(10)),
        tone: float | None = None,
        late: float = 0.0,
    ) -> Path:
        """Frames at `ticks` / fps, 20 * index grey; one second of a 440 Hz tone from `late` seconds on."""
        import av

        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(target), "w") as container:
            stream = container.add_stream("mpeg4", rate=fps)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
            stream.codec_context.time_base = 1 / fps
            stream.codec_context.gop_size = 4
            sound = container.add_stream("aac", rate=16_000, layout="mono") if tone is not None else None
            for index, tick in enumerate(ticks):
                frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 20 * index, np.uint8), format="rgb24")
                frame.pts, frame.time_base = tick, 1 / fps
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if sound is not None:
                wave_S = (tone * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)
                heard = av.AudioFrame.from_ndarray(wave_S[None], format="fltp", layout="mono")
                heard.sample_rate, heard.pts, heard.time_base = 16_000, round(late * 16_000), Fraction(1, 16_000)
                container.mux(sound.encode(heard))
                container.mux(sound.encode(None))
        return target


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "data")
