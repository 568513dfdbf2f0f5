from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from harness import judge as judge_module
from harness import metrics
from harness.judge import by_scene, few_clusters, judge, judge_folds
from harness.types import Floats


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_module, "DRAWS", 200)


def held(tiny, task: str, split: str = "official") -> tuple[Any, Any, dict[str, Floats], dict[str, Floats]]:
    """Context, held-out videos, noisy predictions and targets."""
    prepared = tiny(task).prepare(splits=split)
    context, videos = prepared.context, prepared.splits[0].held
    target = context.targets(videos)
    rng = np.random.default_rng(0)
    scores = {
        k: (np.nan_to_num(t, nan=0.5) + rng.normal(0, 0.4, t.shape)).astype(np.float32) for k, t in target.items()
    }
    return context, videos, scores, target


@pytest.mark.parametrize("task", ["colour", "units", "mood", "clip"])
def test_the_score_is_the_metric_over_all_labelled_rows(tiny, task: str):
    context, videos, scores, target = held(tiny, task)
    judged = judge(context, videos, scores, dict.fromkeys(scores, 0))
    kind, labels = context.plan.task.kind, context.plan.task.labels
    metric = metrics.get(kind.metric)
    pooled = metric.stats(kind.decide(np.concatenate(list(scores.values()))), np.concatenate(list(target.values())))
    score_L = metric.score(pooled)
    found = [judged.score["labels"][label]["value"] for label in labels]
    np.testing.assert_allclose(found, score_L, atol=1e-12)
    assert judged.score["P"]["value"] == pytest.approx(score_L.mean(), abs=1e-12)
    for one in (judged.score["P"], *judged.score["labels"].values()):
        assert one["low"] - 1e-9 <= one["value"] <= one["high"] + 1e-9
    assert judged.score["interval"] == {
        "method": judged.score["interval"]["method"], "level": 0.95, "draws": judged.score["interval"]["draws"],
        "clusters": 4, "of": "raw recordings", "for": "these trained models", "few_clusters": list(labels),
    }  # fmt: skip
    json.dumps(judged.score, allow_nan=False)


def test_coverage(tiny):
    context, videos, scores, target = held(tiny, "colour")
    rows = sum(v.frames for v in videos)
    labelled = sum(int((~np.isnan(t).all(1)).sum()) for t in target.values())
    assert judge(context, videos, scores, dict.fromkeys(scores, 0)).coverage == {
        "videos": 4,
        "rows": rows,
        "judged_rows": labelled,
        "judged_without_face": 2 * 4,
        "videos_without_any_face": 0,
        "absent_labels": [],
    }
    assert labelled == rows - 2 * 4


def test_a_label_that_never_holds_is_named_and_scores_nothing(tiny):
    context, videos, scores, target = held(tiny, "colour")
    for video in videos:
        path = context.reader.root / "labels" / f"{video.id}.npy"
        target_RL = target[video.key].copy()
        target_RL[target_RL[:, 2] == 1] = np.nan
        np.save(path, target_RL)
        scores[video.key][:, 2] = -9
    judged = judge(context, videos, scores, dict.fromkeys(scores, 0))
    assert judged.coverage["absent_labels"] == ["blue"]
    assert judged.score["labels"]["blue"]["value"] == 0.0
    assert judged.score["P"]["value"] == pytest.approx(
        (judged.score["labels"]["red"]["value"] + judged.score["labels"]["green"]["value"]) / 3, abs=1e-12
    )


def test_statistics_are_per_video_and_merge_to_the_score(tiny):
    context, videos, scores, _ = held(tiny, "mood")
    judged = judge(context, videos, scores, dict.fromkeys(scores, 0))
    assert (judged.videos, judged.groups) == ([v.key for v in videos], [v.group for v in videos])
    metric = metrics.get("ccc")
    assert metric.score(metric.merge(judged.stats_VLk)).mean() == pytest.approx(judged.score["P"]["value"], abs=1e-12)


def test_rows_that_do_not_fit_their_targets_are_a_bug(tiny):
    context, videos, scores, _ = held(tiny, "mood")
    scores[videos[0].key] = scores[videos[0].key][:-1]
    with pytest.raises(ValueError, match="rows by labels"):
        judge(context, videos, scores, dict.fromkeys(scores, 0))


def test_over_folds(tiny):
    asked = [held(tiny, "mood", f"fold-{i}")[:3] for i in range(1, 6)]
    folds = [judge(context, videos, scores, dict.fromkeys(scores, 0)) for context, videos, scores in asked]
    blocks = judge_folds("ccc", [one.fold for one in folds], ("x", "y"))
    mean, pooled = blocks["folds-mean"], blocks["folds-pooled"]
    assert mean["P"]["value"] == pytest.approx(np.mean([one.score["P"]["value"] for one in folds]), abs=1e-12)
    metric = metrics.get("ccc")
    merged = metric.score(metric.merge(np.concatenate([one.stats_VLk for one in folds])))
    assert [pooled["labels"][label]["value"] for label in ("x", "y")] == pytest.approx(merged.tolist(), abs=1e-12)


def test_scores_by_scene_are_those_of_its_videos_alone():
    metric = metrics.get("f1")
    eye = np.eye(2)
    pairs = (([0, 0], [0, 1]), ([1, 1], [1, 1]), ([0], [0]))
    stats = np.stack([metric.stats(eye[said], eye[true]) for said, true in pairs])
    found = by_scene(metric, stats, ["a", "a", "b"], [1, 1, 0], ["x", "y"])
    assert found == {
        "part 0": {"videos": 1, "recordings": 1, "few": True, "P": 0.5, "labels": {"x": 1.0, "y": 0.0}},
        "part 1": {
            "videos": 2, "recordings": 1, "few": True, "P": pytest.approx((2 / 3 + 4 / 5) / 2),
            "labels": {"x": pytest.approx(2 / 3), "y": pytest.approx(4 / 5)},
        },
    }  # fmt: skip


def test_a_scene_of_ten_recordings_is_not_few():
    metric = metrics.get("f1")
    stats = np.repeat(metric.stats(np.eye(2)[[0]], np.eye(2)[[0]])[None], 10, axis=0)
    assert not by_scene(metric, stats, list("abcdefghij"), [0] * 10, ["x", "y"])["part 0"]["few"]


def counts(positives: list[int]) -> Any:
    """stats_VLk of one label with this many positive rows in each video."""
    metric = metrics.get("f1")
    return np.stack([metric.stats(np.ones((40, 1)), (np.arange(40) < n)[:, None]) for n in positives])


@pytest.mark.parametrize(
    ("positives", "few"),
    [
        ([5] * 20, []),
        ([5] * 19 + [0] * 30, ["x"]),  # in fewer than 20 recordings
        ([1] * 30 + [14], []),
        ([1] * 30 + [16], ["x"]),  # one recording has over a third
    ],
)
def test_labels_that_few_recordings_decide_are_named(positives: list[int], few: list[str]):
    groups = [f"r{i}" for i in range(len(positives))]
    assert few_clusters(metrics.get("f1"), [(counts(positives), groups)], ["x"]) == few


def test_recordings_of_all_folds_count_together():
    folds = [(counts([5] * 10), [f"{fold} r{i}" for i in range(10)]) for fold in "ab"]
    assert few_clusters(metrics.get("f1"), folds, ["x"]) == []
    assert few_clusters(metrics.get("f1"), folds[:1], ["x"]) == ["x"]


def test_few_recordings_with_values_are_named_too():
    metric = metrics.get("ccc")
    stats = np.stack([metric.stats(np.zeros((n, 1)), np.ones((n, 1))) for n in [5] * 19])
    assert few_clusters(metric, [(stats, [f"r{i}" for i in range(19)])], ["valence"]) == ["valence"]
