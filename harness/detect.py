"""Detectors by name, and `auto`: the first that has its weights here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import MissingData, UserError
from harness.types import Detector
from harness.weights import local_file

if TYPE_CHECKING:
    from harness.plugins import Plugins

AUTO = ("retinaface", "yunet")  # never one that takes the frame for the face: that is a decision


def make_detector(plugins: Plugins, name: str, weights: str | None, device: str) -> Detector:
    """The detector called `name`, on `device` where its factory knows devices.

    "auto" is RetinaFace, else YuNet, whichever can read `weights` or has its own here; MissingData naming both where
    none can. Weights that `HARNESS_RETINAFACE_WEIGHTS` names are never passed over: MissingData with the path where
    they cannot be used.
    """
    if name == "auto":  # weights that cannot be had are told once, whoever would have read them
        hint = "A detector's weights are a path, hf:OWNER/NAME/FILE or URL#sha256=HASH"
        return _first(plugins, str(local_file(weights, hint=hint)) if weights else None, device)
    from harness.plugins import takes

    factory, argument = plugins.get("detectors", name)
    options: dict[str, Any] = {"device": device} if takes(factory.thing, "device") else {}
    if argument is not None:
        if not takes(factory.thing, "preset"):
            raise UserError(f"The detector {name.partition(':')[0]!r} has no presets, came {name!r}")
        options["preset"] = argument  # `retinaface:mnet025`
    detector: Detector = factory.thing(weights, **options)
    return detector


def _first(plugins: Plugins, weights: str | None, device: str) -> Detector:
    why = []
    for name in AUTO:
        if name not in plugins.provided("detectors"):
            continue
        variable = f"HARNESS_{name.upper()}_WEIGHTS"
        named = None if weights else os.environ.get(variable)
        try:
            detector = make_detector(plugins, name, weights, device)
            if weights or named:
                _try(detector)
            return detector
        except (MissingData, UserError) as error:
            told = " ".join(str(error).split())
            if named:
                raise MissingData(f"--detector auto: {variable}={named}: {told}") from error
            if not weights and isinstance(error, UserError) and name != AUTO[-1]:  # there, and not what it should be
                raise MissingData(f"--detector auto: {told}") from error
            why.append(told)
    what = f"no detector can use {weights}" if weights else "no detector can be used here"
    raise MissingData(f"--detector auto: {what}. {'; '.join(why)}")


def _try(detector: Detector) -> None:
    """UserError where a detector took weights that are not its own: OpenCV opens any ONNX file as YuNet's."""
    try:
        detector([np.zeros((64, 64, 3), np.uint8)])
    except Exception as error:  # each library has errors of its own
        raise UserError(f"They are no weights of {detector.name!r}: {str(error)[:200]}") from error
