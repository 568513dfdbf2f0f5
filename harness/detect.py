"""Detectors by name, and `auto`: the first that has its weights here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import MissingData, UserError
from harness.types import Detector
from harness.weights import local_file

if TYPE_CHECKING:
    from harness.plugins import Plugins

AUTO = ("retinaface", "yunet")  # never one that takes the frame for the face: that is a decision


def make_detector(plugins: Plugins, name: str, weights: str | None, device: str) -> Detector:
    """The detector called `name`, on `device` where its factory knows devices.

    "auto" is RetinaFace, else YuNet, whichever can read `weights` or has its own here; MissingData naming both where
    none can.
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
        try:
            return make_detector(plugins, name, weights, device)
        except (MissingData, UserError) as error:
            why.append(str(error))
    raise MissingData("--detector auto: no detector can be used here. " + " ".join(why))
