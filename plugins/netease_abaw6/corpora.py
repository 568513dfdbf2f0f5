"""What the weights of the bundle's encoders saw, as far as their authors say."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.corpora import of_weights

Told = tuple[str, ...] | None

IMAGE = {
    # MAE-Face (Ma et al., arXiv:2210.15878): faces of four collections, without labels
    "mae_face_pretrain_vit_base.pth": ("affectnet", "casia-webface", "imdb-wiki", "celeba"),
    # facebookresearch/mae (He et al., CVPR 2022)
    "mae_pretrain_vit_base.pth": ("imagenet",),
    "mae_pretrain_vit_large.pth": ("imagenet",),
}
AUDIO = {  # "a preliminary version of what later became YouTube-8M" (tensorflow/models, research/audioset/vggish)
    "vggish-10086976.pth": ("youtube-8m",),
    "vggish.pt": ("youtube-8m",),
}
PCA = {"vggish_pca_params.npz": ("audioset",)}


def mae(*, weights: str, **_: object) -> Told:
    """Of `mae_vit_*`."""
    return of_weights(weights, IMAGE)


def vggish(*, weights: str | None = None, pca: str | None = None, **_: object) -> Told:
    """Of `vggish`: the network, and the projection after it where there is one."""
    return _together(of_weights(weights, AUDIO), () if pca is None else of_weights(pca, PCA))


def text(*, model: str | None = None, adapter: str | None = None, **_: object) -> Told:
    """Of `text_lora`: language model and adapters; what public language models read is not told."""
    language = () if model == "tiny-random" else of_weights(model, {})
    return _together(language, () if adapter is None else of_weights(adapter, {}))


def _together(first: Told, second: Told) -> Told:
    return None if first is None or second is None else first + second


SAW: Mapping[str, Callable[..., Told]] = {
    "mae_vit_t": mae, "mae_vit_s": mae, "mae_vit_b": mae, "mae_vit_l": mae, "mae_vit_b.frozen": mae,
    "vggish": vggish, "text_lora": text,
}  # fmt: skip
