"""Frames per second and peak memory of the three heavy steps, as a share of what the bare network reaches.

"Bare" is the network called on tensors that lie ready; "ours" goes through the harness: decoding, batching, cropping,
schedules. Both take turns in one process, the best round of each counts. On the CPU seconds are the process's own
processor time (of all its threads), so that other work on the machine does not count; on a GPU they are the wall's, the
precision is bf16, and its peak is compared with too.
`make bench` measures the paper's sizes; the default suite goes through the same code once, with tiny ones.

Shapes: B batch, C H W image planes, T frames of a clip, R judged rows, L labels.
"""

from __future__ import annotations

import gc
import io
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor

from harness.clips import Track, batches, labelled, on_device, targets, track
from harness.context import Place
from harness.encode import media_ahead, tokens
from harness.fit import rows
from harness.kinds import ANY_OF
from harness.losses import by_name
from harness.pixels import Squares
from harness.progress import silent
from harness.resources import Resources
from harness.training import train
from harness.types import Image, Recipe, TaskSpec, Video

pytest.importorskip("pytest_benchmark")
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
PEAK_BF16 = {"H100": 989e12, "H200": 989e12, "A100": 312e12}  # dense, by the data sheets
LABELS = tuple(f"AU{i}" for i in range(12))
VIDEOS = 2
STEP_PASSES = 8  # over the weights: weights, gradients and two moments are each read and written once
FRAMES = TaskSpec("frames", "Frames", "none", LABELS, ANY_OF, "frame", ("image", "audio"), version=1, reference="")


@dataclass(frozen=True)
class Sizes:
    """How much of what: ViT, decoder and fusion options; frames to encode, images a step, clips a step; rounds."""

    vit: dict[str, int]
    decoder: dict[str, int]
    fusion: dict[str, Any]
    frames: int
    images: int
    clips: int
    rounds: int


VIT_B = {"width": 768, "depth": 12, "heads": 12, "patch": 16, "image": 224}
VIT_TINY = {"width": 32, "depth": 1, "heads": 2, "patch": 16, "image": 32}
DECODER = {"decoder_width": 512, "decoder_depth": 8, "decoder_heads": 16}
DECODER_TINY = {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2}
FUSION = {"layers": 4, "dropout": 0.3, "width": 256, "heads": 4, "feedforward": 128, "positions": "none"}
SIZES = {
    ("tiny", "cpu"): Sizes(VIT_TINY, DECODER_TINY, FUSION | {"width": 16, "layers": 1}, 4, 2, 2, 1),
    ("tiny", "cuda"): Sizes(VIT_TINY, DECODER_TINY, FUSION | {"width": 16, "layers": 1}, 4, 2, 2, 1),
    ("paper", "cpu"): Sizes(VIT_B, DECODER, FUSION, 8, 4, 32, 3),
    ("paper", "cuda"): Sizes(VIT_B, DECODER, FUSION, 2048, 256, 32, 5),
}


@dataclass(frozen=True)
class Stage:
    """`ours()` and `bare()` return the seconds that `items` of `unit` took; FLOP are counted of `step()`.

    `moved` is the least that has to pass through a device's memory for them, in bytes: what is read and what is
    written, once.
    """

    unit: str
    items: int
    moved: int
    ours: Callable[[], float]
    bare: Callable[[], float]
    step: Callable[[], Any]


# -- the three steps ----------------------------------------------------------------------------


class Files:
    """The view of a video whose frames lie in memory as JPEG files do on disk."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(0)
        smooth = Pillow.fromarray(rng.integers(0, 256, (28, 28, 3), dtype=np.uint8)).resize((224, 224))
        held = io.BytesIO()
        smooth.save(held, "JPEG", quality=95)
        self.files = [held.getvalue()] * count

    def images(self, video: Video, indices: Sequence[int]) -> list[Image]:
        return [np.asarray(Pillow.open(io.BytesIO(self.files[i]))) for i in indices]


def encode(sizes: Sizes, place: Place, folder: Path) -> Stage:
    """Frames of `VIDEOS` videos from JPEG to tokens; bare: the network on batches of the same size."""
    from harness import encode as module
    from netease_abaw6.mae import mae_vit

    lent = Resources(None, place.device, 0, Path, silent)  # type: ignore[arg-type]
    encoder = mae_vit(weights="random", resources=lent, **sizes.vit)
    each = sizes.frames // VIDEOS
    view, seen = Files(each), np.ones(each, bool)
    videos = [Video(f"v{i}", f"v{i}", "train", each, 25.0, seen) for i in range(VIDEOS)]
    batch = min(each, module.BATCH)
    ready_BCHW = torch.randn(batch, 3, sizes.vit["image"], sizes.vit["image"], device=place.device)

    def bare() -> None:
        with torch.inference_mode(), place.autocast():
            for _ in range(sizes.frames // batch):
                encoder.network(ready_BCHW)

    def ours() -> None:
        for _, media in media_ahead(videos, encoder, view, place.device, Squares()):  # type: ignore[arg-type]
            tokens(encoder, media, place)

    moved = sizes.frames // batch * bytes_of(encoder.network) + sizes.frames * 3 * sizes.vit["image"] ** 2
    return Stage("images", sizes.frames, moved, timed(ours, place), timed(bare, place), bare)


def pretrain(sizes: Sizes, place: Place, folder: Path) -> Stage:
    """A step of masked pre-training, cropping and schedule included; bare: transformers' model and AdamW."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    from netease_abaw6.pretrain import PretrainRecipe, encoder_weights

    files = [folder / f"{i}.jpg" for i in range(sizes.images)]
    for path, data in zip(files, Files(sizes.images).files, strict=True):
        path.write_bytes(data)
    recipe = PretrainRecipe(**sizes.vit, **sizes.decoder, epochs=3, batch=sizes.images)
    config = ViTMAEConfig(
        hidden_size=recipe.width, num_hidden_layers=recipe.depth, num_attention_heads=recipe.heads,
        intermediate_size=4 * recipe.width, image_size=recipe.image, patch_size=recipe.patch,
        decoder_hidden_size=recipe.decoder_width, decoder_num_hidden_layers=recipe.decoder_depth,
        decoder_num_attention_heads=recipe.decoder_heads, decoder_intermediate_size=4 * recipe.decoder_width,
    )  # fmt: skip
    ready_BCHW = torch.randn(sizes.images, 3, recipe.image, recipe.image, device=place.device)

    @cache  # made when first called, so that memory of ours is measured without it
    def network() -> tuple[Any, torch.optim.Optimizer]:
        model = ViTMAEForPreTraining(config).to(place.device).train()
        return model, torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.05, fused=True)

    def bare() -> None:
        model, adamw = network()
        with place.autocast():
            loss = model(pixel_values=ready_BCHW).loss
        step_of(adamw, loss)

    def ours() -> float:
        """The quickest step: with one batch an epoch, progress advances once a step."""
        begun: list[float] = []

        def ticking(items: Iterable[Any], title: str, total: int | None = None) -> Iterator[Any]:
            for item in items:
                if title == "pre-train the image encoder":
                    begun.append(clock(place))
                yield item

        encoder_weights(files, recipe, 0, place.device, ticking)  # type: ignore[arg-type]
        return float(np.diff(begun).min())

    moved = STEP_PASSES * bytes_of(ViTMAEForPreTraining(config)) + ready_BCHW.numel()
    return Stage("images", sizes.images, moved, ours, timed(bare, place), bare)


def fusion(sizes: Sizes, place: Place, folder: Path) -> Stage:
    """Steps on clips of 100 frames with sound, assembled from tokens as `harness.fit` does; bare: one batch again."""
    from netease_abaw6.fusion import transformer_4x

    steps, rng = 3, np.random.default_rng(0)
    tracks = [_track(f"v{i}", rng) for i in range(steps * sizes.clips)]
    target_VRL = [rng.integers(0, 2, (100, len(LABELS))).astype(np.float32) for _ in tracks]
    weights_L = torch.ones(len(LABELS), device=place.device)
    module = transformer_4x({"image": 768, "audio": 128}, len(LABELS), **sizes.fusion).to(place.device)
    recipe, loss_of = Recipe(epochs=1, lr=1e-4, batch=sizes.clips), by_name(ANY_OF.loss_name)

    def loss(logits_RL: Tensor, target_RL: Tensor) -> Tensor:
        return loss_of(logits_RL.float(), target_RL, weights_L, ANY_OF)

    def losses(epoch: int) -> Iterator[Tensor]:
        clips = (labelled(batch, target_VRL) for batch in batches(tracks, length=100, batch=sizes.clips))
        for batch in on_device(clips, place.device):
            yield loss(*rows(FRAMES, place, module, batch))

    def ours() -> None:
        train([module], recipe, steps, losses, lambda epoch: None, "throughput")

    first = next(batches(tracks, length=100, batch=sizes.clips))
    ready, ready_RL = first.to(place.device), targets(first, target_VRL).flatten(0, 1).to(place.device)
    adamw = torch.optim.AdamW(module.parameters(), lr=1e-4, fused=True)

    def bare() -> None:
        module.train()
        for _ in range(steps):
            with place.autocast():
                logits_BTL = module(ready.tokens, ready.mask)
            step_of(adamw, loss(logits_BTL.flatten(0, 1), ready_RL))

    frames = steps * sizes.clips * 100
    moved = steps * STEP_PASSES * bytes_of(module) + frames * 768 * 4
    return Stage("frames", frames, moved, timed(ours, place), timed(bare, place), bare)


def _track(name: str, rng: np.random.Generator) -> Track:
    image = {"tokens": torch.from_numpy(rng.normal(size=(100, 768)).astype(np.float32)), "frames": torch.arange(100)}
    begin_N = 0.96 * torch.arange(4)
    audio = {"tokens": torch.randn(4, 128), "times": torch.stack([begin_N, begin_N + 0.975], dim=1)}
    video = Video(name, name, "train", 100, 25.0, np.ones(100, bool))
    return track(video, {"image": image, "audio": audio}, "nearest")


# The smallest first: what a stage has freed may still count as memory of the process.
STAGES: dict[str, Callable[[Sizes, Place, Path], Stage]] = {
    "fusion step, transformer_4x": fusion,
    "encode, ViT-B/16 at 224": encode,
    "pre-train step, ViTMAE base": pretrain,
}


# -- measuring ----------------------------------------------------------------------------------


def bytes_of(module: torch.nn.Module) -> int:
    """Of all parameters."""
    return sum(p.numel() * p.element_size() for p in module.parameters())


def floor(flops: float, moved: float, rate: float, bandwidth: float) -> tuple[float, str]:
    """The least seconds that work can take, by the larger of two numbers: arithmetic, or bytes through memory."""
    return max((flops / rate, "arithmetic"), (moved / bandwidth, "memory"))


def step_of(adamw: torch.optim.Optimizer, loss: Tensor) -> None:
    adamw.zero_grad(set_to_none=True)
    loss.backward()
    adamw.step()


def clock(place: Place) -> float:
    """Seconds; a GPU has finished what it was given."""
    if not place.device.startswith("cuda"):
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def timed(run: Callable[[], Any], place: Place) -> Callable[[], float]:
    """`run` as a function that returns how long it took."""

    def seconds() -> float:
        begin = clock(place)
        run()
        return clock(place) - begin

    return seconds


def with_peak(run: Callable[[], float], place: Place) -> tuple[float, float]:
    """What `run` returns, and the peak of memory meanwhile in MB: the process's, or the GPU's."""
    if place.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
        return run(), torch.cuda.max_memory_allocated() / 2**20
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():  # no Linux: the peak since the process began
        return run(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    reset.write_text("5")
    seconds = run()
    [peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return seconds, int(peak.split()[1]) / 1024


def measured(name: str, sizes: Sizes, place: Place, folder: Path) -> dict[str, Any]:
    """A row: the best of `sizes.rounds` of ours and bare, by turns; memory from one round of each before."""
    gc.collect()
    torch.manual_seed(0)
    stage = STAGES[name](sizes, place, folder)
    (_, peak), (_, bare_peak) = with_peak(stage.ours, place), with_peak(stage.bare, place)
    ours, bare = zip(*((stage.ours(), stage.bare()) for _ in range(sizes.rounds)), strict=True)
    seconds, bare_seconds = min(ours), min(bare)
    row = {
        "device": torch.cuda.get_device_name() if place.device.startswith("cuda") else "cpu",
        "ours per second": f"{stage.items / seconds:,.1f} {stage.unit}",
        "bare per second": f"{stage.items / bare_seconds:,.1f} {stage.unit}",
        "share of bare": f"{100 * bare_seconds / seconds:.0f} %",
        "peak memory, ours": f"{peak:,.0f} MB",
        "bare": f"{bare_peak:,.0f} MB",
    }
    return row | (of_peak(stage, seconds) if place.device.startswith("cuda") else {})


def of_peak(stage: Stage, seconds: float) -> dict[str, str]:
    """Shares of the GPU's bf16 rate: of the data sheet's, and of what one large matrix product reaches here; and the
    floor below which no time can be, by that product and by a large copy within the GPU's memory.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        stage.step()
    flops, name = counter.get_total_flops(), torch.cuda.get_device_name()
    rate = flops / seconds
    sheet = next((peak for card, peak in PEAK_BF16.items() if card in name), None)
    square = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    product = timed(lambda: square @ square, Place("cuda", "bf16"))
    product()
    reached = 2 * 8192**3 / min(product() for _ in range(5))
    source = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    copy = timed(source.clone, Place("cuda"))
    copy()
    bandwidth = 2 * source.numel() / min(copy() for _ in range(5))
    least, by = floor(flops, stage.moved, reached, bandwidth)
    return {
        "TFLOP/s": f"{rate / 1e12:,.0f}",
        "of bf16 peak": f"{100 * rate / sheet:.0f} %" if sheet else "unknown card",
        "of a matrix product": f"{100 * rate / reached:.0f} %",
        "floor": f"{stage.items / least:,.0f} {stage.unit} by {by}",
    }


def test_the_floor_is_the_slower_of_arithmetic_and_memory() -> None:
    assert floor(flops=6e12, moved=4e9, rate=3e12, bandwidth=4e9) == (2.0, "arithmetic")
    assert floor(flops=6e12, moved=12e9, rate=3e12, bandwidth=4e9) == (3.0, "memory")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("sizes", ["tiny", "paper"])
@pytest.mark.parametrize("name", STAGES)
def test_bench_throughput(benchmark: Any, table: list[Any], tmp_path: Path, name: str, sizes: str, device: str) -> None:
    if (sizes == "paper") == benchmark.disabled:
        pytest.skip("the paper's sizes are for make bench, the tiny ones for the default suite")
    place, chosen = Place(device, "bf16" if device == "cuda" else "fp32"), SIZES[sizes, device]
    row = benchmark.pedantic(measured, args=(name, chosen, place, tmp_path), rounds=1)
    assert 0 < float(row["share of bare"].split()[0]) < 1000
    benchmark.extra_info.update(row)
    if not benchmark.disabled:
        table.append({"step": name} | row)
