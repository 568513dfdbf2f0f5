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


def test_auto_does_not_pass_over_weights_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def unreadable(weights: str | None = None) -> Named:
        raise UserError("w.pth is not a known RetinaFace checkpoint")

    path = tmp_path / "w.pth"
    monkeypatch.setenv("HARNESS_RETINAFACE_WEIGHTS", str(path))
    for factory in (retinaface, unreadable):
        some = loaded(monkeypatch, retinaface=factory, yunet=yunet)
        with pytest.raises(MissingData, match=f"^--detector auto: HARNESS_RETINAFACE_WEIGHTS={path}: ") as error:
            make_detector(some, "auto", None, "cpu")
        assert error.value.exit_code == 3
    path.touch()  # weights typed on the command line come before the variable
    assert make_detector(some, "auto", str(path), "cpu").name == "yunet"


def test_auto_does_not_pass_over_weights_in_the_cache_that_are_not_what_they_should_be(
    monkeypatch: pytest.MonkeyPatch,
):
    def unknown(weights: str | None = None) -> Named:
        raise UserError("w.pth is not a known RetinaFace checkpoint")

    monkeypatch.delenv("HARNESS_RETINAFACE_WEIGHTS", raising=False)
    some = loaded(monkeypatch, retinaface=unknown, yunet=yunet)
    with pytest.raises(MissingData, match=r"^--detector auto: w\.pth is not a known RetinaFace checkpoint$"):
        make_detector(some, "auto", None, "cpu")


def test_auto_tries_weights_that_any_file_could_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    class Careless(Named):
        def __call__(self, images: Sequence[Image]) -> list[list[Face]]:
            raise RuntimeError("forward failed")

    some = loaded(monkeypatch, yunet=lambda weights=None: Careless("yunet"))
    (tmp_path / "w.onnx").touch()
    with pytest.raises(MissingData, match=r"can use .*w\.onnx\. They are no weights of 'yunet': forward failed"):
        make_detector(some, "auto", str(tmp_path / "w.onnx"), "cpu")


def test_auto_names_the_weights_that_no_detector_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def unreadable(weights: str | None = None) -> Named:
        raise UserError("not a model,\n  says OpenCV")

    some = loaded(monkeypatch, retinaface=unreadable, yunet=unreadable)
    path = tmp_path / "w.pth"
    path.touch()
    with pytest.raises(MissingData, match=rf"^--detector auto: no detector can use {path}\. not a model, says OpenCV"):
        make_detector(some, "auto", str(path), "cpu")
