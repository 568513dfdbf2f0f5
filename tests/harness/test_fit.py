from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_world
import torch
from torch import Tensor, nn

from harness.clips import batches, labelled, track
from harness.context import Place
from harness.errors import HarnessError
from harness.fit import Labelled, fit, fit_parts, new_fusion, restore, rows, scores_of, widths_of
from harness.kinds import continuous
from harness.run import Stages
from harness.types import Recipe, Video

FRAMES = {"frame": tiny_world.task("t", continuous("ccc", -1.0, 1.0)), "video": tiny_world.TASKS["clip"]}


class Echo(nn.Module):
    """Logits are the image tokens themselves."""

    def forward(self, tokens: Any, mask: Any) -> Tensor:
        out: Tensor = tokens["image"]
        return out


def tracks_of(lengths: list[int], seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    made = []
    for i, n in enumerate(lengths):
        token_ND = torch.from_numpy(rng.normal(size=(n, 2)).astype(np.float32))
        video = Video(f"v{i}", f"g{i}", "train", n, 10.0, np.ones(n, bool))
        made.append(track(video, {"image": {"tokens": token_ND, "frames": torch.arange(n)}}, "nearest"))
    return made


LENGTHS = [3, 8, 9, 30, 1]


def test_a_video_level_score_is_the_squashed_mean_of_its_frames_logits():
    """By hand: padding and the cut into clips of 8 leave no trace."""
    spec, some = FRAMES["video"], tracks_of(LENGTHS)
    found = scores_of(spec, Place(), Echo(), some)
    for one in some:
        mean_L = one.tokens["image"]["tokens"].double().mean(dim=0)
        expected = 1 / (1 + np.exp(-mean_L.numpy()))
        assert found[one.video.key].shape == (1, 2)
        np.testing.assert_allclose(found[one.video.key][0], expected, rtol=1e-5)


def test_video_level_rows_keep_their_own_targets():
    spec, some = FRAMES["video"], tracks_of(LENGTHS)
    target_VRL = [np.array([[i, i / 2]], np.float32) for i in range(len(some))]
    for rng in (None, np.random.default_rng(0)):
        for batch in batches(some, length=8, batch=3, rng=rng, whole_videos=True):
            logits_VL, target_VL = rows(spec, Place(), Echo(), labelled(batch, target_VRL))
            for owner, logits_L, target_L in zip(np.unique(batch.owner_B), logits_VL, target_VL, strict=True):
                torch.testing.assert_close(logits_L, some[owner].tokens["image"]["tokens"].mean(0))
                assert target_L.tolist() == target_VRL[owner][0].tolist()


def test_frame_level_scores_stand_at_their_frames():
    spec, some = FRAMES["frame"], tracks_of(LENGTHS)
    found = scores_of(spec, Place(), Echo(), some)
    for one in some:
        expected = spec.kind.squash(one.tokens["image"]["tokens"]).numpy()
        np.testing.assert_allclose(found[one.video.key], expected, rtol=1e-6)


def test_frame_level_rows_are_the_unpadded_frames():
    some = tracks_of([3, 8])
    target_VRL = [np.arange(2 * n, dtype=np.float32).reshape(n, 2) for n in (3, 8)]
    [batch] = batches(some, length=8, batch=9)
    logits_RL, target_RL = rows(FRAMES["frame"], Place(), Echo(), labelled(batch, target_VRL))
    assert len(logits_RL) == 11
    assert target_RL.tolist() == np.concatenate(target_VRL).tolist()
    torch.testing.assert_close(logits_RL, torch.cat([one.tokens["image"]["tokens"] for one in some]))


def test_scores_do_not_depend_on_who_shares_the_batch():
    spec, some = FRAMES["frame"], tracks_of([30, 7, 19])
    module = tiny_world.mlp({"image": 2}, 2).eval()
    together = scores_of(spec, Place(), module, some)
    for one in some:
        alone = scores_of(spec, Place(), module, [one])
        np.testing.assert_allclose(alone[one.video.key], together[one.video.key], rtol=1e-5, atol=1e-6)


def test_widths():
    assert widths_of(tracks_of([3])) == {"image": 2}


# -- on the tiny world ----------------------------------------------------------------------------


@pytest.fixture
def stages(tiny):
    def make(task: str = "colour", **sets: Any) -> Stages:
        sets = {"adapt.image": None} | {k.replace("__", "."): v for k, v in sets.items()}
        prepared = tiny(task).prepare(sets=sets)
        return Stages(prepared.context, prepared.splits[0])

    return make


def own_and_inner(made: Stages) -> tuple[list[Any], list[Any]]:
    split = made.split
    return [made.tracks[v.key] for v in split.train], [made.tracks[v.key] for v in split.inner]


@pytest.mark.parametrize("task", ["colour", "units", "mood", "clip"])
def test_a_classifier_learns_and_its_best_epoch_is_told(stages, task: str):
    made = stages(task, fit__epochs=6)
    entry = fit(made.context, made.split, 0, *own_and_inner(made))
    assert (entry.info["what"], entry.info["by"]) == (
        "epoch of classifier 0",
        f"{made.context.plan.task.kind.metric} on inner",
    )
    assert entry.info["chosen"] == int(np.argmax(entry.info["scores"])) + 1
    assert max(entry.info["scores"]) > entry.info["scores"][0] or entry.info["chosen"] == 1


def test_the_same_seed_is_the_same_classifier_whatever_was_drawn_before(stages):
    made = stages()
    one = fit(made.context, made.split, 0, *own_and_inner(made)).tensors
    torch.manual_seed(1234)
    np.random.seed(1)
    again = fit(made.context, made.split, 0, *own_and_inner(made)).tensors
    other = fit(made.context, made.split, 1, *own_and_inner(made)).tensors
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_labels_of_its_own_part_and_of_inner_are_all_it_reads(stages, monkeypatch: pytest.MonkeyPatch):
    made = stages()
    own, inner = own_and_inner(made)
    read: list[str] = []
    real = tiny_world.TinyReader.targets
    monkeypatch.setattr(
        tiny_world.TinyReader, "targets", lambda self, video: read.append(video.key) or real(self, video)
    )
    fit(made.context, made.split, 0, own[:3], inner)
    assert sorted(read) == sorted(one.video.key for one in (*own[:3], *inner))


def test_a_part_without_videos(stages):
    made = stages()
    with pytest.raises(HarnessError, match="part 3 of official has no training video"):
        fit(made.context, made.split, 3, [], [])


def test_a_solved_classifier_sees_every_training_row_once(stages):
    made = stages("mood", fusion="average")
    own, inner = own_and_inner(made)
    entry = fit(made.context, made.split, 0, own, inner)
    target_RL = np.concatenate(list(made.context.targets(made.split.train).values()))
    mean_L = (np.nanmean(target_RL.astype(float), axis=0) + 1) / 2
    np.testing.assert_allclose(entry.tensors["logits_L"].numpy(), np.log(mean_L / (1 - mean_L)), rtol=1e-4)
    assert entry.info == {"what": "classifier 0", "chosen": "closed form", "by": "train"}


def test_labelled_clips_may_be_read_again(stages):
    made = stages("mood")
    own, _ = own_and_inner(made)
    target = made.context.targets(made.split.train)
    labelled = Labelled(made.context.plan.task, own, [target[one.video.key] for one in own])
    counts = [sum(int((~target_BTL.isnan().all(-1)).sum()) for _, _, target_BTL in labelled) for _ in range(2)]
    assert counts == [sum(int((~np.isnan(t).all(1)).sum()) for t in target.values())] * 2


def test_restored_it_gives_the_same_scores(stages):
    made = stages()
    own, inner = own_and_inner(made)
    context = made.context
    module = new_fusion(context.plan, widths_of(own), 5, context.place)
    again = restore(context.plan, context.place, module.state_dict(), widths_of(own))
    one, two = (scores_of(context.plan.task, context.place, m, inner) for m in (module, again))
    assert all((one[key] == two[key]).all() for key in one)


def test_what_a_classifier_depends_on(stages):
    def parts(part: int = 0, **sets: Any) -> str:
        made = stages(**sets)
        encoded = {m: one.identity for m, one in made.adapted.items()}
        return repr(fit_parts(made.context, made.split, encoded, {"scenes": 1}, part))

    base = parts()
    assert parts() == base
    assert parts(vote="majority", postprocess="none", order="smooth-vote") == base
    changes = [{"part": 1}, {"fusion__width": 4}, {"fit__lr": 0.5}, {"fill_faces": "mask"},
               {"adapt__image": Recipe(1, 0.1, 8)}, {"encoders__text": None}, {"partial_rows": "all"}]  # fmt: skip
    assert base not in [parts(**change) for change in changes]


class Where(nn.Module):
    """Logits tell where in its clip a frame stands, and nothing of the frame."""

    def forward(self, tokens: Any, mask: Any) -> Tensor:
        frames = tokens["image"].shape[1]
        return torch.arange(frames).float()[None, :, None].expand(len(tokens["image"]), -1, 2) / 10


@pytest.mark.parametrize("overlap", [0, 3, 4, 7])
@pytest.mark.parametrize("level", ["frame", "video"])
def test_overlapping_clips_are_averaged(level: str, overlap: int):
    """By hand: each frame's mean over the clips it stands in; the video's is the mean of those."""
    spec, some = FRAMES[level], tracks_of(LENGTHS)
    found = scores_of(spec, Place(), Where(), some, overlap=overlap)
    for one in some:
        frames = one.video.frames
        at_F: list[list[float]] = [[] for _ in range(frames)]
        for start in range(0, max(1, frames - overlap), 8 - overlap):
            for frame in range(start, min(start + 8, frames)):
                at_F[frame].append((frame - start) / 10)
        logits = [torch.tensor(at) for at in at_F]
        if level == "frame":
            expected_R = torch.stack([spec.kind.squash(at).mean() for at in logits])
        else:
            expected_R = spec.kind.squash(torch.stack([at.mean() for at in logits]).mean())[None]
        np.testing.assert_allclose(found[one.video.key], expected_R[:, None].expand(-1, 2).numpy(), rtol=1e-5)


def test_long_videos_are_read_in_turns(monkeypatch: pytest.MonkeyPatch):
    spec, some = FRAMES["video"], tracks_of(LENGTHS)
    module = tiny_world.mlp({"image": 2}, 2).eval()
    at_once = scores_of(spec, Place(), module, some)
    sizes: list[int] = []
    monkeypatch.setattr("harness.fit.CLIPS_AT_ONCE", 3)
    module.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0]["image"])))
    in_turns = scores_of(spec, Place(), module, some)
    assert max(sizes) == 3
    for key in at_once:
        np.testing.assert_allclose(in_turns[key], at_once[key], rtol=1e-5)


def test_a_classifier_does_not_depend_on_how_clips_overlap_later(stages):
    made, plain = stages(overlap=7), stages()
    names = [fit_parts(one.context, one.split, {}, {}, 0) for one in (made, plain)]
    assert names[0] == names[1]
