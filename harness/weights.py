"""Weights by reference: a file here, a file of the hub, or a URL with its SHA-256; each becomes a local file.

    faces.pth                                       a path
    hf:owner/name/folder/faces.pth                  the file in the hub's model `owner/name`
    hf:owner/name@v1.2/faces.pth                    the same at a branch, tag or commit
    https://host/faces.pth#sha256=<64 hex digits>   fetched once, kept in the cache's `weights` folder
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
import socket
from collections.abc import Iterator
from functools import cache
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

from harness.datasets import cache_home
from harness.errors import MissingData, UserError
from harness.progress import Progress, shown
from harness.store import written_whole

log = logging.getLogger(__name__)

CHUNK = 1 << 20
TIMEOUT = 30.0  # seconds without a byte
ANSWER = 3.0  # seconds within which the hub takes a connection, or is taken to be out of reach
HUB = re.compile(r"hf:([^/@]+/[^/@]+)(?:@([^/]+))?/(.*[^/])")
URL = re.compile(r"(https?://[^/?#]+/(?:[^?#]*/)?([^/?#]+)(?:\?[^#]*)?)(?:#(.*))?")  # address, file name, fragment


class HubFile(NamedTuple):
    """A file of a model on the Hugging Face hub; without `revision` that of its default branch."""

    model: str
    file: str
    revision: str | None


class Download(NamedTuple):
    """A file at an address, the name it is kept under, and the hash it must have."""

    address: str
    name: str
    sha256: str


def local_file(reference: str, *, hint: str = "", progress: Progress = shown) -> Path:
    """The local file that `reference` stands for (the forms are at the top of this file), fetched where it must be.

    UserError: a reference of no known form, a URL without hash, or content of another hash. MissingData: no such file,
    or not reachable; `hint` ends that message.
    """
    place = parse(reference)
    try:
        if isinstance(place, HubFile):
            return _from_hub(place)
        if isinstance(place, Download):
            return _downloaded(place, progress)
        if not place.is_file():
            raise MissingData(f"{place} is a folder, not a file" if place.is_dir() else f"{place} is not a file")
    except MissingData as error:
        raise MissingData(f"{error}. {hint}" if hint else str(error)) from error.__cause__
    return place


def is_remote(text: str) -> bool:
    """Whether a text names a file of the hub, or a URL with a hash.

    >>> [is_remote(text) for text in ("hf:owner/name/faces.pth", "owner/name", "https://host/page")]
    [True, False, False]
    """
    return bool(HUB.fullmatch(text)) or (text.startswith(("http://", "https://")) and "#sha256=" in text)


def parse(reference: str) -> Path | HubFile | Download:
    """What a reference says, without a look at disk or network.

    >>> parse("hf:owner/name@v1/folder/faces.pth")
    HubFile(model='owner/name', file='folder/faces.pth', revision='v1')
    """
    if reference.startswith("hf:"):
        found = HUB.fullmatch(reference)
        if found is None:
            raise UserError(f"Weights: expected hf:OWNER/NAME/FILE or hf:OWNER/NAME@REVISION/FILE, got {reference!r}")
        return HubFile(found[1], found[3], found[2])
    if "://" not in reference:
        return Path(reference).expanduser()
    found = URL.fullmatch(reference)
    if found is None or found[2] in (".", ".."):
        raise UserError(f"Weights: expected a path, hf:OWNER/NAME/FILE or https://HOST/FILE, got {reference!r}")
    address, name, fragment = found.groups(default="")
    if not re.fullmatch(r"sha256=[0-9a-fA-F]{64}", fragment):
        expected = f"{address}#sha256=<64 hex digits>"
        raise UserError(f"Weights by URL need their SHA-256: expected {expected}, got {reference!r}")
    return Download(address, name, fragment.removeprefix("sha256=").lower())


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def hub_or_cache() -> None:
    """Called before anything asks the Hugging Face hub: where that takes no connection, only its local cache is asked.

    By itself huggingface_hub goes on trying for a minute. Behind a proxy it is left to do so.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import logging as hub_logging

    if constants.HF_HUB_OFFLINE or getproxies():
        return
    address = urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((address.hostname, address.port or 443), ANSWER).close()
    except OSError:
        constants.HF_HUB_OFFLINE = True
        hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def _from_hub(place: HubFile) -> Path:
    from huggingface_hub import hf_hub_download

    hub_or_cache()
    try:
        return Path(hf_hub_download(place.model, place.file, revision=place.revision))
    except ValueError as error:
        raise UserError(f"The hub cannot hold {place.file!r} of {place.model!r}: {_one_line(error)}") from error
    except OSError as error:  # all that huggingface_hub raises where a file cannot be had
        at = f" at revision {place.revision!r}" if place.revision else ""
        raise MissingData(
            f"{place.file} of the hub's {place.model}{at} is neither in the local hub cache nor can be had "
            f"({type(error).__name__}: {_one_line(error)})"
        ) from error


def _downloaded(place: Download, progress: Progress) -> Path:
    path = cache_home() / "weights" / place.sha256 / place.name
    if path.is_file():
        if sha256_of(path) == place.sha256:
            return path
        log.warning("%s is damaged; it is downloaded again", path)
    with _opened(place) as response, written_whole(path) as file:
        length = response.length  # None where the server does not tell
        total = math.ceil(length / CHUNK) if length is not None else None
        digest = hashlib.sha256()
        for chunk in progress(_chunks(response, place, length), f"download {place.name} (MiB)", total):
            digest.update(chunk)
            file.write(chunk)
        came = digest.hexdigest()
        if came != place.sha256:
            raise UserError(f"{place.address}: expected SHA-256 {place.sha256}, got {came}; nothing is kept")
    return path


def _opened(place: Download) -> HTTPResponse:
    from urllib.request import urlopen

    try:
        response: HTTPResponse = urlopen(place.address, timeout=TIMEOUT)
    except (OSError, HTTPException, ValueError) as error:  # ValueError: an address with a senseless port or host
        raise _unreachable(place, error) from error
    return response


def _chunks(response: HTTPResponse, place: Download, length: int | None) -> Iterator[bytes]:
    came = 0
    while True:
        try:
            chunk = response.read(CHUNK)
        except (OSError, HTTPException) as error:
            raise _unreachable(place, error) from error
        if not chunk:
            break
        came += len(chunk)
        yield chunk
    if length is not None and came < length:
        raise MissingData(f"{place.address}: the transfer ended after {came:,} of {length:,} bytes; try again")


def _unreachable(place: Download, error: Exception) -> MissingData:
    return MissingData(f"{place.address} cannot be downloaded ({type(error).__name__}: {_one_line(error)})")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
