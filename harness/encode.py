"""Media to tokens: every video's frames, windows and words through the encoders, kept in the store.

Tokens of one video: `image` tokens_ND with frames_N (which frame each is of), `audio` tokens_ND with times_N2
(seconds), `text` tokens_ND with N = 1, or 0 where there is no transcript. A batch never crosses a video.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.ahead import ahead, to_device
from harness.context import Context, Place
from harness.pixels import Squares, normalised, stacked
from harness.plugins import files_hash
from harness.store import Tensors
from harness.types import AudioInput, Encoder, ImageInput, Video, View
from harness.windows import windows

if TYPE_CHECKING:
    from torch import Tensor

    from harness.adapt import Adapted

BATCH = 256
PIECE = BATCH  # images decoded at a time, a thread; one piece a thread waits in memory
SOURCE = ("harness.encode", "harness.pixels", "harness.windows")


def encode(context: Context, adapted: Adapted, videos: Sequence[Video]) -> dict[str, Tensors]:
    """Tokens of these videos by key; only those not whole in the store are computed, and the encoder built for them."""
    build = cache(adapted.build)
    view = context.view()
    parts = {video.key: encode_parts(context, adapted, video) for video in videos}
    missing = [video for video in videos if not context.store.has("encode", parts[video.key])]
    if missing:
        encoder = build()
        title = f"encode {adapted.modality}: {len(missing)} videos"
        coming = media_ahead(missing, encoder, view, context.place.device, context.squares)
        for video, media in context.progress(coming, title, total=len(missing)):
            context.store.stage("encode", parts[video.key], partial(tokens, encoder, media, context.place))

    def again(video: Video) -> Tensors:
        media = media_of(build(), video, view, context.place.device, context.squares)
        return tokens(build(), media, context.place)

    return {video.key: context.store.stage("encode", parts[video.key], partial(again, video)) for video in videos}


def encode_parts(context: Context, adapted: Adapted, video: Video) -> dict[str, Any]:
    """What a video's tokens depend on."""
    return {
        "encoder": adapted.identity,
        "data": context.fingerprint_of(video),
        "video": video.key,
        "place": context.place.identity(),
        "source": files_hash(SOURCE),
    }


def media_of(
    encoder: Encoder, video: Video, view: View, device: str = "cpu", squares: Squares | None = None
) -> Iterator[dict[str, Any]]:
    """Decoded media of one video in the form `encoder` wants, piece by piece, for `device` to fetch.

    Images come `PIECE` at a time (at least one piece, be it empty), sound and words in one piece.
    """
    return (decode() for decode in pieces_of(encoder, video, view, device, squares or Squares()))


def pieces_of(
    encoder: Encoder, video: Video, view: View, device: str, squares: Squares
) -> Iterator[Callable[[], dict[str, Any]]]:
    """What decodes the pieces of `media_of`; each may be called in a thread of its own."""
    if isinstance(encoder.input, ImageInput):
        frames_N = np.flatnonzero(video.face_F)
        for at in range(0, max(1, len(frames_N)), PIECE):
            yield partial(_images, encoder.input, video, view, frames_N[at : at + PIECE], device, squares)
    elif isinstance(encoder.input, AudioInput):
        yield partial(_sound, encoder.input, video, view)
    else:
        yield partial(_words, video, view)


def _images(
    spec: ImageInput, video: Video, view: View, frames_N: Any, device: str, squares: Squares
) -> dict[str, Any]:
    found = squares.of(view, spec, video, frames_N.tolist())
    return {"images": stacked(found, spec.size, device), "frames": frames_N}


def _sound(spec: AudioInput, video: Video, view: View) -> dict[str, Any]:
    samples_NS, times_N2 = windows(view.audio(video), spec, video)
    return {"samples": samples_NS, "times": times_N2}


def _words(video: Video, view: View) -> dict[str, Any]:
    text = view.text(video)
    return {"texts": [] if text is None else [text]}


def tokens(encoder: Encoder, media: Iterable[Mapping[str, Any]], place: Place) -> Tensors:
    """One video's media (see `media_of`) through the encoder, `BATCH` at a time, without gradients.

    Tokens stay on the device until the video ends: nothing waits for it before.
    """
    import torch

    if encoder.module is not None:
        encoder.module.eval()
    out: list[Tensor] = []
    beside: dict[str, list[Tensor]] = {}
    for piece in media:
        with torch.inference_mode(), place.autocast():
            out += [encoder(batch).float() for batch in _batches(encoder, piece, place.device)]
        if "frames" in piece:
            beside.setdefault("frames", []).append(torch.as_tensor(piece["frames"], dtype=torch.int32))
        if "times" in piece:
            beside.setdefault("times", []).append(piece["times"])
    tokens_ND = torch.cat(out).cpu() if out else torch.zeros(0, encoder.dim)
    return {"tokens": tokens_ND.clone(), **{name: torch.cat(parts) for name, parts in beside.items()}}


def _batches(encoder: Encoder, media: Mapping[str, Any], device: str) -> Iterator[Any]:
    if isinstance(encoder.input, ImageInput):
        for at in range(0, len(media["images"]), BATCH):
            yield normalised(media["images"][at : at + BATCH], encoder.input, device)
    elif isinstance(encoder.input, AudioInput):
        for at in range(0, len(media["samples"]), BATCH):
            yield to_device(media["samples"][at : at + BATCH], device)
    elif media["texts"]:
        yield media["texts"]


def media_ahead(
    videos: Sequence[Video], encoder: Encoder, view: View, device: str, squares: Squares
) -> Iterator[tuple[Video, Iterator[Mapping[str, Any]]]]:
    """Each video and its media, to be taken in order; the next pieces are decoded in threads meanwhile."""
    import torch

    def numbered(i: int, decode: Callable[[], dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        return i, decode()

    tasks = (
        partial(numbered, i, decode)
        for i, video in enumerate(videos)
        for decode in pieces_of(encoder, video, view, device, squares)
    )
    for i, of_video in groupby(ahead(tasks, torch.get_num_threads()), key=itemgetter(0)):
        yield videos[i], (piece for _, piece in of_video)
