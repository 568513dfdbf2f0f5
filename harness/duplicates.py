"""Near-duplicate frames between videos that no split should find alike, told by pairs of videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import near
from harness.framehash import grey, hash_frames
from harness.inventory import PAIRS, SIDES
from harness.near import Alike, Places

if TYPE_CHECKING:
    from harness.inventory import Source
    from harness.progress import Progress
    from harness.store import Store
    from harness.types import Video, View

LISTED = 200  # pairs of videos that are told; all are counted
LIKENESS = 64  # grey pixels a side that sample frames are compared by
SAME = 0.95  # a likeness from which on two frames are called one picture


def duplicates(
    source: Source,
    fold_of: Mapping[str, int],
    store: Store,
    progress: Progress,
    *,
    distance: int = 4,
    threads: int = 1,
) -> dict[str, Any]:
    """Frames at most `distance` bits of 64 apart, of videos on different sides or in different folds (`fold_of`).

    Frames of one recording on one side resemble each other and are not compared. `across` counts pairs of videos by
    what they lie across ("train/valid", ..., "folds"). `pairs` tells the LISTED ones that share most frames, the same
    pictures first: how many of each resemble one of the other, and up to three samples with their `likeness`.
    """
    reader, videos = source.reader, source.reader.videos()
    frames = hash_frames(reader, videos, store, progress, threads=threads)
    places = places_of(videos, fold_of)
    found = near.find(frames, places, distance, progress)
    view = reader.view()
    told = [_told(one, videos, places, view, f"{source.root.path}/") for one in progress(found[:LISTED], "see samples")]
    across = [_across(videos, places, *one.videos) for one in found]
    return {
        "distance": distance,
        "frames": len(frames.hash_N),
        "flat_frames": frames.flat,
        "video_pairs": len(found),
        "across": {name: sum(name in names for names in across) for name in (*map("/".join, PAIRS), "folds")},
        "pairs": sorted(told, key=lambda pair: pair["likeness"] < SAME),
    }


def places_of(videos: Sequence[Video], fold_of: Mapping[str, int]) -> Places:
    """Sides, recordings and folds as numbers."""
    group_of = {group: number for number, group in enumerate(sorted({video.group for video in videos}))}
    return Places(
        side_V=np.array([SIDES.index(video.side) for video in videos], np.int64),
        group_V=np.array([group_of[video.group] for video in videos], np.int64),
        fold_V=np.array([fold_of.get(video.key, -1) for video in videos], np.int64),
    )


def likeness(view: View, one: tuple[Video, int], other: tuple[Video, int]) -> float:
    """The correlation of two frames' grey pixels at 64 x 64: near 1 for one picture, whatever its size and brightness.

    A hash tells coarse shapes alone, and strangers' faces in one pose may share those.
    """
    pixels = [grey(image, LIKENESS) for video, frame in (one, other) for image in view.images(video, [frame])]
    return round(float(np.corrcoef(pixels[0].ravel(), pixels[1].ravel())[0, 1]), 3)


def _told(one: Alike, videos: Sequence[Video], places: Places, view: View, root: str) -> dict[str, Any]:
    first, second = (videos[place] for place in one.videos)
    like = [likeness(view, (first, a), (second, b)) for a, b, _ in one.samples]
    samples = [
        {"frames": [_frame_name(view, first, a, root), _frame_name(view, second, b, root)], "bits": bits, "likeness": r}
        for (a, b, bits), r in zip(one.samples, like, strict=True)
    ]
    return {
        "videos": [first.key, second.key],
        "same_recording": first.group == second.group,
        "across": _across(videos, places, *one.videos),
        "frames": list(one.frames),
        "of": [int(first.face_F.sum()), int(second.face_F.sum())],
        "bits": one.distance,
        "likeness": max(like),
        "samples": samples,
    }


def _across(videos: Sequence[Video], places: Places, one: int, other: int) -> list[str]:
    """What two videos lie across: their two sides where these differ, "folds" where their folds do."""
    sides = sorted({videos[one].side, videos[other].side}, key=SIDES.index)
    folds = places.fold_V[[one, other]].tolist()
    across_folds = min(folds) >= 0 and folds[0] != folds[1]
    return [*(["/".join(sides)] if len(sides) > 1 else []), *(["folds"] if across_folds else [])]


def _frame_name(view: View, video: Video, frame: int, root: str) -> str:
    """The image's file below the root where the view tells it, else the video and the frame, counted from 0."""
    if not hasattr(view, "image_path"):
        return f"{video.id}, frame {frame}"
    return str(view.image_path(video, frame)).removeprefix(root)
