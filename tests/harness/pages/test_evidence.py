from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.errors import HarnessError, MissingData, UserError
from harness.pages.evidence import Evidence, read_evidence

Make = Callable[..., Evidence]


@pytest.mark.parametrize("task", ["colour", "clip"])
def test_predictions_and_truth_of_every_held_out_video(evidence: Make, task: str):
    found = evidence(task)
    assert found.truth is not None
    assert found.missing == ""
    assert list(found.truth.cases) == found.videos
    assert len(found.videos) == found.row["coverage"]["videos"] == len(found.stats_VLk) == 4
    for case in found.truth.cases.values():
        assert case.scores_RL.shape == case.target_RL.shape
        np.testing.assert_array_equal(case.target_RL, found.truth.reader.targets(case.video))


def test_pooled_folds_are_the_videos_of_all_five(evidence: Make):
    found = evidence(split="folds-pooled")
    assert found.truth is not None
    assert sorted(found.truth.cases) == sorted(found.videos)
    assert len(found.videos) == found.row["coverage"]["videos"] == 14


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"data": {}}, "No plugin has a made-up stand-in for 'tiny'"),
        ({"data": {"tiny": "/nowhere"}}, r"looked at: /nowhere"),
    ],
)
def test_without_the_data_there_is_no_truth_and_it_says_why(evidence: Make, change: dict[str, Any], why: str):
    found = evidence(**change)
    assert found.truth is None
    assert re.search(why, found.missing)
    assert len(found.videos) == 4


def test_other_data_under_the_same_name_is_not_the_truth(evidence: Make, tiny: Any):
    folder = evidence().folder
    world = tiny("colour")
    labels = sorted((world.root / "labels").iterdir())[0]
    np.save(labels, np.load(labels)[:, ::-1])
    found = read_evidence(folder, "official", plugins=world.plugins, data={"tiny": str(world.root)})
    assert found.truth is None
    assert "not what the run was judged on" in found.missing


def test_a_run_without_its_predictions_is_shown_without_truth(evidence: Make, tiny: Any):
    folder = evidence().folder
    (folder / "official.parquet").unlink()
    world = tiny("colour")
    found = read_evidence(folder, "official", plugins=world.plugins, data={"tiny": str(world.root)})
    assert "there are no predictions at" in found.missing


def test_predictions_that_do_not_fit_the_labels_are_an_error(evidence: Make, tiny: Any):
    folder = evidence().folder
    pd.read_parquet(folder / "official.parquet").iloc[1:].to_parquet(folder / "official.parquet")
    world = tiny("colour")
    with pytest.raises(HarnessError, match=r"19 predictions of valid/video10, which has 20 rows of labels"):
        read_evidence(folder, "official", plugins=world.plugins, data={"tiny": str(world.root)})


def test_the_test_split_has_nothing_to_judge(evidence: Make):
    found = evidence(split="test")
    assert found.truth is None
    assert "not given" in found.missing
    assert found.videos == []


def test_a_split_that_is_not_there_is_named_with_those_that_are(evidence: Make, tmp_path: Path):
    folder = evidence().folder
    with pytest.raises(MissingData, match=r"No split 'fold-1' in .*; it has official"):
        read_evidence(folder, "fold-1", plugins=None, data={})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"No split is called 'offical'. Did you mean 'official'"):
        read_evidence(folder, "offical", plugins=None, data={})  # type: ignore[arg-type]
    with pytest.raises(MissingData, match=r"No run at .*gone"):
        read_evidence(tmp_path / "gone", "official", plugins=None, data={})  # type: ignore[arg-type]
