from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.context import Place
from harness.encode import tokens
from harness.errors import MissingData, UserError
from harness.types import Audio, AudioInput, Encoder, Video
from harness.windows import windows
from netease_abaw6.vggish import CHANNELS, VGGishNet, vggish
from netease_abaw6.vggish_frontend import SAMPLES, log_mel

TIME_S = np.arange(SAMPLES) / 16_000
SOUNDS_BS = torch.from_numpy(
    np.stack(
        [
            0.1 * np.random.default_rng(0).normal(size=SAMPLES),
            0.5 * np.sin(2 * np.pi * (100 + 3000 * TIME_S) * TIME_S),
            np.sin(2 * np.pi * 440 * TIME_S),
            np.zeros(SAMPLES),
        ]
    )
).float()


# -- network ------------------------------------------------------------------------------------


def reference_net(state, patches, *, prefixes, final_relu):
    """The published architecture, written down once more with functions only."""
    conv, full = prefixes
    x = patches
    for index, pooled in ((0, True), (3, True), (6, False), (8, True), (11, False), (13, True)):
        x = nn.functional.conv2d(x, state[f"{conv}.{index}.weight"], state[f"{conv}.{index}.bias"], padding=1).relu()
        x = nn.functional.max_pool2d(x, 2) if pooled else x
    x = torch.transpose(torch.transpose(x, 1, 3), 1, 2).reshape(len(patches), -1)
    for index, relu in ((0, True), (2, True), (4, final_relu)):
        x = nn.functional.linear(x, state[f"{full}.{index}.weight"], state[f"{full}.{index}.bias"])
        x = x.relu() if relu else x
    return x


@pytest.fixture
def small_state():
    torch.manual_seed(0)
    return VGGishNet(width=0.0625, embedding=16).state_dict()


LAYOUTS = {"torchvggish": ("features", "embeddings"), "torchaudio": ("features_network", "embedding_network")}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("final_relu", [True, False])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_both_public_layouts_load(parity, tmp_path, small_state, layout, final_relu, suffix):
    prefixes = LAYOUTS[layout]
    names = {"features": prefixes[0], "embeddings": prefixes[1]}
    state = {f"{names[n.split('.')[0]]}.{n.split('.', 1)[1]}": t.clone() for n, t in small_state.items()}
    path = tmp_path / f"vggish{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    encoder = vggish(weights=str(path), width=0.0625, embedding=16, final_relu=final_relu)
    with torch.no_grad():
        wide = {name: weight.double() for name, weight in state.items()}
        expected = reference_net(wide, log_mel(SOUNDS_BS).double(), prefixes=prefixes, final_relu=final_relu)
        difference = (encoder(SOUNDS_BS) - expected).abs().max() / expected.abs().max()
    parity("VGGish network, both layouts", "functions only, float64; of the largest value", difference, at_most=1e-5)
    assert bool((expected < 0).any()) != final_relu


def test_the_published_size_has_72_million_parameters():
    with torch.device("meta"):
        net = VGGishNet()
    assert sum(p.numel() for p in net.parameters()) == 72_141_184
    assert [m.out_channels for m in net.features if isinstance(m, nn.Conv2d)] == list(CHANNELS)
    assert [tuple(m.weight.shape) for m in net.embeddings if isinstance(m, nn.Linear)] == [
        (4096, 12288),
        (4096, 4096),
        (128, 4096),
    ]


# -- encoder ------------------------------------------------------------------------------------


def test_it_is_an_encoder():
    encoder = vggish(weights="random", width=0.0625, embedding=16)
    assert isinstance(encoder, Encoder)
    assert (encoder.modality, encoder.dim, encoder.input) == ("audio", 16, AudioInput(16_000, 0.975, 0.96))
    assert round(encoder.input.window * encoder.input.rate) == SAMPLES
    tokens_BD = encoder(torch.randn(3, SAMPLES))
    assert (tokens_BD.shape, tokens_BD.dtype) == ((3, 16), torch.float32)


def test_tokens_of_a_recording_carry_their_seconds():
    encoder = vggish(weights="random", width=0.0625, embedding=16)
    video = Video("v", "v", "train", 75, 25.0, np.ones(75, bool))
    sound = Audio(0.1 * np.random.default_rng(0).normal(size=40_000).astype(np.float32), 16_000, start=0.2)
    samples_NS, times_N2 = windows(sound, encoder.input, video)
    found = tokens(encoder, [{"samples": samples_NS, "times": times_N2}], Place())
    begin_N = 0.2 + 0.96 * torch.arange(3)
    torch.testing.assert_close(found["times"], torch.stack([begin_N, begin_N + 0.975], dim=1))
    with torch.no_grad():
        of_their_seconds_ND = torch.cat([encoder(samples_NS[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(found["tokens"], of_their_seconds_ND)


def test_every_parameter_gets_a_gradient_also_after_inference_mode():
    torch.manual_seed(0)
    encoder = vggish(weights="random", width=0.0625, embedding=16, final_relu=False)
    with torch.inference_mode():
        encoder(SOUNDS_BS[:2])
    encoder(SOUNDS_BS[:2]).square().sum().backward()
    for name, parameter in encoder.module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_frozen_one_has_nothing_to_adapt():
    encoder = vggish(weights="random", width=0.0625, embedding=16, frozen=True)
    assert encoder.module is None
    assert not encoder(torch.randn(1, SAMPLES)).requires_grad


def test_a_narrow_one_learns_pitch_from_scratch():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    encoder = vggish(weights="random", width=0.0625, embedding=16)
    head = nn.Linear(16, 1)
    pitch_N = rng.uniform(100, 400, 80)
    tones = np.sin(2 * np.pi * pitch_N[:, None] * TIME_S) + 0.3 * np.sin(4 * np.pi * pitch_N[:, None] * TIME_S)
    samples_NS = torch.from_numpy(0.2 * tones * rng.uniform(0.5, 2, (80, 1))).float()
    target_N1 = torch.from_numpy((pitch_N - 250) / 87).float()[:, None]
    optimiser = torch.optim.AdamW([*encoder.module.parameters(), *head.parameters()], lr=2e-3)
    for _ in range(40):
        rows = torch.from_numpy(rng.permutation(48)[:16])
        loss = (head(encoder(samples_NS[rows])) - target_N1[rows]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        guess = head(encoder(samples_NS[48:]))
    assert np.corrcoef(guess[:, 0], target_N1[48:, 0])[0, 1] > 0.9


# -- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, "nowhere/vggish-10086976.pth"])
def test_missing_weights_name_the_known_files(weights):
    with pytest.raises(MissingData, match=r"vggish-10086976\.pth .*torchvggish.*vggish\.pt .*torchaudio") as raised:
        vggish(weights=weights)
    assert raised.value.exit_code == 3


def test_weights_by_url_need_their_hash():
    with pytest.raises(UserError, match=r"expected https://example\.org/vggish\.pt#sha256="):
        vggish(weights="https://example.org/vggish.pt")


def test_weights_of_another_size_say_what_differs(tmp_path, small_state):
    torch.save(small_state, tmp_path / "small.pth")
    with pytest.raises(UserError, match=r"embeddings\.0\.bias: expected \(512,\), came \(256,\)"):
        vggish(weights=str(tmp_path / "small.pth"), width=0.125, embedding=16)


def test_a_file_that_is_no_checkpoint_is_a_users_mistake(tmp_path):
    for name, content in (("a.pth", b"not a checkpoint"), ("b.safetensors", b"neither"), ("c.pth", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="cannot be read as weights"):
            vggish(weights=str(tmp_path / name))


def test_a_pickle_with_code_in_it_is_not_run(tmp_path):
    torch.save({"features.0.weight": Path("somewhere")}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match="cannot be read as weights"):
        vggish(weights=str(tmp_path / "bad.pth"))


@pytest.mark.parametrize("options", [{"width": 0}, {"embedding": 0}, {"hop": 0}])
def test_impossible_sizes_are_refused(options):
    with pytest.raises(UserError, match="vggish takes width > 0"):
        vggish(weights="random", **options)


# -- post-processing ----------------------------------------------------------------------------


@pytest.fixture
def pca(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "pca.npz"
    np.savez(path, pca_eigen_vectors=np.linalg.qr(rng.normal(size=(16, 16)))[0], pca_means=rng.random((16, 1)))
    return path


def reference_postprocess(tokens_BD, path):
    """AudioSet's: np.uint8 cuts off; the lab then divided by 255."""
    stored = np.load(path)
    applied = (stored["pca_eigen_vectors"] @ (tokens_BD.T.astype(float) - stored["pca_means"].reshape(-1, 1))).T
    return ((np.clip(applied, -2, 2) + 2) * (255 / 4)).astype(np.uint8) / 255


def test_pca_is_whitened_clipped_and_cut_to_8_bits(pca):
    torch.manual_seed(0)
    plain = vggish(weights="random", width=0.0625, embedding=16)
    torch.manual_seed(0)
    whitened = vggish(weights="random", width=0.0625, embedding=16, pca=str(pca))
    with torch.no_grad():
        got, expected = whitened(SOUNDS_BS).numpy(), reference_postprocess(plain(SOUNDS_BS).numpy(), pca)
    steps = np.round((got - expected) * 255)
    assert (steps != 0).mean() < 0.02  # where float32 and float64 fall on two sides of a step
    assert np.abs(steps).max() <= 1
    assert whitened.module is None
    in_bytes = vggish(weights="random", width=0.0625, embedding=16, pca=str(pca), pca_unit=False)
    in_bytes.net.load_state_dict(whitened.net.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(in_bytes(SOUNDS_BS), torch.from_numpy(np.round(got * 255)))


def test_the_published_pca_parameters_fit(test_data):
    path = test_data / "weights" / "vggish_pca_params.npz"
    encoder = vggish(weights="random", width=0.0625, pca=str(path))
    with torch.no_grad():
        tokens_BD = encoder(SOUNDS_BS[:1])
        plain_BD = encoder.net(log_mel(SOUNDS_BS[:1])).numpy()
    assert tokens_BD.shape == (1, 128)
    assert np.abs(tokens_BD.numpy() - reference_postprocess(plain_BD, path)).max() <= 1 / 255 + 1e-6


def test_pca_of_another_width_is_refused(pca):
    with pytest.raises(UserError, match="tokens of width 16, came embedding=32"):
        vggish(weights="random", width=0.0625, embedding=32, pca=str(pca))


def test_missing_pca_is_missing_data():
    with pytest.raises(MissingData, match=r"expected vggish_pca_params\.npz"):
        vggish(weights="random", width=0.0625, pca="nowhere.npz")


def test_arrays_of_other_names_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", mean=np.zeros(3))
    with pytest.raises(UserError, match="expected arrays pca_eigen_vectors and pca_means, came mean"):
        vggish(weights="random", width=0.0625, pca=str(tmp_path / "other.npz"))
