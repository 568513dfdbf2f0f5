"""What may be judged where predictions and labelled rows are not the same set: three policies.

* `official`: each labelled row is predicted, as the organisers want it; anything less is refused.
* `strict`: a labelled row without a prediction is wrong.
* `intersection`: a labelled row without a prediction is not judged.

Shapes: R rows of a video, L labels of the task. NaN: no label, or no prediction; scores of -inf are for none of the
labels.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from harness.errors import UserError, unknown
from harness.kinds import Kind
from harness.scoring.matching import Frames, Matched
from harness.types import Floats

log = logging.getLogger(__name__)

POLICIES = ("official", "strict", "intersection")
NAMED = 5  # how many videos a message names


def admit(matched: Matched, policy: str, missing_labels: Sequence[str]) -> None:
    """UserError where the policy does not take these predictions, with the first differences explained.

    `official` is the organisers' practice: every frame of their list, every label, nothing else (in ABAW6 files of 10
    to 16 teams per track were ruled invalid for being incomplete). Rows without a label may be absent, since they are
    not judged. `strict` and `intersection` take what is incomplete, and rows of frames beyond a video's last: decoders
    differ by one or two. No policy takes a frame twice, rows that cannot be laid on frames, or numbers that look
    shifted: frames before the first, or rows beyond the last in every video while every video lacks its first. Where
    the numbers of some videos alone look shifted, each is warned of.
    """
    if policy not in POLICIES:
        raise unknown("policy", policy, POLICIES)
    _refuse_unusable([one for one in matched.frames if one.predicted])
    if policy != "official":
        for one in matched.frames:
            if one.shift is not None:
                log.warning("video %s: %s", one.video, one.shifted())
        return
    faults = []
    if missing_labels:
        faults.append(f"no column for {', '.join(missing_labels)}")
    if matched.unknown:
        faults.append(f"videos that the data does not have: {_some(matched.unknown)}")
    if matched.absent:
        faults.append(f"{len(matched.absent)} of {len(matched.frames)} videos without a row: {_some(matched.absent)}")
    incomplete = [one for one in matched.frames if not one.complete and one.predicted]
    if incomplete:
        faults.append(f"{len(incomplete)} of {len(matched.frames)} videos differ: {_explained(incomplete)}")
    if faults:
        raise UserError(
            f"Policy 'official' takes complete predictions alone: {'. '.join(faults)}. --policy strict counts what is "
            "missing as wrong, --policy intersection judges what is there"
        )


def _refuse_unusable(frames: Sequence[Frames]) -> None:
    doubled = [one for one in frames if one.doubled]
    if doubled:
        raise UserError(f"A frame may be predicted once: {_explained(doubled)}. Of several faces in a frame keep one")
    unplaced = [one for one in frames if not one.placeable]
    if unplaced:
        advice = "Add a column 'frame'" if unplaced[0].rows > 1 else "A clip has one row"
        raise UserError(f"Rows and frames cannot be matched: {_explained(unplaced)}. {advice}")
    early = [one for one in frames if one.before]
    if early:
        raise UserError(f"Frames before the first: {_explained(early)}. --first-frame 0 where yours count from 0")
    if frames and all(one.late for one in frames):
        raise UserError(
            "The frame numbers look shifted, every video lacks its first frame and has rows beyond its last: "
            f"{_explained(frames)}. --first-frame says what the first one is called"
        )


def settle(
    scores_RL: Floats, target_RL: Floats, kind: Kind, policy: str, *, decided: bool, never: Sequence[int] = ()
) -> tuple[Floats, Floats]:
    """What is judged of one video: decisions and targets. `never` are labels that the source has no column for.

    Such a label is never decided for, or for continuous labels predicted as the middle of its scale: its score is 0.
    """
    none_R = np.asarray(np.isnan(scores_RL).all(axis=1))
    said_RL = _decisions(scores_RL, kind, decided)
    if policy == "intersection":
        target_RL = np.where(none_R[:, None], np.float32(np.nan), target_RL)
    said_RL = np.where(none_R[:, None], _wrong(target_RL, kind), said_RL)
    said_RL[:, list(never)] = (kind.low + kind.high) / 2 if kind.name == "continuous" else 0
    return said_RL, target_RL


def _decisions(scores_RL: Floats, kind: Kind, decided: bool) -> Floats:
    if decided or kind.name == "continuous":
        return scores_RL
    scores_RL = np.where(np.isnan(scores_RL), np.float32(-np.inf), scores_RL)
    said_RL = kind.decide(scores_RL)
    said_RL[np.isneginf(scores_RL).all(axis=1)] = 0  # the best class is none of these labels
    return said_RL


def _wrong(target_RL: Floats, kind: Kind) -> Floats:
    """A wrong decision for each row, as `strict` counts those without a prediction.

    Where one label holds, none is decided for, so that the true one is missed. Where each holds or not: the opposite of
    the truth. Continuous: the end of the scale that is farther from the truth (the upper one from its middle), so that
    leaving out a row does not pay.
    """
    truth_RL = np.nan_to_num(target_RL)
    if kind.name == "one_of":
        return np.zeros_like(truth_RL)
    if kind.name == "any_of":
        return (truth_RL < 0.5).astype(np.float32)
    wrong_RL: Floats = np.where(truth_RL <= (kind.low + kind.high) / 2, kind.high, kind.low).astype(np.float32)
    return wrong_RL


def _explained(frames: Sequence[Frames]) -> str:
    more = f"; and {len(frames) - NAMED} more" if len(frames) > NAMED else ""
    return "; ".join(one.explained() for one in frames[:NAMED]) + more


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
