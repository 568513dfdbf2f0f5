"""Media to tokens: every video's frames, windows and words through the encoders, kept in the store.

Tokens of one video: `image` tokens_ND with frames_N (which frame each is of), `audio` tokens_ND with times_N2
(seconds), `text` tokens_ND with N = 1, or 0 where there is no transcript. A batch never crosses a video.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.context import Context, Place
from harness.pixels import normalised, squares
from harness.plugins import files_hash
from harness.store import Tensors
from harness.types import AudioInput, Encoder, ImageInput, Video, View
from harness.windows import windows

if TYPE_CHECKING:
    from harness.adapt import Adapted

BATCH = 256
SOURCE = ("harness.encode", "harness.pixels", "harness.windows")


def encode(context: Context, adapted: Adapted, videos: Sequence[Video]) -> dict[str, Tensors]:
    """Tokens of these videos by key; only those not in the store are computed. The encoder is built only for them."""
    parts = {video.key: encode_parts(context, adapted, video) for video in videos}
    missing = [video for video in videos if not context.store.has("encode", parts[video.key])]
    if missing:
        encoder = adapted.build()
        view = context.reader.view()
        title = f"encode {adapted.modality}: {len(missing)} videos"
        for video, media in context.progress(_ahead(missing, encoder, view), title, total=len(missing)):
            context.store.stage("encode", parts[video.key], lambda m=media: tokens(encoder, m, context.place))  # type: ignore[misc]
    return {video.key: context.store.stage("encode", parts[video.key], _must_be_there) for video in videos}


def encode_parts(context: Context, adapted: Adapted, video: Video) -> dict[str, Any]:
    """What a video's tokens depend on."""
    return {
        "encoder": adapted.identity,
        "data": context.fingerprint,
        "video": video.key,
        "place": context.place.identity(),
        "source": files_hash(SOURCE),
    }


def _must_be_there() -> Tensors:
    raise OSError("an entry of the store vanished while it was being read; run the same command again")


def media_of(encoder: Encoder, video: Video, view: View) -> dict[str, Any]:
    """Decoded media of one video in the form `encoder` wants; no device is touched here."""
    if isinstance(encoder.input, ImageInput):
        frames_N = np.flatnonzero(video.face_F)
        return {"images": squares(view.images(video, frames_N.tolist()), encoder.input), "frames": frames_N}
    if isinstance(encoder.input, AudioInput):
        samples_NS, times_N2 = windows(view.audio(video), encoder.input, video)
        return {"samples": samples_NS, "times": times_N2}
    text = view.text(video)
    return {"texts": [] if text is None else [text]}


def tokens(encoder: Encoder, media: Mapping[str, Any], place: Place) -> Tensors:
    """One video's media through the encoder, `BATCH` at a time, without gradients."""
    import torch

    if encoder.module is not None:
        encoder.module.eval()
    out = []
    with torch.inference_mode(), place.autocast():
        for batch in _batches(encoder, media, place.device):
            out.append(encoder(batch).float().cpu())
    tokens_ND = torch.cat(out) if out else torch.zeros(0, encoder.dim)
    beside = {"frames": torch.as_tensor(np.asarray(media["frames"]), dtype=torch.int32)} if "frames" in media else {}
    beside |= {"times": media["times"]} if "times" in media else {}
    return {"tokens": tokens_ND.clone(), **beside}


def _batches(encoder: Encoder, media: Mapping[str, Any], device: str) -> Iterator[Any]:
    if isinstance(encoder.input, ImageInput):
        for at in range(0, len(media["images"]), BATCH):
            yield normalised(media["images"][at : at + BATCH], encoder.input, device)
    elif isinstance(encoder.input, AudioInput):
        for at in range(0, len(media["samples"]), BATCH):
            yield media["samples"][at : at + BATCH].to(device)
    elif media["texts"]:
        yield media["texts"]


def _ahead(videos: Sequence[Video], encoder: Encoder, view: View) -> Iterator[tuple[Video, dict[str, Any]]]:
    """Media of each video, the next one being decoded in a thread while the caller encodes this one."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = [pool.submit(media_of, encoder, videos[0], view)]
        for i, video in enumerate(videos):
            if i + 1 < len(videos):
                upcoming.append(pool.submit(media_of, encoder, videos[i + 1], view))
            yield video, upcoming.pop(0).result()
