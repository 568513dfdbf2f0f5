"""Near-duplicate frames between videos that no split should find alike, told by pairs of videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.audit import near
from harness.audit.framehash import grey, hash_frames
from harness.audit.inventory import PAIRS, SIDES
from harness.audit.near import Alike, Places

if TYPE_CHECKING:
    from harness.audit.inventory import Source
    from harness.progress import Progress
    from harness.store import Store
    from harness.types import Video, View

LOOKED = 10_000  # pairs of videos whose closest frames are opened: a minute
LISTED = 200  # pairs of videos that are told
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
    what they lie across ("train/valid", ..., "folds"), and those of different recordings whose closest frames are one
    picture. `pairs` tells LISTED pairs: such first, then one picture of one recording, then mere likeness, each in
    the order of how many frames resemble one of the other; with up to three samples and their `likeness`.
    """
    reader, videos = source.reader, source.reader.videos()
    frames = hash_frames(reader, videos, store, progress, threads=threads)
    places = places_of(videos, fold_of)
    found = near.find(frames, places, distance, progress)
    view = reader.view()
    see = partial(_seen, videos=videos, places=places, view=view)
    seen = [see(one) for one in progress(found[:LOOKED], "open the closest frames")]
    seen.sort(key=lambda pair: (not pair.one_picture, pair.same_recording))
    across = [_across(videos, places, *one.videos) for one in found]
    names = [*map("/".join, PAIRS), "folds"]
    new = [pair.across for pair in seen if pair.one_picture and not pair.same_recording]
    return {
        "distance": distance,
        "frames": len(frames.hash_N),
        "flat_frames": frames.flat,
        "video_pairs": len(found),
        "across": {
            name: {"pairs": sum(name in one for one in across), "one_picture": sum(name in one for one in new)}
            for name in names
        },
        "pairs": [_told(pair, view, f"{source.root.path}/") for pair in seen[:LISTED]],
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


@dataclass(frozen=True)
class _Seen:
    """Two videos that share frames, what they lie across, and how alike their closest frames really are."""

    alike: Alike
    videos: tuple[Video, Video]
    across: tuple[str, ...]
    likeness: float

    @property
    def same_recording(self) -> bool:
        return self.videos[0].group == self.videos[1].group

    @property
    def one_picture(self) -> bool:
        return self.likeness >= SAME


def _seen(alike: Alike, *, videos: Sequence[Video], places: Places, view: View) -> _Seen:
    one, other = (videos[place] for place in alike.videos)
    closest = [likeness(view, (one, a), (other, b)) for a, b, _ in alike.samples]
    return _Seen(alike, (one, other), _across(videos, places, *alike.videos), max(closest))


def _told(pair: _Seen, view: View, root: str) -> dict[str, Any]:
    first, second = pair.videos
    return {
        "videos": [first.key, second.key],
        "same_recording": pair.same_recording,
        "across": list(pair.across),
        "frames": list(pair.alike.frames),
        "of": [int(first.face_F.sum()), int(second.face_F.sum())],
        "bits": pair.alike.distance,
        "likeness": pair.likeness,
        "samples": [
            [_frame_name(view, first, a, root), _frame_name(view, second, b, root)] for a, b, _ in pair.alike.samples
        ],
    }


def _across(videos: Sequence[Video], places: Places, one: int, other: int) -> tuple[str, ...]:
    """What two videos lie across: their two sides where these differ, "folds" where their folds do."""
    sides = sorted({videos[one].side, videos[other].side}, key=SIDES.index)
    folds = places.fold_V[[one, other]].tolist()
    across_folds = min(folds) >= 0 and folds[0] != folds[1]
    return (*(["/".join(sides)] if len(sides) > 1 else []), *(["folds"] if across_folds else []))


def _frame_name(view: View, video: Video, frame: int, root: str) -> str:
    """The image's file below the root where the view tells it, else the video and the frame, counted from 0."""
    if not hasattr(view, "image_path"):
        return f"{video.id}, frame {frame}"
    return str(view.image_path(video, frame)).removeprefix(root)
