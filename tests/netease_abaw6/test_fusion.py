from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from harness.errors import UserError
from netease_abaw6.fusion import transformer_4x, transformer_4x_framewise

WIDTHS = {"image": 12, "audio": 7, "text": 5}


def clips(widths=WIDTHS, batch=3, frames=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    count = {"image": frames, "audio": 1, "text": 1}
    tokens = {m: torch.randn(batch, count[m], d, generator=generator) for m, d in widths.items()}
    return tokens, {m: torch.ones(t.shape[:2], dtype=torch.bool) for m, t in tokens.items()}


def fusion(widths=WIDTHS, outputs=4, **options):
    torch.manual_seed(0)
    small = {"width": 16, "heads": 2, "feedforward": 32} | options
    return transformer_4x(widths, outputs, **small).eval()


@pytest.mark.parametrize("positions", ["none", "learned", "sinusoidal"])
@pytest.mark.parametrize("modalities", [["image"], ["image", "audio"], ["audio", "image", "text"]])
def test_one_row_of_logits_for_each_image_token(modalities, positions):
    widths = {m: WIDTHS[m] for m in modalities}
    assert fusion(widths, positions=positions)(*clips(widths)).shape == (3, 6, 4)


def test_the_paper_s_numbers_are_the_defaults():
    defaults = {n: p.default for n, p in inspect.signature(transformer_4x).parameters.items()}
    assert (defaults["layers"], defaults["dropout"]) == (4, 0.3)
    net = transformer_4x(WIDTHS, 8)
    assert len(net.encoder.layers) == 4
    assert {m.p for m in net.modules() if isinstance(m, nn.Dropout)} == {0.3}
    assert isinstance(net.head, nn.Linear)
    assert net.head.out_features == 8


def test_training_and_evaluation_paths_agree_without_dropout():
    net = fusion(dropout=0.0)
    tokens, mask = clips()
    mask["image"][0, 2:], mask["audio"][1] = False, False
    with torch.inference_mode():
        fast = net(tokens, mask)
    torch.testing.assert_close(net.train()(tokens, mask), fast, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("modality", ["audio", "text"])
def test_every_frame_hears_the_one_token(modality):
    net, (tokens, mask) = fusion(), clips()
    before = net(tokens, mask)
    tokens[modality] = -tokens[modality]
    assert ((net(tokens, mask) - before).abs().amax(dim=-1) > 1e-4).all()


@pytest.mark.parametrize("modality", ["image", "audio", "text"])
def test_what_a_masked_token_holds_does_not_matter(modality):
    net, (tokens, mask) = fusion(), clips()
    mask[modality][:, 0] = False
    before = net(tokens, mask)
    tokens[modality][:, 0] = float("nan")
    torch.testing.assert_close(net(tokens, mask), before)


def test_padding_changes_nothing_for_the_frames_before_it():
    net, (tokens, mask) = fusion(positions="sinusoidal"), clips()
    short = net({**tokens, "image": tokens["image"][:, :4]}, {**mask, "image": mask["image"][:, :4]})
    mask["image"][:, 4:] = False
    torch.testing.assert_close(net(tokens, mask)[:, :4], short, atol=1e-5, rtol=1e-5)


def test_an_absent_frame_still_has_logits_from_the_others():
    net, (tokens, mask) = fusion(), clips()
    mask["image"][:, 3] = False
    before = net(tokens, mask)[:, 3]
    tokens["image"][:, 2].neg_()
    assert ((net(tokens, mask)[:, 3] - before).abs() > 1e-6).all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("absent", [["image"], ["image", "audio", "text"], ["audio", "text"]])
def test_absent_tokens_give_finite_logits_and_gradients(absent, training):
    net, (tokens, mask) = fusion().train(training), clips()
    for modality in absent:
        mask[modality][1] = False
    logits_BTL = net(tokens, mask)
    logits_BTL.square().sum().backward()
    assert torch.isfinite(logits_BTL).all()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_a_clip_with_nothing_is_not_told_by_its_neighbours():
    net, (tokens, mask) = fusion(), clips()
    for one in mask.values():
        one[1] = False
    there = net(tokens, mask)[1]
    alone = net({m: t[1:2] for m, t in tokens.items()}, {m: k[1:2] for m, k in mask.items()})[0]
    torch.testing.assert_close(there, alone, atol=1e-5, rtol=1e-5)


def test_without_positions_frames_are_a_set():
    tokens, mask = clips()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = {**tokens, "image": tokens["image"][:, order]}
    plain, learned, waves = (fusion(positions=p) for p in ("none", "learned", "sinusoidal"))
    torch.testing.assert_close(plain(shuffled, mask), plain(tokens, mask)[:, order], atol=1e-5, rtol=1e-5)
    for net in (learned, waves):
        assert (net(shuffled, mask) - net(tokens, mask)[:, order]).abs().max() > 1e-3


def test_every_parameter_learns():
    net, (tokens, mask) = fusion(positions="learned").train(), clips()
    mask["image"][0, 0] = False
    net(tokens, mask).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_the_weights_load_into_another_of_the_same_sizes():
    one, other, (tokens, mask) = fusion(), transformer_4x(WIDTHS, 4, width=16, heads=2, feedforward=32).eval(), clips()
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(tokens, mask), other(tokens, mask))


def test_autocast_gives_nearly_the_same():
    net, (tokens, mask) = fusion(), clips()
    mask["image"][0, 3:] = False
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = net(tokens, mask)
    torch.testing.assert_close(half.float(), net(tokens, mask), atol=0.1, rtol=0.1)


@pytest.mark.parametrize(
    ("widths", "options", "message"),
    [
        ({"audio": 3}, {}, "needs image tokens, came audio"),
        (WIDTHS, {"width": 10, "heads": 4}, "width=10 is no multiple of heads=4"),
        (WIDTHS, {"positions": "rotary"}, "came 'rotary'"),
        (WIDTHS, {"width": 9, "heads": 3, "positions": "sinusoidal"}, "an even width"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(widths, options, message):
    with pytest.raises(UserError, match=message):
        transformer_4x(widths, 4, **options)


def test_learned_positions_end():
    widths = {"image": 2}
    tokens, mask = clips(widths, batch=1, frames=1025)
    with pytest.raises(UserError, match="room for clips of 1024 frames, got 1025"):
        fusion(widths, positions="learned", layers=1)(tokens, mask)


# -- the lab's variant, frame by frame ------------------------------------------------------------


def framewise(widths=WIDTHS, outputs=4, **options):
    torch.manual_seed(0)
    small = {"width": 16, "heads": 2, "feedforward": 32} | options
    return transformer_4x_framewise(widths, outputs, **small).eval()


@pytest.mark.parametrize("modalities", [["image"], ["image", "audio"], ["audio", "image", "text"]])
def test_framewise_gives_one_row_of_logits_for_each_image_token(modalities):
    widths = {m: WIDTHS[m] for m in modalities}
    assert framewise(widths)(*clips(widths)).shape == (3, 6, 4)


def test_framewise_a_frame_alone_holds_its_image_its_sound_and_its_words():
    """By hand, frame by frame: the three projections side by side, narrowed; then the layers and the head."""
    net = framewise(layers=1)
    tokens, mask = clips()
    joined = []
    for t in range(6):
        frame = {m: tokens[m][:, t if m == "image" else 0] for m in net.order}
        wide_BD = torch.cat([net.project[m](frame[m]) + net.modality[m] for m in net.order], dim=-1)
        joined.append(net.join(wide_BD))
    torch.testing.assert_close(net(tokens, mask), net.head(net.encoder(torch.stack(joined, dim=1))))


@pytest.mark.parametrize("modality", ["audio", "text", "image"])
def test_framewise_what_a_masked_token_holds_does_not_matter(modality):
    net, (tokens, mask) = framewise(), clips()
    mask[modality][:, 0] = False
    before = net(tokens, mask)
    tokens[modality][:, 0] = float("nan")
    torch.testing.assert_close(net(tokens, mask), before)
    assert torch.isfinite(before).all()


def test_framewise_padding_changes_nothing_for_the_frames_before_it():
    net, (tokens, mask) = framewise(positions="learned"), clips()
    short = net({**tokens, "image": tokens["image"][:, :4]}, {**mask, "image": mask["image"][:, :4]})
    mask["image"][:, 4:] = False
    torch.testing.assert_close(net(tokens, mask)[:, :4], short, atol=1e-5, rtol=1e-5)


def test_framewise_a_clip_without_any_image_is_judged_by_its_sound():
    net, (tokens, mask) = framewise(), clips()
    mask["image"][:] = False
    before = net(tokens, mask)
    tokens["audio"] = -tokens["audio"]
    assert torch.isfinite(before).all()
    assert ((net(tokens, mask) - before).abs().amax(dim=-1) > 1e-5).all()
