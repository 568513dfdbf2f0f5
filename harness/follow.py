"""Following one person's face through a video, so that the prediction does not flip between people."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from harness.errors import MissingData, UserError
from harness.types import Box, Face

MIN_OVERLAP = 0.3
PATIENCE = 15  # frames, half a second at 30 fps


def follow(faces_F: Sequence[Sequence[Face]], person: str = "largest") -> list[Face | None]:
    """The face of one person in each frame, or None where that person is not to be seen.

    `person`: "largest"; "left" or "right", of those in view where there are two or more; or "track:N", the N-th person
    to appear, from 1, until out of view. UserError for another word or a track that is not there, MissingData where
    nobody is ever left or right of another.
    """
    if person == "largest":
        return follow_largest(faces_F)
    if person in ("left", "right"):
        if not any(len(faces) > 1 for faces in faces_F):
            raise MissingData(f"no frame shows two faces, so that nobody is the {person} one; say --person largest")
        sign = 1 if person == "left" else -1
        return _follow(faces_F, lambda faces: min(faces, key=lambda f: sign * (f.box.x0 + f.box.x1)), least=2)
    number = re.fullmatch(r"track:([1-9]\d*)", person)
    if number is None:
        raise UserError(f"--person: expected largest, left, right or track:N (from 1), came {person!r}")
    found = tracks(faces_F)
    if int(number[1]) > len(found):
        raise UserError(f"--person: expected a track up to track:{len(found)}, as many as are there, came {person!r}")
    chosen = found[int(number[1]) - 1]
    return [chosen.get(index) for index in range(len(faces_F))]


def tracks(
    faces_F: Sequence[Sequence[Face]], *, min_overlap: float = MIN_OVERLAP, patience: int = PATIENCE
) -> list[dict[int, Face]]:
    """Every person as {frame: face}, in order of appearance (from left to right within a frame).

    A face belongs to the person whose last box it overlaps most, pairs of most overlap first; whoever is out of view
    for more than `patience` frames appears as somebody new.
    """
    found: list[dict[int, Face]] = []
    for index, faces in enumerate(faces_F):
        alive = [track for track in found if index - max(track) <= patience + 1]
        pairs = [(overlap(track[max(track)].box, face.box), i, j) for i, track in enumerate(alive) for j, face in
                 enumerate(faces)]  # fmt: skip
        taken: dict[int, int] = {}
        for shared, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
            if shared >= min_overlap and i not in taken.values() and j not in taken:
                taken[j] = i
        for j in sorted(range(len(faces)), key=lambda j: faces[j].box.x0):
            if j in taken:
                alive[taken[j]][index] = faces[j]
            else:
                found.append({index: faces[j]})
    return found


def follow_largest(
    faces_F: Sequence[Sequence[Face]], *, min_overlap: float = MIN_OVERLAP, patience: int = PATIENCE
) -> list[Face | None]:
    """The largest face, then the one that overlaps its last box most (IoU of at least `min_overlap`).

    A gap of at most `patience` frames, after which the face is back in its place, stays a gap, even if others are in
    view; after a longer one, or a cut, the largest face is followed next.
    """
    return _follow(faces_F, lambda faces: max(faces, key=lambda f: area(f.box)), min_overlap, patience)


def _follow(
    faces_F: Sequence[Sequence[Face]],
    choose: Callable[[Sequence[Face]], Face],
    min_overlap: float = MIN_OVERLAP,
    patience: int = PATIENCE,
    least: int = 1,
) -> list[Face | None]:
    """Follow whom `choose` picks, anew after a cut or a long gap, among `least` faces or more."""
    followed: list[Face | None] = []
    last: Face | None = None
    for index, faces in enumerate(faces_F):
        face = _same(last, faces, min_overlap)
        if face is None and not _returns(last, faces_F[index + 1 : index + 1 + patience], min_overlap):
            face = choose(faces) if len(faces) >= least else None
            last = None if face is None else last
        followed.append(face)
        last = face or last
    return followed


def _same(last: Face | None, faces: Sequence[Face], min_overlap: float) -> Face | None:
    if last is None or not faces:
        return None
    best = max(faces, key=lambda face: overlap(last.box, face.box))
    return best if overlap(last.box, best.box) >= min_overlap else None


def _returns(last: Face | None, ahead: Sequence[Sequence[Face]], min_overlap: float) -> bool:
    return any(_same(last, faces, min_overlap) is not None for faces in ahead)


def area(box: Box) -> float:
    """Square pixels; 0 for an empty box."""
    return max(box.x1 - box.x0, 0.0) * max(box.y1 - box.y0, 0.0)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, in [0, 1].

    >>> overlap(Box(0, 0, 2, 2), Box(1, 0, 3, 2))
    0.3333333333333333
    """
    common = area(Box(max(a.x0, b.x0), max(a.y0, b.y0), min(a.x1, b.x1), min(a.y1, b.y1)))
    both = area(a) + area(b) - common
    return common / both if both > 0 else 0.0
