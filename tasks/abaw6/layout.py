"""Where a data set's folders are: found by pattern, whatever the spelling, a few levels below the root."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v")  # the first ones win
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg")

TRACKS = {
    "va": r"va(estimation)?(challenge|set)?|valencearousal\w*",
    "expr": r"expr(recognition|classification)?(challenge|set)?|expression\w*",
    "au": r"au(detection)?(challenge|set)?|actionunits?\w*",
    "ce": r"ce(recognition|classification)?(challenge|set)?|compoundexpressions?\w*",
}
SIDES = {"train": r"train(ing)?(set)?", "valid": r"val(id|idation)?(set)?"}
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def plain(name: str) -> str:
    """A name without case, spaces and punctuation.

    >>> plain("6th ABAW_Annotations")
    '6thabawannotations'
    """
    return re.sub(r"[\W_]+", "", name.casefold())


def matches(pattern: str, name: str) -> bool:
    """Whether the whole plain name fits."""
    return re.fullmatch(pattern, plain(name)) is not None


def subfolders(folder: Path) -> list[Path]:
    """Folders in `folder` (links too), sorted by name, hidden ones left out."""
    with os.scandir(folder) as entries:
        return sorted(Path(e.path) for e in entries if not e.name.startswith(".") and e.is_dir())


def walk(root: Path, depth: int) -> Iterator[Path]:
    """`root` and the folders down to `depth` levels below it; image and label folders are not gone into."""
    yield root
    if depth == 0 or is_crops(root.name) or any(matches(p, root.name) for p in SIDES.values()):
        return
    for folder in subfolders(root):
        yield from walk(folder, depth - 1)


def is_crops(name: str) -> bool:
    """Whether a folder is one of face images: `cropped_aligned`, `face_images` and their like."""
    return plain(name).startswith("croppedaligned") or plain(name) in ("faceimages", "faceimage", "faces")


def edition(path: Path) -> int:
    """The competition a path belongs to, by its innermost ordinal (`6th`, `Third`); 0 where it says none."""
    for name in (path.name, *(parent.name for parent in path.parents)):
        number = re.search(r"(\d+)(?:st|nd|rd|th)", plain(name))
        if number:
            return int(number[1])
        for value, word in enumerate(ORDINALS, start=1):
            if word in plain(name):
                return value
    return 0


@dataclass(frozen=True)
class Labels:
    """The label folders of one track by side ("train", "valid"), and the list of test ids where there is one."""

    folders: dict[str, Path]
    test_list: Path | None


def find_labels(root: Path, track: str) -> Labels:
    """The newest edition's folders of `track` below `root`; both parts may be missing."""
    best: tuple[int, dict[str, Path]] = (-1, {})
    lists: list[Path] = []
    for folder in walk(root, 3):
        if matches(TRACKS[track], folder.name):
            inner = subfolders(folder)
            sides = {side: sub for side, pattern in SIDES.items() for sub in inner if matches(pattern, sub.name)}
            if sides and edition(folder) > best[0]:
                best = (edition(folder), sides)
        lists += _test_lists(folder, track)
    newest = max(lists, key=edition, default=None)
    return Labels(best[1], newest)


def _test_lists(folder: Path, track: str) -> list[Path]:
    if "test" not in plain(folder.name):
        return []
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if e.name.lower().endswith(".txt"))
    pattern = rf"(.*abaw)?({TRACKS[track]})\w*testsetrelease\w*"
    return [folder / name for name in names if matches(pattern, name[:-4])]


@dataclass(frozen=True)
class MediaFolders:
    """Media alone: folders that hold one folder of face images per video, raw videos, and sound files."""

    crops: tuple[Path, ...]
    raw: tuple[Path, ...]
    sound: tuple[Path, ...]


def find_media(root: Path) -> MediaFolders:
    """Media folders below `root`: `cropped_aligned` flat or with sub-folders, `batch1`, `new_vids`, `audio`, ..."""
    crops: list[Path] = []
    raw: list[Path] = []
    sound: list[Path] = []
    for folder in walk(root, 2):
        if is_crops(folder.name):
            inner = [sub for sub in subfolders(folder) if is_crops(sub.name)]
            crops += [folder, *inner]
            continue
        kinds = _kinds_of_files(folder)
        raw += [folder] if "video" in kinds else []
        sound += [folder] if "audio" in kinds else []
    return MediaFolders(tuple(crops), tuple(raw), tuple(sound))


def _kinds_of_files(folder: Path) -> set[str]:
    kinds: set[str] = set()
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            suffix = os.path.splitext(entry.name)[1].lower()
            kinds |= {"video"} if suffix in VIDEO_SUFFIXES else {"audio"} if suffix in AUDIO_SUFFIXES else set()
            if len(kinds) == 2 or number > 1000:  # a folder of images is not read to its end
                break
    return kinds


def files_by_stem(folders: tuple[Path, ...], suffixes: tuple[str, ...]) -> dict[str, str]:
    """Paths by exact name without suffix; of two with one name, the earlier suffix, then the earlier folder, wins."""
    found: dict[str, tuple[int, str]] = {}
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)
                if suffix.lower() not in suffixes or stem.startswith("."):
                    continue
                rank = suffixes.index(suffix.lower())
                if stem not in found or rank < found[stem][0]:
                    found[stem] = (rank, entry.path)
    return {stem: path for stem, (_, path) in sorted(found.items())}


def image_folders(crops: tuple[Path, ...]) -> dict[str, str]:
    """Folders of face images by video id; the containers themselves are left out."""
    found: dict[str, str] = {}
    for container in crops:
        with os.scandir(container) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and not is_crops(entry.name) and entry.is_dir():
                    found.setdefault(entry.name, entry.path)
    return dict(sorted(found.items()))
