"""The image encoder (paper 3.1): the encoder half of a masked auto-encoder, one token per face image.

Shapes: B batch, C H W image planes, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.errors import UserError
from harness.types import ImageInput, Modality

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer
    from torch import Tensor, nn

    from harness.resources import Resources
    from netease_abaw6.mae_network import MaeNetwork


@dataclass(eq=False)
class MaeEncoder:
    """images_BCHW of `input.size` pixels -> tokens_BD; `module` is None where the encoder is frozen."""

    network: MaeNetwork
    input: ImageInput
    frozen: bool
    modality: ClassVar[Modality] = "image"

    @property
    def vit(self) -> VisionTransformer:
        return self.network.vit

    @property
    def dim(self) -> int:
        return int(self.vit.num_features)

    @property
    def module(self) -> nn.Module | None:
        return None if self.frozen else self.network

    def __call__(self, images_BCHW: Tensor) -> Tensor:
        """What `pool` makes of the last block's output; see `mae_vit`."""
        return self.network(images_BCHW).float()


def mae_vit(
    *,
    weights: str,
    width: int = 768,
    depth: int = 12,
    heads: int = 12,
    patch: int = 16,
    image: int = 224,
    drop_path: float = 0.0,
    pool: Literal["avg", "token", "tokens"] = "avg",
    narrow: int = 32,
    frozen: bool = False,
    pretrain_epochs: int = 800,
    pretrain_batch: int = 4096,
    pretrain_lr: float = 1.5e-4,
    pretrain_warmup: int = 40,
    pretrain_crop: float = 0.2,
    decoder_width: int = 512,
    decoder_depth: int = 8,
    decoder_heads: int = 16,
    resources: Resources,
) -> MaeEncoder:
    """A ViT with the weights of a masked auto-encoder (timm architecture, ImageNet mean and deviation).

    `weights` is a checkpoint's path (see `mae_checkpoints`), a hub file or URL with its hash (see `harness.weights`),
    "random" (asked for by name only), or "data:NAME":
    pre-train on the unlabelled images of data set NAME, once, as a stage of the store; the `pretrain_` and `decoder_`
    options say how and are ignored otherwise. `pretrain_lr` is per 256 images, `pretrain_warmup` counts epochs,
    `pretrain_crop` is the least share of an image's area that a crop shows.
    `pool`: "avg" is the mean of the patch tokens, normalised; "token" the class token; "tokens" keeps where things are:
    every patch token normalised and narrowed to `narrow` numbers, then one fully connected layer over all of them
    ("a fully connected layer to the end of the encoder", paper 3.1). The layer starts at random and is fine-tuned.
    `frozen`: as it is, for every task and split, so its tokens are shared by all of them (`mae_vit_b.frozen`).
    Raises MissingData where the weights or the images are not there, UserError where they do not fit.
    """
    import torch

    from netease_abaw6.mae_network import MaeNetwork

    if image % patch:
        raise UserError(f"image={image} is no multiple of patch={patch}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(resources.seed)
        vit = build_vit(
            width=width, depth=depth, heads=heads, patch=patch, image=image, drop_path=drop_path,
            pool="" if pool == "tokens" else pool,
        )  # fmt: skip
        network = MaeNetwork(vit, narrow if pool == "tokens" else 0)
    if weights.startswith("data:"):
        from netease_abaw6.pretrain import PretrainRecipe

        recipe = PretrainRecipe(
            width=width,
            depth=depth,
            heads=heads,
            patch=patch,
            image=image,
            epochs=pretrain_epochs,
            batch=pretrain_batch,
            base_lr=pretrain_lr,
            warmup_epochs=pretrain_warmup,
            smallest_crop=pretrain_crop,
            decoder_width=decoder_width,
            decoder_depth=decoder_depth,
            decoder_heads=decoder_heads,
        )
        _fill(vit, _pretrained(weights.removeprefix("data:"), recipe, resources), weights)
    elif weights != "random":
        from harness.weights import is_remote, local_file
        from netease_abaw6.mae_checkpoints import read

        _fill(vit, read(local_file(weights) if is_remote(weights) else Path(weights).expanduser()), weights)
    network.requires_grad_(not frozen).to(resources.device).eval()
    return MaeEncoder(network, ImageInput(size=image), frozen)


def build_vit(
    *, width: int, depth: int, heads: int, patch: int, image: int, drop_path: float, pool: str
) -> VisionTransformer:
    """The architecture alone, with timm's initialisation."""
    from timm.models.vision_transformer import VisionTransformer

    if width % heads:
        raise UserError(f"width={width} is no multiple of heads={heads}")
    return VisionTransformer(
        img_size=image,
        patch_size=patch,
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        num_classes=0,
        global_pool=pool,
        drop_path_rate=drop_path,
    )


def _sized(**options: Any) -> Callable[..., MaeEncoder]:
    factory = partial(mae_vit, **options)
    factory.__module__ = __name__  # where its source is looked for when features are kept under its hash
    return factory


mae_vit_t = _sized(width=192, heads=3)
mae_vit_s = _sized(width=384, heads=6)
mae_vit_b = mae_vit
mae_vit_b_frozen = _sized(frozen=True, pool="avg")
mae_vit_l = _sized(width=1024, depth=24, heads=16)


def _fill(vit: VisionTransformer, state: Mapping[str, Any], origin: str) -> None:
    from netease_abaw6.mae_checkpoints import load_encoder

    load_encoder(vit, state, origin)


def _pretrained(name: str, recipe: Any, resources: Resources) -> Mapping[str, Tensor]:
    """The encoder's weights after pre-training on data set `name`, from the store or computed now."""
    import torch

    from harness.plugins import source_hash
    from netease_abaw6.pretrain import encoder_weights, fingerprint, image_files

    files = image_files(resources.locate(name))
    source = source_hash(encoder_weights)
    key = {"data": name, "images": fingerprint(files), "seed": resources.seed, "source": source, **recipe.facts()}
    stored = resources.store.stage(
        "pretrain", key, lambda: encoder_weights(files, recipe, resources.seed, resources.device, resources.progress)
    )
    return {tensor_name: torch.as_tensor(tensor) for tensor_name, tensor in stored.items()}
