from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import plugins
from harness.detect import make_detector
from harness.errors import MissingData, UserError
from harness.hookspecs import hookimpl
from harness.types import Face, Image


class Named:
    weights_sha256 = ""

    def __init__(self, name: str, **options: Any) -> None:
        self.name, self.options = name, options

    def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
        return [[] for _ in images]


def retinaface(weights: str | None = None, *, preset: str | None = None, device: str = "cpu") -> Named:
    if weights is None:
        raise MissingData("no weights of retinaface")
    return Named("retinaface", preset=preset, device=device)


def yunet(weights: str | None = None) -> Named:
    return Named("yunet")


def loaded(monkeypatch: pytest.MonkeyPatch, **detectors: Any) -> plugins.Plugins:
    class Some:
        @hookimpl
        def provide_detectors(self) -> Any:
            return detectors

    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    return plugins.load({"some": Some()})


def test_a_detector_is_made_on_the_device_with_its_preset(monkeypatch: pytest.MonkeyPatch):
    some = loaded(monkeypatch, retinaface=retinaface, yunet=yunet)
    made: Any = make_detector(some, "retinaface:mnet025", "w.pth", "cuda:1")
    assert made.options == {"preset": "mnet025", "device": "cuda:1"}
    assert make_detector(some, "yunet", None, "cpu").name == "yunet"
    with pytest.raises(UserError, match="'yunet' has no presets"):
        make_detector(some, "yunet:small", None, "cpu")
    with pytest.raises(UserError, match=r"'retinafase'\. Did you mean 'retinaface'"):
        make_detector(some, "retinafase", None, "cpu")


def test_auto_is_the_first_that_can_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    some = loaded(monkeypatch, retinaface=retinaface, yunet=yunet)
    (tmp_path / "w.pth").touch()
    assert make_detector(some, "auto", str(tmp_path / "w.pth"), "cpu").name == "retinaface"
    assert make_detector(some, "auto", None, "cpu").name == "yunet"


def test_auto_tells_once_that_weights_cannot_be_had(monkeypatch: pytest.MonkeyPatch):
    some = loaded(monkeypatch, retinaface=retinaface, yunet=yunet)
    with pytest.raises(UserError, match=r"^Weights by URL need their SHA-256"):
        make_detector(some, "auto", "https://host/w.pth", "cpu")
    with pytest.raises(MissingData, match=r"^nowhere\.pth is not a file\. A detector's weights are a path, hf:"):
        make_detector(some, "auto", "nowhere.pth", "cpu")


def test_auto_never_takes_the_frame_for_the_face(monkeypatch: pytest.MonkeyPatch):
    some = loaded(monkeypatch, retinaface=retinaface, full_frame=lambda weights=None: Named("full_frame"))
    with pytest.raises(MissingData, match=r"no detector can be used here\. no weights of retinaface"):
        make_detector(some, "auto", None, "cpu")
