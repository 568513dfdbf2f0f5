"""Predictions of others laid on the rows of their videos: frame sets are compared before anything is judged.

What frame numbers tell: a frame that is there twice, that the video does not have, or that is not there. So a row
dropped or doubled always shows, and so does a shift, unless all shifted numbers are still frames of the video (then
they are a set of frames like any other, and what shows is which of them are missing). Rows without numbers are told by
their count alone: dropping one and doubling another cancels out.

Shapes: F frames or R rows of a video, N rows and U different frames of a source, L labels of the task. NaN: no label,
or no prediction.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError, unknown
from harness.scoring.predicted import Predicted, Predictions
from harness.types import Floats, Video

NEAR = 5  # how many names a message offers


@dataclass(frozen=True)
class Frames:
    """How the rows of a source compare with those of one video. Frames are counted from 0, None where there is none.

    `missing`: labelled rows without a prediction, `unlabelled`: other rows without one, `beyond`: rows of frames that
    the video does not have, `doubled`: rows of a frame that came before, `empty`: rows that hold no value. `starts` and
    `ends` are the lowest and the highest frame that the source has a row for. `shift` is how far its frames lie from
    where they would be exactly the video's, or the labelled ones; None where they are, or would be nowhere.
    """

    video: str
    rows: int
    labelled: int
    predicted: int
    numbered: bool
    missing: int = 0
    unlabelled: int = 0
    beyond: int = 0
    doubled: int = 0
    empty: int = 0
    first_missing: int | None = None
    first_unlabelled: int | None = None
    first_doubled: int | None = None
    starts: int | None = None
    ends: int | None = None
    shift: int | None = None

    @property
    def exact(self) -> bool:
        """Whether the source holds each row of the video once, and nothing else."""
        return not (self.missing or self.unlabelled or self.beyond or self.doubled or self.empty) and self.placeable

    @property
    def complete(self) -> bool:
        """Whether each labelled row has one prediction, and no row is of a frame that is not there."""
        return not (self.missing or self.beyond or self.doubled) and self.placeable

    @property
    def before(self) -> bool:
        """Whether the source has a frame before the first: it counts from a lower number than it was read with."""
        return self.starts is not None and self.starts < 0

    @property
    def late(self) -> bool:
        """Whether it begins after the first frame and ends after the last, as numbers do that are too high."""
        return self.starts is not None and self.ends is not None and self.starts > 0 and self.ends >= self.rows

    @property
    def placeable(self) -> bool:
        """Whether each row of the source has a row of the video to belong to."""
        return self.numbered or self.predicted == self.rows

    def explained(self) -> str:
        """What differs, in words; frames count from 1, as images do.

        >>> Frames("23", 10_900, 10_867, 9_857, True, missing=1_010, first_missing=411).explained()
        'video 23: 9,857 rows, 10,867 labelled; first gap at frame 412 (1,010 labelled rows have no prediction)'
        """
        told = [f"video {self.video}: {self.predicted:,} rows, {self.labelled:,} labelled"]
        if not self.placeable:
            told.append(f"they have no frame numbers, and the video has {self.rows:,} rows")
        elif self.first_missing is not None:
            gap = f"first gap at frame {self.first_missing + 1:,}"
            told.append(f"{gap} ({self.missing:,} labelled rows have no prediction)")
        elif self.first_unlabelled is not None:
            gap = f"first at frame {self.first_unlabelled + 1:,}"
            told.append(f"{self.unlabelled:,} rows without a label have no prediction, {gap}")
        if self.first_doubled is not None:
            told.append(f"{self.doubled:,} rows are of frames that came before, first {self.first_doubled + 1:,}")
        if self.beyond:
            told.append(f"{self.beyond:,} rows are of frames it does not have (it has 1 to {self.rows:,})")
        if self.shift is not None:
            told.append(self.shifted())
        return "; ".join(told)

    def shifted(self) -> str:
        """What a shift looks like, in words."""
        return f"its frame numbers look shifted by {self.shift:+d}, moved back they fit exactly"


@dataclass(frozen=True, eq=False)
class Matched:
    """The predictions of one split's videos on its rows.

    `scores`: scores_RL by video key, NaN where there is no prediction; `frames`: the comparison, for every held-out
    video; `absent`: held-out videos without any row; `elsewhere`, `unknown`: names of other videos of this data, and of
    none of it, whose rows are not used.
    """

    scores: Mapping[str, Floats]
    frames: tuple[Frames, ...]
    absent: tuple[str, ...]
    elsewhere: tuple[str, ...]
    unknown: tuple[str, ...]


def compare(predicted: Predicted, target_RL: Floats, columns: Sequence[int]) -> tuple[Frames, Floats]:
    """The rows of one video compared with its labels, and its scores_RL; `columns` are those that predict at all.

    A row with a value in some of the columns alone holds no prediction; a row of -inf is one, for none of the labels.
    """
    rows, labelled_R = len(target_RL), np.asarray(~np.isnan(target_RL).all(axis=1))
    numbered = predicted.frame_N is not None
    frame_N = np.arange(len(predicted.scores_NL)) if predicted.frame_N is None else predicted.frame_N
    scores_RL: Floats = np.full(target_RL.shape, np.nan, np.float32)
    own_NL = predicted.scores_NL[:, columns]
    whole_N = np.isfinite(own_NL).all(axis=1) | np.isneginf(own_NL).all(axis=1)
    within_N = (frame_N >= 0) & (frame_N < rows)
    frame_U, first_N, count_N = np.unique(frame_N, return_index=True, return_counts=True)
    again_N = np.ones(len(frame_N), bool)
    again_N[first_N] = False
    use_N = whole_N & within_N & ~again_N
    scores_RL[frame_N[use_N]] = predicted.scores_NL[use_N]
    none_R = np.ones(rows, bool)
    none_R[frame_N[use_N]] = False
    found = Frames(
        predicted.video, rows, int(labelled_R.sum()), len(frame_N), numbered,
        missing=int((none_R & labelled_R).sum()), unlabelled=int((none_R & ~labelled_R).sum()),
        beyond=int((~within_N).sum()), doubled=int((count_N - 1).sum()), empty=int((~whole_N).sum()),
        first_missing=_first(none_R & labelled_R), first_unlabelled=_first(none_R & ~labelled_R),
        first_doubled=int(frame_N[again_N].min()) if again_N.any() else None,
        starts=int(frame_N.min()) if len(frame_N) else None, ends=int(frame_N.max()) if len(frame_N) else None,
        shift=_shift(frame_U, labelled_R),
    )  # fmt: skip
    return found, scores_RL


def match(
    predictions: Predictions, held: Sequence[Video], others: Iterable[Video], targets: Mapping[str, Floats],
    labels: Sequence[str], *, one_side: bool = True,
) -> Matched:  # fmt: skip
    """Every held-out video with its rows of the source, all frame sets compared.

    `one_side`: the split judges one side alone, so that an id means the video of that side. UserError where a name
    means two videos, two sources hold one video, or none of the names is a held-out video.
    """
    by_key, elsewhere, unknown_names = named(predictions.videos, held, others, one_side=one_side)
    columns = [i for i, label in enumerate(labels) if label not in predictions.missing]
    frames, scores = [], {}
    for video in held:
        target_RL = targets[video.key]
        mine = by_key.get(video.key)
        if mine is None:
            mine = Predicted(video.id, np.zeros(0, np.int64), np.zeros((0, len(labels)), np.float32))
        found, scores[video.key] = compare(mine, target_RL, columns)
        frames.append(found)
    absent = tuple(video.key for video, one in zip(held, frames, strict=True) if not one.predicted)
    return Matched(scores, tuple(frames), absent, elsewhere, unknown_names)


def named(
    sources: Sequence[Predicted], held: Sequence[Video], others: Iterable[Video], *, one_side: bool = True
) -> tuple[dict[str, Predicted], tuple[str, ...], tuple[str, ...]]:
    """Sources by the key of the held-out video they are named after; names of other videos; names of none.

    A name is an id, or `side/id`; one that is a number also means the id of that number (`8072`: `08072`).
    """
    others = list(others)
    keys: dict[str, list[str]] = {}
    for video in (*held, *([] if one_side else [video for video in others if video.side != "test"])):
        for name in (video.id, video.key):
            keys.setdefault(name, []).append(video.key)
    judged = {video.key for video in held}
    known = {name for video in others for name in (video.id, video.key)}
    numbers: dict[int, list[str]] = {}
    for name in keys:
        if name.isdecimal():
            numbers.setdefault(int(name), []).append(name)
    by_key: dict[str, Predicted] = {}
    elsewhere: list[str] = []
    nobody: list[str] = []
    for source in sources:
        name = source.video
        if name not in keys and name not in known and name.isdecimal() and len(numbers.get(int(name), [])) == 1:
            (name,) = numbers[int(name)]
        if name not in keys:
            (elsewhere if name in known else nobody).append(name)
            continue
        if len(keys[name]) > 1:
            raise UserError(f"{source.where}: video {name} is on two sides; say {' or '.join(keys[name])}")
        (key,) = keys[name]
        if key not in judged:
            elsewhere.append(name)
            continue
        if key in by_key:
            raise UserError(f"Video {name} is predicted twice: in {by_key[key].where} and in {source.where}")
        by_key[key] = source
    if not by_key:
        name = (nobody or elsewhere or [""])[0]
        raise unknown("held-out video", name, _near(name, [video.id for video in held]))
    return by_key, tuple(elsewhere), tuple(nobody)


def _shift(frame_U: NDArray[np.int64], labelled_R: NDArray[np.bool_]) -> int | None:
    """How far these frames, in order, lie from all those of the video, or from all its labelled ones."""
    for own_U in (np.arange(len(labelled_R)), np.flatnonzero(labelled_R)):
        if len(own_U) == len(frame_U) > 0 and frame_U[0] != own_U[0]:
            by = int(frame_U[0] - own_U[0])
            if (frame_U - by == own_U).all():
                return by
    return None


def _first(flag_R: NDArray[np.bool_]) -> int | None:
    return int(flag_R.argmax()) if flag_R.any() else None


def _near(name: str, ids: Sequence[str]) -> list[str]:
    """The names nearest to this one, and else the first ones: a message does not list 70 videos."""
    return difflib.get_close_matches(name, ids, n=NEAR) or sorted(ids)[:NEAR]
