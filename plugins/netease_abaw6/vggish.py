"""The audio encoder (paper 3.1): VGGish, one token per 0.975 s of sound.

Shapes: B batch, S samples, M frames of the spectrogram (96), F mel bands (64), D width of a token.

A patch is 96 spectrogram frames of 400 samples every 160, so it takes 95 * 160 + 400 = 15,600 samples = 0.975 s, while
patches follow each other every 96 * 160 samples = 0.96 s: window 0.975 with hop 0.96 cuts a recording into exactly the
patches of the reference, which computes one long spectrogram first.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from harness.errors import MissingData, UserError
from harness.types import AudioInput, Modality
from harness.weights import local_file
from netease_abaw6.vggish_frontend import BANDS, FRAMES, RATE, SAMPLES, log_mel

if TYPE_CHECKING:
    from harness.resources import Resources

CHANNELS = (64, 128, 256, 256, 512, 512)
HIDDEN = 4096
POOL_AFTER = (0, 1, 3, 5)

KNOWN = (
    "vggish-10086976.pth (release asset of harritaylor/torchvggish), vggish.pt (torchaudio's prototype VGGISH pipeline)"
)


# -- network ------------------------------------------------------------------------------------


class VGGishNet(nn.Module):
    """patches_B1MF -> tokens_BD: six convolutions, three fully connected layers, under torchvggish's names.

    `width` scales every layer but the last. Weights start from He's initialisation, so that narrow ones learn from
    scratch, drawn from torch's global stream.
    """

    def __init__(self, *, width: float = 1.0, embedding: int = 128, final_relu: bool = True) -> None:
        super().__init__()
        channels = [max(1, round(width * c)) for c in CHANNELS]
        hidden = max(1, round(width * HIDDEN))
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip([1, *channels], channels, strict=False)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
            layers += [nn.MaxPool2d(2)] if i in POOL_AFTER else []
        self.features = nn.Sequential(*layers)
        flat = channels[-1] * (FRAMES // 16) * (BANDS // 16)
        self.embeddings = nn.Sequential(
            nn.Linear(flat, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, embedding),
            *([nn.ReLU(inplace=True)] if final_relu else []),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, patches_B1MF: Tensor) -> Tensor:
        features_BCMF = self.features(patches_B1MF)
        # the reference flattens in NHWC order
        return self.embeddings(features_BCMF.permute(0, 2, 3, 1).flatten(1))


# -- post-processing ----------------------------------------------------------------------------


class Whitening(nn.Module):
    """AudioSet's post-processing: PCA, clipped to +-2, 8 bits (cut off, as the reference does).

    With `unit` the 0 .. 255 are then divided by 255, as the lab did.
    """

    matrix: Tensor
    mean: Tensor

    def __init__(self, path: Path, *, unit: bool = True) -> None:
        super().__init__()
        self.unit = unit
        with np.load(path, allow_pickle=False) as stored:
            if not {"pca_eigen_vectors", "pca_means"} <= set(stored):
                raise UserError(f"{path}: expected arrays pca_eigen_vectors and pca_means, came {', '.join(stored)}")
            self.register_buffer("matrix", torch.from_numpy(stored["pca_eigen_vectors"]).float())
            self.register_buffer("mean", torch.from_numpy(stored["pca_means"]).float().reshape(-1))

    def forward(self, tokens_BD: Tensor) -> Tensor:
        projected_BD = (tokens_BD.float() - self.mean) @ self.matrix.T
        bytes_BD = torch.floor((projected_BD.clamp(-2, 2) + 2) * (255 / 4))
        return bytes_BD / 255 if self.unit else bytes_BD


# -- encoder ------------------------------------------------------------------------------------


@dataclass(eq=False)
class VGGish:
    """samples_BS -> tokens_BD; `module` is None where frozen, and with PCA, whose 8 bits pass no gradient."""

    net: VGGishNet
    input: AudioInput
    dim: int
    whitening: Whitening | None = None
    frozen: bool = False
    modality: ClassVar[Modality] = "audio"

    @property
    def module(self) -> nn.Module | None:
        return None if self.frozen or self.whitening is not None else self.net

    def __call__(self, samples_BS: Tensor) -> Tensor:
        tokens_BD = self.net(log_mel(samples_BS)).float()
        return tokens_BD if self.whitening is None else self.whitening(tokens_BD)


def vggish(
    *,
    weights: str | None = None,
    width: float = 1.0,
    embedding: int = 128,
    hop: float = 0.96,
    pca: str | None = None,
    pca_unit: bool = True,
    final_relu: bool = True,
    frozen: bool = False,
    resources: Resources | None = None,
) -> VGGish:
    """VGGish from a public checkpoint, or a smaller one of the same class (`width`, `embedding`) to be adapted.

    `weights` is a file in any form of `harness.weights` (safetensors, or `torch.load(weights_only=True)`), or "random",
    asked for by name only. `hop` is in seconds. `pca` is the file of AudioSet's `vggish_pca_params.npz`: tokens of 8
    bits, from 0 to 1, or with `pca_unit=False` from 0 to 255. `final_relu`: torchvggish and torchaudio have one after
    the last layer, other ports have none. Raises MissingData where a file is not there, UserError where it does not
    fit.
    """
    if width <= 0 or embedding < 1 or hop <= 0:
        raise UserError(f"vggish takes width > 0, embedding >= 1, hop > 0; came {width}, {embedding}, {hop}")
    device = resources.device if resources else "cpu"
    state = None if weights == "random" else read(weights)
    net = VGGishNet(width=width, embedding=embedding, final_relu=final_relu)
    if state is not None:
        _fill(net, state, str(weights))
    hint = "pca: expected vggish_pca_params.npz (AudioSet's VGGish)"
    whitening = Whitening(local_file(pca, hint=hint), unit=pca_unit) if pca is not None else None
    if whitening is not None and whitening.mean.shape != (embedding,):
        raise UserError(f"pca={pca!r} is for tokens of width {len(whitening.mean)}, came embedding={embedding}")
    net.requires_grad_(not frozen).to(device).eval()
    spec = AudioInput(rate=RATE, window=SAMPLES / RATE, hop=hop)
    return VGGish(net, spec, embedding, whitening.to(device) if whitening is not None else None, frozen)


def read(weights: str | None) -> dict[str, Tensor]:
    """A checkpoint of either public layout under the names of `VGGishNet`; MissingData without one."""
    if weights is None:
        raise MissingData(f"VGGish needs weights=PATH. Known: {KNOWN}; weights=random is an untrained network")
    path = local_file(weights, hint=f"VGGish weights known: {KNOWN}; weights=random is an untrained network")
    prefixes = {"features_network.": "features.", "embedding_network.": "embeddings."}
    renamed = {}
    for name, tensor in _tensors(path).items():
        for theirs, ours in prefixes.items():
            name = ours + name.removeprefix(theirs) if name.startswith(theirs) else name
        renamed[name] = tensor
    return renamed


def _tensors(path: Path) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).partition("\n")[0] or "it is empty"
        raise UserError(f"{path} cannot be read as weights: {reason}") from error
    if not isinstance(state, Mapping) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise UserError(f"{path}: expected tensors by name, as in {KNOWN}")
    return state


def _fill(net: VGGishNet, state: Mapping[str, Tensor], origin: str) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    came = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if wanted != came:
        wrong = sorted(n for n in wanted.keys() | came.keys() if wanted.get(n) != came.get(n))
        first = f"{wrong[0]}: expected {wanted.get(wrong[0], 'nothing')}, came {came.get(wrong[0], 'nothing')}"
        raise UserError(f"{origin} does not fit this VGGish ({first}); public weights are width=1, embedding=128")
    net.load_state_dict(dict(state))
