"""Perceptual hashes of face images: pictures that look alike have hashes of 64 bits that differ in few of them.

Shapes: B images, N frames of all videos together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.ahead import ahead
from harness.plugins import files_hash
from harness.progress import Progress
from harness.types import Image, Reader, Video, View

if TYPE_CHECKING:
    from harness.store import Store, Tensors

Hashes = NDArray[np.uint64]
SIDE, KEPT = 32, 8  # grey pixels a side, and the lowest frequencies a side of which each gives a bit
FLAT = 2.0  # grey levels: a picture that varies less shows nothing that could be told from another
NOTHING = np.uint64(0)  # stands for such a picture; no other hash has no bit
PIECE = 256  # images decoded at a time, a thread
SOURCE = ("harness.audit.framehash",)


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames that can be compared: hash_N, video_N (its place in the list of videos) and frame_N (from 0).

    Frames of one video stand together, in order; `flat` more show nothing and are left out.
    """

    hash_N: Hashes
    video_N: NDArray[np.int32]
    frame_N: NDArray[np.int32]
    flat: int = 0


def perceptual_hash(images: Sequence[Image]) -> Hashes:
    """hash_B of images of any size: `phash` of ImageHash, bit for bit (highest bit first).

    Grey, 32 x 32 pixels, cosine transform: a bit for each of the 8 x 8 lowest frequencies, set where it is above their
    median. Survives another size, another JPEG quality and small changes of light; turning and mirroring it does not.
    NOTHING for a picture of one tone.
    """
    from scipy.fft import dctn

    grey_BSS = np.stack([grey(image, SIDE) for image in images])
    low_BK = dctn(grey_BSS, axes=(1, 2))[:, :KEPT, :KEPT].reshape(len(images), KEPT**2)
    bits_BK = low_BK > np.median(low_BK, axis=1, keepdims=True)
    hash_B = np.packbits(bits_BK, axis=1).view(">u8")[:, 0].astype(np.uint64)
    return np.where(grey_BSS.std(axis=(1, 2)) < FLAT, NOTHING, hash_B)


def grey(image: Image, side: int) -> NDArray[np.float64]:
    """An image as `side` x `side` grey levels, antialiased."""
    from PIL import Image as Pillow

    small = Pillow.fromarray(image).convert("L").resize((side, side), Pillow.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float64)


def hash_frames(
    reader: Reader, videos: Sequence[Video], store: Store, progress: Progress, *, threads: int = 1
) -> Frames:
    """Hashes of every frame with a face image; a video's are kept in the store as soon as it is through.

    A reader may offer `image_digests()` (what tells that a video's images have changed, by video id), so that tasks on
    the same images share them; where it does not, the fingerprint of all its data does.
    """
    parts = _parts(reader, videos)
    view = reader.view()
    missing = [video for video in videos if not store.has("hash", parts[video.key])]
    if missing:
        title = f"hash frames: {len(missing)} videos"
        for video, hashes in progress(_hashed(missing, view, threads), title, total=len(missing)):
            store.stage("hash", parts[video.key], partial(_as_tensors, hashes))

    def read(video: Video) -> Hashes:
        def again() -> Tensors:
            return _as_tensors([decode() for decode in _pieces(video, view)])

        return store.stage("hash", parts[video.key], again)["hash"].numpy().view(np.uint64)

    return _joined(videos, [read(video) for video in progress(videos, "read hashes")])


def _parts(reader: Reader, videos: Sequence[Video]) -> dict[str, dict[str, Any]]:
    """What each video's hashes depend on, by key: its images, and which of them are there."""
    digests: dict[str, str] = reader.image_digests() if hasattr(reader, "image_digests") else {}
    whole = "" if all(video.id in digests for video in videos) else reader.fingerprint()
    source = files_hash(SOURCE)
    return {
        video.key: {
            "images": digests.get(video.id, whole),
            "video": video.id,
            "faces": hashlib.sha256(video.face_F.tobytes()).hexdigest(),
            "source": source,
        }
        for video in videos
    }


def _hashed(videos: Sequence[Video], view: View, threads: int) -> Iterator[tuple[Video, list[Hashes]]]:
    """Each video and its hashes, piece by piece; the next pieces are decoded in threads meanwhile."""
    of_V = [list(_pieces(video, view)) for video in videos]
    hashed = ahead(chain.from_iterable(of_V), threads)
    for video, pieces in zip(videos, of_V, strict=True):
        yield video, list(islice(hashed, len(pieces)))


def _pieces(video: Video, view: View) -> Iterator[Callable[[], Hashes]]:
    """What hashes PIECE frames of a video; at least one piece, be it empty."""
    frames_N = np.flatnonzero(video.face_F)

    def hashed(some_B: NDArray[np.intp]) -> Hashes:
        images = view.images(video, some_B.tolist())
        return perceptual_hash(images) if images else np.zeros(0, np.uint64)

    for at in range(0, max(1, len(frames_N)), PIECE):
        yield partial(hashed, frames_N[at : at + PIECE])


def _as_tensors(pieces: Sequence[Hashes]) -> Tensors:
    import torch

    return {"hash": torch.from_numpy(np.concatenate(pieces).view(np.int64))}


def _joined(videos: Sequence[Video], hashes: Sequence[Hashes]) -> Frames:
    hash_N = np.concatenate([*hashes, np.zeros(0, np.uint64)])
    video_N = np.repeat(np.arange(len(videos), dtype=np.int32), [len(one) for one in hashes])
    frames = [np.flatnonzero(video.face_F).astype(np.int32) for video in videos]
    frame_N = np.concatenate([*frames, np.zeros(0, np.int32)])
    kept_N = hash_N != NOTHING
    return Frames(hash_N[kept_N], video_N[kept_N], frame_N[kept_N], flat=int((~kept_N).sum()))
