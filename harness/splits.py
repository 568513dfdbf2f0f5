"""Which videos train, choose and judge: the official split, five folds, and the inner part cut off the training side.

Everything here is a function of the videos and their label histograms alone: no seed, no order of input, no rounding
that differs between machines (the search below runs on whole numbers). A recording (`Video.group`) is never cut.
Shapes: V videos, G groups, L histogram columns, J columns to balance, P parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import MissingData, UserError, unknown
from harness.kinds import Kind
from harness.metrics import Float64s
from harness.types import Floats, Video

Counts = NDArray[np.int64]
Histograms = Mapping[str, Counts]  # by Video.key, from `histogram`; only the train and valid sides need one

FOLDS = 5
INNER_SHARE = 0.15
NAMES = ("official", *(f"fold-{i + 1}" for i in range(FOLDS)), "folds", "all", "test")

BINS = 4  # of a continuous label: enough to keep its extremes in every part
QUANTUM = 1 << 16  # a column's whole weight as a whole number
RECORDINGS, ROWS, GROUPS = 4, 2, 2  # how much more than one label's row count each of these is balanced
ENOUGH = 3.5  # recordings of a label that the inner part asks for beyond its share, where there are twice as many
CANDIDATES, SWEEPS = 256, 200  # bound the search for exchanges in data sets of many thousand recordings


@dataclass(frozen=True)
class Split:
    """`train` fits, `inner` chooses (epochs, sigmas, thresholds), `held` is predicted and judged; `leaks` names faults.

    Each part is sorted by video key.
    """

    name: str
    train: tuple[Video, ...]
    inner: tuple[Video, ...]
    held: tuple[Video, ...]
    leaks: tuple[str, ...] = ()


def histogram(target_RL: Floats, kind: Kind) -> Counts:
    """How often each label holds; for continuous labels, how many values lie in each of BINS equal bins of each label.

    Unlabelled rows (NaN) are left out; values outside [low, high] count in the nearest bin.

    >>> from harness.kinds import ONE_OF, continuous
    >>> histogram(np.array([[1, 0], [1, 0], [np.nan, np.nan]], dtype=np.float32), ONE_OF).tolist()
    [2, 0]
    >>> histogram(np.array([[-0.9], [0.1], [1.0]], dtype=np.float32), continuous("ccc", -1.0, 1.0)).tolist()
    [1, 0, 1, 1]
    """
    valid_RL = ~np.isnan(target_RL)
    if kind.name != "continuous":
        return np.asarray(((target_RL == 1) & valid_RL).sum(axis=0, dtype=np.int64))
    place_RL = (np.where(valid_RL, target_RL, kind.low) - kind.low) / (kind.high - kind.low) * BINS
    bin_RL = np.clip(np.floor(place_RL), 0, BINS - 1)
    counts = [((bin_RL == i) & valid_RL).sum(axis=0, dtype=np.int64) for i in range(BINS)]
    return np.stack(counts, axis=-1).ravel()


def make_splits(which: str, videos: Sequence[Video], histograms: Histograms, *, dedupe: bool = False) -> list[Split]:
    """The splits a name stands for: official, fold-1 .. fold-5, folds (all five), all (official and folds), test.

    `official` judges the validation side, `test` trains on the same videos and predicts the test side. `dedupe` drops
    from their training the recordings that are on another side too; a fold never shares any. UserError for another
    name or fewer recordings than folds, MissingData where a side has no videos.
    """
    if which not in NAMES:
        raise unknown("split", which, NAMES)
    if which == "all":
        return [_official("official", videos, histograms, dedupe), *make_splits("folds", videos, histograms)]
    if which in ("official", "test"):
        return [_official(which, videos, histograms, dedupe)]
    fold_of = folds(videos, histograms)
    numbers = range(FOLDS) if which == "folds" else [int(which.removeprefix("fold-")) - 1]
    return [_fold(number, videos, histograms, fold_of) for number in numbers]


def held_alone(which: str, videos: Sequence[Video], histograms: Histograms) -> list[Split]:
    """The same splits with their held parts alone: for methods that are not trained on this data."""
    if which not in NAMES:
        raise unknown("split", which, NAMES)
    if which == "all":
        return [*held_alone("official", videos, histograms), *held_alone("folds", videos, histograms)]
    if which not in ("official", "test"):
        whole = make_splits(which, videos, histograms)
        return [Split(split.name, (), (), split.held) for split in whole]
    side = "valid" if which == "official" else "test"
    held = tuple(_sorted(video for video in videos if video.side == side))
    if not held:
        hint = "; say --split test for predictions on the test side" if which == "official" else ""
        raise MissingData(f"Split {which}: this data has no videos on the {side} side{hint}")
    return [Split(which, (), (), held)]


def folds(videos: Iterable[Video], histograms: Histograms) -> dict[str, int]:
    """The fold, 0 .. 4, of every train and valid video, by key and sorted by key."""
    judged = _sorted(video for video in videos if video.side != "test")
    groups = [video.group for video in judged]
    if len(set(groups)) < FOLDS:
        raise UserError(f"{FOLDS} folds need at least {FOLDS} recordings, this data has {len(set(groups))}")
    fold_V = assign_folds(_table(judged, histograms), groups, rows_V=[video.frames for video in judged])
    return {video.key: int(fold) for video, fold in zip(judged, fold_V, strict=True)}


def folds_hash(fold_of: Mapping[str, int]) -> str:
    """SHA-256 of the fold list, one `key<tab>fold` line per video sorted by key: two runs with one hash share folds."""
    lines = "".join(f"{key}\t{fold}\n" for key, fold in sorted(fold_of.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def leaks(videos: Iterable[Video], held: str = "valid", trained: str = "train") -> tuple[str, ...]:
    """Recordings on the trained side and the held side, one sentence each, with the ids on either."""
    by_group: dict[str, dict[str, list[str]]] = {}
    for video in _sorted(videos):
        by_group.setdefault(video.group, {}).setdefault(video.side, []).append(video.id)
    return tuple(
        f"recording {group}: {', '.join(ids[trained])} in {trained}, {', '.join(ids[held])} in {held}"
        for group, ids in sorted(by_group.items())
        if trained in ids and held in ids
    )


def check(split: Split, *, official: bool = False) -> Split:
    """The split itself; UserError where a recording is in two parts, but for train and held of an official split."""
    parts = {"train": split.train, "inner": split.inner, "held": split.held}
    pairs = [("train", "inner"), ("inner", "held")] + ([] if official else [("train", "held")])
    for one, other in pairs:
        both = sorted({video.group for video in parts[one]} & {video.group for video in parts[other]})
        if both:
            raise UserError(
                f"Split {split.name}: expected every recording in one part, {', '.join(both[:5])} "
                f"{'is' if len(both) == 1 else 'are'} in {one} and {other}"
            )
    return split


def assign_folds(
    histogram_VL: NDArray[Any], groups_V: Sequence[str], *, rows_V: Sequence[int] | None = None, k: int = FOLDS
) -> Counts:
    """fold_V, 0 .. k-1: recordings kept whole, as many in each fold, each label's recordings and rows spread evenly.

    Rarest labels are dealt out first, then recordings are exchanged between folds while that evens them out.
    """
    names, x_GJ = _features(histogram_VL, groups_V, rows_V)
    sizes = [len(names) // k + (part < len(names) % k) for part in range(k)]
    total_J = x_GJ.sum(axis=0)
    part_G = _deal(x_GJ, _order(histogram_VL, groups_V, names), np.tile(np.rint(total_J / k), (k, 1)), sizes)
    part_of = dict(zip(names, part_G.tolist(), strict=True))
    return np.array([part_of[group] for group in groups_V], dtype=np.int64)


def inner(
    videos: Sequence[Video], histograms: Histograms, *, share: float = INNER_SHARE, keep: Iterable[str] = ()
) -> tuple[tuple[Video, ...], tuple[Video, ...]]:
    """(train, inner): `share` of the recordings set apart, at least 5 where there are 20, balanced like folds.

    Recordings named in `keep` stay in train. A label in at least 7 recordings is asked to be in 3 of the inner part.
    """
    videos, keep = _sorted(videos), set(keep)
    groups = [video.group for video in videos]
    table_VL = _table(videos, histograms)
    names, x_GJ = _features(table_VL, groups, [video.frames for video in videos])
    free_G = np.array([name not in keep for name in names], dtype=bool)
    size = max(round(share * len(names)), 5 if len(names) >= 20 else 1)
    if len(names) < 2 or size > free_G.sum():
        raise UserError(
            f"Expected at least 2 recordings to train on and {size} to set apart for choices (those on one side only), "
            f"got {len(names)} and {free_G.sum()}"
        )
    total_J, offered_J = x_GJ.sum(axis=0), x_GJ[free_G].sum(axis=0)
    held_GL = _by_group(table_VL, groups, names) > 0
    want_J = share * total_J
    labels = held_GL.shape[1]
    count_L = np.maximum(held_GL.sum(axis=0), 1)
    wanted_L = np.maximum(share, np.minimum(ENOUGH / count_L, 0.5))
    want_J[labels : 2 * labels] = wanted_L * total_J[labels : 2 * labels]
    want_J[-1] = size / len(names) * total_J[-1]
    targets_PJ = np.rint(np.stack([want_J, offered_J - want_J]))
    order = [g for g in _order(table_VL, groups, names) if free_G[g]]
    place = {g: i for i, g in enumerate(np.flatnonzero(free_G).tolist())}
    part_G = _deal(x_GJ[free_G], [place[g] for g in order], targets_PJ, [size, int(free_G.sum()) - size])
    chosen = {name for name, part in zip(np.array(names)[free_G].tolist(), part_G, strict=True) if part == 0}
    return (
        tuple(video for video in videos if video.group not in chosen),
        tuple(video for video in videos if video.group in chosen),
    )


def _official(name: str, videos: Sequence[Video], histograms: Histograms, dedupe: bool) -> Split:
    held_side = "valid" if name == "official" else "test"
    side = {part: _sorted(video for video in videos if video.side == part) for part in ("train", held_side)}
    for part, some in side.items():
        if not some:
            raise MissingData(f"Split {name}: this data has no videos on the {part} side")
    elsewhere = {video.group for video in videos if video.side != "train"}  # one training serves both splits
    pool = [video for video in side["train"] if not (dedupe and video.group in elsewhere)]
    train, chosen = inner(pool, histograms, keep=elsewhere)
    found = leaks((*pool, *side[held_side]), held_side)
    return check(Split(name, train, chosen, tuple(side[held_side]), found), official=True)


def _fold(number: int, videos: Sequence[Video], histograms: Histograms, fold_of: Mapping[str, int]) -> Split:
    judged = _sorted(video for video in videos if video.side != "test")
    train, chosen = inner([video for video in judged if fold_of[video.key] != number], histograms)
    held = tuple(video for video in judged if fold_of[video.key] == number)
    return check(Split(f"fold-{number + 1}", train, chosen, held))


def _sorted(videos: Iterable[Video]) -> list[Video]:
    return sorted(videos, key=lambda video: video.key)


def _table(videos: Sequence[Video], histograms: Histograms) -> Counts:
    return np.array([histograms[video.key] for video in videos], dtype=np.int64)


def _by_group(values_VL: NDArray[Any], groups_V: Sequence[str], names: Sequence[str]) -> Counts:
    place = {name: g for g, name in enumerate(names)}
    total_GL = np.zeros((len(names), values_VL.shape[1]), dtype=np.int64)
    np.add.at(total_GL, [place[group] for group in groups_V], values_VL)
    return total_GL


def _features(
    histogram_VL: NDArray[Any], groups_V: Sequence[str], rows_V: Sequence[int] | None
) -> tuple[list[str], Float64s]:
    """Sorted group names and what each brings as x_GJ: label rows, label recordings, all rows, itself.

    Every column is a share of its total in whole QUANTUM steps: float64 sums and products of them are exact.
    """
    names = sorted(set(groups_V))
    rows = np.ones(len(groups_V), dtype=np.int64) if rows_V is None else np.asarray(rows_V, dtype=np.int64)
    count_GL = _by_group(histogram_VL, groups_V, names)
    rows_G1 = _by_group(rows[:, None], groups_V, names)
    columns = (
        (count_GL, 1),
        ((count_GL > 0).astype(np.int64), RECORDINGS),
        (rows_G1, ROWS),
        (np.ones_like(rows_G1), GROUPS),
    )
    shares = [QUANTUM * weight * table / np.maximum(table.sum(axis=0), 1) for table, weight in columns]
    return names, np.rint(np.concatenate(shares, axis=1))


def _order(histogram_VL: NDArray[Any], groups_V: Sequence[str], names: Sequence[str]) -> list[int]:
    """Groups as they are dealt out: those of the rarest label first, among them the one with most of it first."""
    count_GL = _by_group(histogram_VL, groups_V, names)
    rarest_first = np.argsort((count_GL > 0).sum(axis=0), kind="stable")
    order: dict[int, None] = {}
    for label in rarest_first:
        holders = np.flatnonzero(count_GL[:, label])
        order.update(dict.fromkeys(holders[np.argsort(-count_GL[holders, label], kind="stable")].tolist()))
    order.update(dict.fromkeys(range(len(names))))
    return list(order)


def _deal(x_GJ: Float64s, order: Sequence[int], targets_PJ: Float64s, sizes: Sequence[int]) -> Counts:
    """part_G with `sizes[p]` groups each, so that the sum of squared misses of the parts' targets is small."""
    part_G = np.full(len(x_GJ), -1, dtype=np.int64)
    miss_PJ, room = -targets_PJ, np.array(sizes)
    for g in order:
        cost_P = np.where(room > 0, miss_PJ @ x_GJ[g], np.inf)
        part = int(cost_P.argmin())
        part_G[g], room[part] = part, room[part] - 1
        miss_PJ[part] += x_GJ[g]
    pairs = [(a, b) for a in range(len(sizes)) for b in range(a + 1, len(sizes))]
    for _ in range(SWEEPS):
        if not sum(_exchange(x_GJ, part_G, miss_PJ, a, b) for a, b in pairs):
            break
    return part_G


def _exchange(x_GJ: Float64s, part_G: Counts, miss_PJ: Float64s, a: int, b: int) -> bool:
    """Swap the group of part a and the one of part b that lower the squared misses most; False where none do."""
    pull_J = miss_PJ[a] - miss_PJ[b]
    size_G = np.einsum("gj,gj->g", x_GJ, x_GJ)
    line_G = x_GJ @ pull_J
    out, into = np.flatnonzero(part_G == a), np.flatnonzero(part_G == b)
    out = out[np.argsort(size_G[out] - line_G[out], kind="stable")][:CANDIDATES]
    into = into[np.argsort(size_G[into] + line_G[into], kind="stable")][:CANDIDATES]
    apart = size_G[out][:, None] + size_G[into] - 2 * x_GJ[out] @ x_GJ[into].T
    gain = line_G[into] - line_G[out][:, None] + apart
    if not gain.size or gain.min() >= 0:
        return False
    i, j = np.unravel_index(gain.argmin(), gain.shape)
    step_J = x_GJ[into[j]] - x_GJ[out[i]]
    miss_PJ[a] += step_J
    miss_PJ[b] -= step_J
    part_G[out[i]], part_G[into[j]] = b, a
    return True
