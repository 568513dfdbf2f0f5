from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from abaw6.demo import acting, affwild2_files, cexpr_files, mimicry, prototypes, world
from abaw6.demo.scene import SCENES
from abaw6.specs import AU, CE, EXPR
from harness.kinds import Kind
from harness.splits import Split, histogram, make_splits
from harness.types import TaskSpec, Video

AT_LEAST = 3  # recordings of every label on every side of every split


@pytest.fixture(scope="module")
def affwild2_plan() -> tuple[world.Recording, ...]:
    return world.affwild2(world.SEED, world.SIZES["aff-wild2"], SCENES)


@pytest.fixture(scope="module")
def cexpr_plan() -> tuple[world.Recording, ...]:
    return world.cexpr(world.SEED, world.SIZES["c-expr"], SCENES)


@pytest.fixture(scope="module")
def affwild2_rows(affwild2_plan: tuple[world.Recording, ...]) -> dict[str, list[tuple[Video, np.ndarray]]]:
    """Video and target_RL of every EXPR and AU label file, as a reader would see them."""
    found: dict[str, list[tuple[Video, np.ndarray]]] = {"EXPR": [], "AU": []}
    for recording in affwild2_plan:
        if recording.side == "test":
            continue
        scene = acting.script(world.SEED, affwild2_files.NAME, recording)
        for place, track in enumerate(recording.tracks):
            lines = affwild2_files.label_lines(world.SEED, recording, scene, place)
            for kind, read in (("EXPR", _classes(8)), ("AU", _units)):
                for side in affwild2_files.sides_of(recording, kind):
                    target_RL = read(lines[kind])
                    found[kind].append((_video(track, recording.name, side, len(target_RL)), target_RL))
    return found


def _video(track: str, group: str, side: str, frames: int) -> Video:
    return Video(track, group, side, frames, 25.0, np.ones(frames, dtype=bool))  # type: ignore[arg-type]


def _classes(n: int):  # type: ignore[no-untyped-def]
    def read(lines: list[str]) -> np.ndarray:
        index_R = np.array([int(line) for line in lines])
        target_RL = np.where(index_R[:, None] >= 0, np.eye(n)[index_R], np.nan)
        return target_RL.astype(np.float32)

    return read


def _units(lines: list[str]) -> np.ndarray:
    target_RL = np.array([line.split(",") for line in lines], dtype=np.float32)
    target_RL[(target_RL < 0).any(1)] = np.nan
    return target_RL


def _splits(rows: list[tuple[Video, np.ndarray]], kind: Kind) -> list[Split]:
    videos = [video for video, _ in rows]
    return make_splits("all", videos, {video.key: histogram(target_RL, kind) for video, target_RL in rows})


def _rare(rows: list[tuple[Video, np.ndarray]], task: TaskSpec) -> list[str]:
    """Labels that fewer than AT_LEAST recordings of some part of some split hold, in words."""
    target = {video.key: target_RL for video, target_RL in rows}
    found = []
    for split in _splits(rows, task.kind):
        for part in ("train", "inner", "held"):
            holds: dict[str, set[str]] = defaultdict(set)
            for video in getattr(split, part):
                for label, column_R in zip(task.labels, target[video.key].T, strict=True):
                    if np.nansum(column_R) > 0:
                        holds[label].add(video.group)
            found += [f"{split.name} {part} {x}: {len(holds[x])}" for x in task.labels if len(holds[x]) < AT_LEAST]
    return found


@pytest.mark.parametrize("task", [EXPR, AU], ids=lambda task: task.name)
def test_every_label_of_affwild2_is_in_three_recordings_of_every_part(affwild2_rows, task: TaskSpec) -> None:
    assert _rare(affwild2_rows[task.name.upper()], task) == []


def test_every_label_of_cexpr_is_in_three_recordings_of_every_part(cexpr_plan: tuple[world.Recording, ...]) -> None:
    rows = []
    for recording in cexpr_plan:
        if recording.side != "test":
            lines = cexpr_files.label_lines(world.SEED, recording, cexpr_files.script(world.SEED, recording))
            rows.append((_video(recording.name, recording.name, recording.side, len(lines)), _classes(7)(lines)))
    assert _rare(rows, CE) == []


def test_imbalance_is_like_the_real_one(affwild2_rows) -> None:
    target_RL = np.concatenate([target_RL for _, target_RL in affwild2_rows["EXPR"]])
    share = dict(zip(EXPR.labels, np.nanmean(target_RL, axis=0), strict=True))
    assert max(share[name] for name in ("Anger", "Disgust", "Fear")) < 0.07
    assert min(share[name] for name in ("Neutral", "Other", "Happiness", "Sadness")) > 0.09
    target_RL = np.concatenate([target_RL for _, target_RL in affwild2_rows["AU"]])
    share = dict(zip(AU.labels, np.nanmean(target_RL, axis=0), strict=True))
    assert max(share, key=share.__getitem__) == "AU25"
    assert max(share[name] for name in ("AU15", "AU23", "AU24")) < min(share[name] for name in ("AU6", "AU7", "AU12"))


def test_names_are_unique_and_in_three_styles(affwild2_plan: tuple[world.Recording, ...]) -> None:
    names = [recording.name for recording in affwild2_plan]
    assert len(set(names)) == len(names)
    assert any(name.isdigit() for name in names)
    assert any(name.startswith("video") for name in names)
    assert any("x" in name and "-" in name for name in names)
    tracks = [track for recording in affwild2_plan for track in recording.tracks]
    assert len(set(tracks)) == len(tracks)
    assert [world.group_of(recording.tracks[0]) for recording in affwild2_plan] == names


def test_quirks_are_all_there(affwild2_plan: tuple[world.Recording, ...]) -> None:
    assert sum(recording.both_sides for recording in affwild2_plan) == 1
    assert {recording.side for recording in affwild2_plan if len(recording.tracks) == 2} == {"train", "valid"}
    assert {recording.suffix for recording in affwild2_plan} == {".mp4", ".avi"}
    assert {recording.folder for recording in affwild2_plan} == {"batch1", "batch2", "new_vids"}
    assert {recording.extra_rows for recording in affwild2_plan} == {-1, 0, 1, 2}
    for quirk in ("variable", "crlf", "new_crops", "partly_invalid"):
        assert 2 <= sum(getattr(recording, quirk) for recording in affwild2_plan) < len(affwild2_plan) / 2
    rates = {float(recording.fps) for recording in affwild2_plan}
    assert (min(rates), max(rates)) == (7.5, 30.0)
    assert any(rate % 1 for rate in rates)


def test_size_of_the_world(affwild2_plan, cexpr_plan) -> None:
    for plan, sizes in ((affwild2_plan, (42, 18, 4)), (cexpr_plan, (28, 12, 3))):
        count = Counter(recording.side for recording in plan)
        assert (count["train"], count["valid"], count["test"]) == sizes
        assert sum(recording.frames * len(recording.tracks) for recording in plan) < 18_000


def test_every_scene_is_on_every_side(affwild2_plan, cexpr_plan) -> None:
    for plan in (affwild2_plan, cexpr_plan):
        for side in ("train", "valid"):
            assert {recording.scene for recording in plan if recording.side == side} == set(SCENES)


def test_a_stream_depends_on_all_it_is_named_by() -> None:
    draws = [
        world.stream(seed, name, number, purpose).random()
        for seed in (1, 2)
        for name in ("aff-wild2", "c-expr")
        for number in (0, 1)
        for purpose in ("face", "voice")
    ]
    assert len(set(draws)) == 16
    assert world.stream(1, "c-expr", 3, "face").random() == world.stream(1, "c-expr", 3, "face").random()


def test_no_channel_tells_a_mimicked_emotion_alone() -> None:
    clips = mimicry.plan(world.SEED, world.SIZES["hume-vidmimic2"], SCENES)
    label_V6 = np.array([mimicry.labels(world.SEED, clip) for clip in clips])
    assert (label_V6 == 0).mean() > 0.5
    assert (label_V6 == 0).all(1).sum() >= 20
    assert 0.0 <= label_V6.min() < label_V6.max() <= 1.0
    for k, name in enumerate(prototypes.EMOTIONS):
        assert sum(mimicry.SHARES[name]) == pytest.approx(1.0)
        told_V3 = np.array([clip.felt.get(name, (0.0, 0.0, 0.0)) for clip in clips])
        felt = label_V6[:, k] > 0
        alone = [np.corrcoef(told_V3[felt, c], label_V6[felt, k])[0, 1] for c in range(3)]
        together = np.corrcoef(told_V3[felt] @ mimicry.SHARES[name], label_V6[felt, k])[0, 1]
        assert max(alone) < 0.97 < together
