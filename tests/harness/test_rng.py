from __future__ import annotations

import torch

from harness.rng import derive, stream


def test_a_seed_is_the_same_everywhere_and_for_ever():
    assert derive(0, "fit", "official", 1) == 6809264318048893803


def test_every_place_draws_on_its_own():
    places = [
        (0,),
        (1,),
        (0, "fit"),
        (0, "adapt"),
        (0, "fit", "official"),
        (0, "fit", "fold-1"),
        (0, "fit", "fold-1", 0),
        (0, "fit", "fold-1", 1),
    ]
    seeds = [derive(*place) for place in places]
    assert len(set(seeds)) == len(places)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_names_are_not_run_together():
    assert derive(0, "ab", "c") != derive(0, "a", "bc")


def test_a_stream_repeats_and_leaves_the_outer_one_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with stream(7):
        one = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    with stream(7):
        assert torch.equal(torch.rand(2), one)
    with stream(8):
        assert not torch.equal(torch.rand(2), one)
