from __future__ import annotations

import numpy as np
import pytest

from netease_abaw6.scene_parts import cluster, merge_small


def clouds(k: int, each: int = 12) -> np.ndarray:
    """`k` well separated clouds of points in the plane, one after the other."""
    rng = np.random.default_rng(k)
    centres = 10 * np.stack([np.cos(np.arange(k) * 2 * np.pi / k), np.sin(np.arange(k) * 2 * np.pi / k)], axis=1)
    return np.concatenate([centre + rng.normal(0, 0.3, (each, 2)) for centre in centres])


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_silhouette_finds_the_true_number(k: int) -> None:
    part_V = cluster(clouds(k), 0, 8, seed=0)
    assert len(set(part_V.tolist())) == k
    assert len({(int(part), i // 12) for i, part in enumerate(part_V)}) == k


def test_at_most_that_many() -> None:
    assert len(set(cluster(clouds(5), 0, 3, seed=0).tolist())) <= 3


def test_a_fixed_number_is_kept_as_far_as_there_are_different_points() -> None:
    assert len(set(cluster(clouds(3), 6, 8, seed=0).tolist())) == 6
    assert len(set(cluster(np.repeat(clouds(2, 1), 5, axis=0), 6, 8, seed=0).tolist())) == 2


@pytest.mark.parametrize("points", [1, 2])
def test_too_few_points_to_choose_are_one_part(points: int) -> None:
    assert cluster(clouds(3)[:points], 0, 8, seed=0).tolist() == [0] * points


def test_merging_takes_the_smallest_first_and_renumbers() -> None:
    reduced_VD = np.array([[0.0], [0.1], [0.2], [1.0], [9.0], [9.1], [9.2], [9.3]])
    part_V = np.array([5, 5, 5, 2, 0, 0, 0, 0])
    assert merge_small(reduced_VD, part_V, 2).tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    assert merge_small(reduced_VD, part_V, 1).tolist() == [2, 2, 2, 1, 0, 0, 0, 0]
    assert merge_small(reduced_VD, part_V, 9).tolist() == [0] * 8
