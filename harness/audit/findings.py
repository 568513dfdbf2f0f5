"""What may be wrong with a data set before anything is trained on it: the answer of `harness data audit`.

The inventory of `harness data check`, near-duplicate frames, and what follows from both in plain sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.audit.duplicates import duplicates
from harness.audit.inventory import count_labels, fold_numbers, inventory

if TYPE_CHECKING:
    from harness.audit.inventory import Source
    from harness.progress import Progress
    from harness.store import Store

FEW = 20  # videos: a label in fewer of those it is judged on hangs on each of them


def audit(source: Source, store: Store, progress: Progress, *, distance: int = 4, threads: int = 1) -> dict[str, Any]:
    """The inventory with `duplicates` and `findings`, the worst first: JSON-able, no label of any frame in it."""
    counts = count_labels(source, progress)
    found = inventory(source, counts)
    alike = duplicates(source, fold_numbers(counts), store, progress, distance=distance, threads=threads)
    return {**found, "duplicates": alike, "findings": findings(found, alike)}


def findings(found: dict[str, Any], alike: dict[str, Any]) -> list[str]:
    """What to know before training, a sentence each: leaks, duplicates, rare labels, invalid rows, missing images."""
    return [*_leaks(found), *_duplicates(alike), *_rare(found), *_rows(found), *_images(found)]


def _leaks(found: dict[str, Any]) -> list[str]:
    return [
        f"{_many(len(overlap['recordings']), 'recording')} on the {one} side and on the {other} side: "
        f"{_some(overlap['recordings'])}" + (" (--dedupe trains without)" if one == "train" else "")
        for overlap in found["overlap"]
        for one, other in [overlap["sides"]]
        if overlap["recordings"]
    ]


def _duplicates(alike: dict[str, Any]) -> list[str]:
    lines = []
    for across, count in alike["across"].items():
        if count["one_picture"]:
            told = (one for one in alike["pairs"] if across in one["across"])  # the first LISTED of all across
            most = [f"; most: {' and '.join(one['videos'])}, {max(one['frames']):,} frames" for one in told][:1]
            pairs = f"{_many(count['one_picture'], 'pair')} of videos of different recordings"
            lines.append("".join([f"{pairs} share pictures across {across}", *most]))
    if alike["flat_frames"]:
        lines.append(f"{alike['flat_frames']:,} face images show one tone and nothing else")
    return lines


def _rare(found: dict[str, Any]) -> list[str]:
    lines = []
    for side, part in found["sides"].items():
        videos = {label: one["videos"] for label, one in part["labels"].items() if "videos" in one}
        if gone := [label for label, count in videos.items() if not count]:
            lines.append(f"no row of {', '.join(gone)} on the {side} side")
        few = ", ".join(f"{label} ({count})" for label, count in videos.items() if 0 < count < FEW)
        if few and side == "valid":
            lines.append(f"labels in fewer than {FEW} videos of the valid side, each of which weighs much: {few}")
    return lines


def _rows(found: dict[str, Any]) -> list[str]:
    partly = {side: part["partly_invalid_rows"] for side, part in found["sides"].items() if part["partly_invalid_rows"]}
    faceless = {side: part["valid_rows_without_face"] for side, part in found["sides"].items()}
    lines = []
    if partly:
        lines.append(f"rows with some labels invalid: {_by_side(partly)} (--partial-rows rules what becomes of them)")
    if any(faceless.values()):
        lines.append(f"labelled rows without a face image: {_by_side(faceless)}")
    return lines


def _images(found: dict[str, Any]) -> list[str]:
    beyond = {one["video"]: one["beyond_the_last_row"] for one in found["images_against_rows"]}
    beyond = {video: images for video, images in beyond.items() if images}
    none = {side: part["faceless_videos"] for side, part in found["sides"].items()}
    lines = []
    if any(none.values()):
        lines.append(f"videos without any face image: {_by_side(none)}")
    if beyond:
        lines.append(f"{sum(beyond.values()):,} images beyond the last label row, in {_some(sorted(beyond))}")
    return lines


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _some(names: Sequence[str]) -> str:
    """The first five, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _by_side(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {side}" for side, count in counts.items() if count)
