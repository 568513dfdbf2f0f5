"""What the bundle provides, by name. Importing this file imports nothing heavy: names are looked up when used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.hookspecs import hookimpl

if TYPE_CHECKING:
    import click

    from harness.types import Detector, Encoder, Partition, Pipeline, Smoother


class Lazy(Mapping[str, Any]):
    """Names beside `module:attribute` of this bundle; a module is imported when its name is taken, not before."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)

    def __getitem__(self, name: str) -> Any:
        module, attribute = self._places[name].split(":")
        return getattr(import_module(f"netease_abaw6.{module}"), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@hookimpl
def provide_detectors() -> Mapping[str, Callable[..., Detector]]:
    """Paper 4.3: RetinaFace, in three presets, and what stands in for it."""
    from netease_abaw6.detectors import DETECTORS

    return DETECTORS


@hookimpl
def provide_encoders() -> Mapping[str, Callable[..., Encoder]]:
    """Paper 3.1: MAE for images, VGGish for audio, a language model with LoRA for transcripts."""
    return Lazy(
        {
            "mae_vit_t": "mae:mae_vit_t",
            "mae_vit_s": "mae:mae_vit_s",
            "mae_vit_b": "mae:mae_vit_b",
            "mae_vit_l": "mae:mae_vit_l",
            "mae_vit_b.frozen": "mae:mae_vit_b_frozen",
            "of_run": "zero_shot:of_run",
            "vggish": "vggish:vggish",
            "text_lora": "text_lora:text_lora",
        }
    )


@hookimpl
def provide_corpora() -> Mapping[str, Callable[..., Sequence[str] | None]]:
    """What the public weights of these encoders saw."""
    from netease_abaw6.corpora import SAW

    return SAW


@hookimpl
def provide_fusions() -> Mapping[str, Callable[..., Any]]:
    """Paper 3.2: token concatenation and four transformer layers; and the lab's variant, concatenation per frame."""
    return Lazy(
        {
            "transformer_4x": "fusion:transformer_4x",
            "transformer_4x_framewise": "fusion:transformer_4x_framewise",
            "compound_of_basic": "zero_shot:compound_of_basic",
        }
    )


@hookimpl
def provide_partitions() -> Mapping[str, Callable[..., Partition]]:
    """Paper 3.3: training videos divided by the look of their background."""
    return Lazy({"scenes": "scenes:scenes"})


@hookimpl
def provide_postprocessors() -> Mapping[str, Callable[..., Smoother]]:
    """Paper 3.4, Eq. 5: Gaussian smoothing."""
    return Lazy({"gaussian": "smoothing:gaussian"})


@hookimpl
def provide_pipelines() -> Mapping[str, Pipeline]:
    """The paper's method as one literal, and what is trained otherwise: frozen images, CE without labelled videos."""
    from netease_abaw6.pipeline import NETEASE_ABAW6
    from netease_abaw6.variants import VARIANTS

    return {pipeline.name: pipeline for pipeline in (NETEASE_ABAW6, *VARIANTS)}


@hookimpl
def add_commands(cli: click.Group) -> None:
    """`harness pretrain-mae`."""
    from netease_abaw6.pretrain_command import pretrain_mae

    cli.add_command(pretrain_mae)
