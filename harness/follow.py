"""Following one person's face through a video, so that the prediction does not flip between people."""

from __future__ import annotations

from collections.abc import Sequence

from harness.types import Box, Face

MIN_OVERLAP = 0.3
PATIENCE = 15  # frames, half a second at 30 fps


def follow_largest(
    faces_F: Sequence[Sequence[Face]], *, min_overlap: float = MIN_OVERLAP, patience: int = PATIENCE
) -> list[Face | None]:
    """The followed face of each frame, or None where that person is not to be seen.

    Starts with the largest face and goes on with the one that overlaps its last box most (IoU of at least
    `min_overlap`). A gap of at most `patience` frames, after which the face is back in its place, stays a gap, even
    if others are in view; after a longer one, or a cut, the largest face is followed next.
    """
    followed: list[Face | None] = []
    last: Face | None = None
    for index, faces in enumerate(faces_F):
        face = _same(last, faces, min_overlap)
        if face is None and not _returns(last, faces_F[index + 1 : index + 1 + patience], min_overlap):
            face = max(faces, key=lambda f: area(f.box), default=None)
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
