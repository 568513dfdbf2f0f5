"""References to weights, against a hub cache made here and a server on this machine."""

from __future__ import annotations

import hashlib
import logging
import math
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import weights
from harness.errors import MissingData, UserError
from harness.progress import silent
from harness.weights import Download, HubFile, hub_or_cache, local_file, parse, sha256_of

CONTENT = bytes(range(256)) * 10_000  # 2.4 MiB: three chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "0123456789abcdef" * 2 + "01234567"


class Server(ThreadingHTTPServer):
    """Serves CONTENT as /faces.pth, half of it as /half.pth, nothing else; `asked` are the paths asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        name = self.path.partition("?")[0]
        if name == "/moved.pth":
            self.send_response(302)
            self.send_header("Location", "/faces.pth")
            self.end_headers()
            return
        if name not in ("/faces.pth", "/half.pth", "/untold.pth"):
            self.send_error(404)
            return
        self.send_response(200)
        if name != "/untold.pth":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if name == "/half.pth" else CONTENT)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache with two revisions of one file."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    model = tmp_path / "hub" / "models--owner--name"
    for revision, commit in {"main": COMMIT, "v1": COMMIT[::-1]}.items():
        (model / "refs").mkdir(parents=True, exist_ok=True)
        (model / "refs" / revision).write_text(commit)
        (model / "snapshots" / commit / "folder").mkdir(parents=True)
        (model / "snapshots" / commit / "folder" / "faces.pth").write_text(revision)
    return model


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_path_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "faces.pth").write_bytes(b"w")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_file(str(tmp_path / "faces.pth")) == local_file("~/faces.pth") == tmp_path / "faces.pth"


def test_a_path_without_file_is_named_with_the_hint(tmp_path: Path):
    with pytest.raises(MissingData, match=rf"^{re.escape(str(tmp_path))}/no\.pth is not a file\. Known: x$"):
        local_file(f"{tmp_path}/no.pth", hint="Known: x")
    with pytest.raises(MissingData, match=rf"^{re.escape(str(tmp_path))} is a folder, not a file$"):
        local_file(str(tmp_path))


def test_a_hub_file_comes_from_the_hub_cache_at_its_revision(hub: Path):
    for revision, said in {"": "main", "@v1": "v1", f"@{COMMIT}": "main"}.items():
        assert local_file(f"hf:owner/name{revision}/folder/faces.pth").read_text() == said


def test_a_hub_file_that_is_not_here_is_missing_offline(hub: Path):
    where = r"^other\.pth of the hub's owner/name at revision 'v1' is neither in the local hub cache nor can be had "
    with pytest.raises(MissingData, match=where + r"\(LocalEntryNotFoundError: .*\)\. Known: x$"):
        local_file("hf:owner/name@v1/other.pth", hint="Known: x")


@pytest.mark.parametrize("answers", [True, False])
def test_a_hub_that_takes_no_connection_is_asked_no_more(answers: bool, monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    quiet: list[bool] = []
    monkeypatch.setattr("huggingface_hub.utils.logging.set_verbosity_error", lambda: quiet.append(True))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("harness.weights.getproxies", dict)
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if answers:
            door.listen(1)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{door.getsockname()[1]}")
        hub_or_cache.__wrapped__()
    assert (constants.HF_HUB_OFFLINE, quiet) == ((False, []) if answers else (True, [True]))


def test_behind_a_proxy_nothing_is_tried(monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("harness.weights.getproxies", lambda: {"https": "http://proxy"})
    monkeypatch.setattr(socket, "create_connection", None)
    hub_or_cache.__wrapped__()
    assert not constants.HF_HUB_OFFLINE


@pytest.mark.parametrize("place", ["owner--/name/faces.pth", "owner/name/../../../faces.pth", "owner/name//faces.pth"])
def test_a_name_the_hub_refuses_is_the_users_mistake(hub: Path, place: str):
    with pytest.raises(UserError, match=r"^The hub cannot hold '.*faces\.pth' of 'owner"):
        local_file(f"hf:{place}")


def test_a_url_is_downloaded_once(server: Server, cache: Path):
    reference = f"{server.url}/faces.pth?token=1#sha256={SHA256.upper()}"
    path = local_file(reference)
    assert path == cache / "weights" / SHA256 / "faces.pth"
    assert path.read_bytes() == CONTENT
    assert local_file(reference) == path
    assert server.asked == ["/faces.pth?token=1"]
    assert files(cache) == [path]


def test_a_download_shows_its_progress(server: Server, cache: Path):
    steps = []

    def noted(items, title, total=None):
        for item in items:
            steps.append((title, total, len(item)))
            yield item

    mebibyte = 1 << 20
    for name, total in {"faces.pth": math.ceil(len(CONTENT) / mebibyte), "untold.pth": None}.items():
        local_file(f"{server.url}/{name}#sha256={SHA256}", progress=noted)
        assert [size for _, _, size in steps] == [mebibyte, mebibyte, len(CONTENT) - 2 * mebibyte]
        assert {(title, of) for title, of, _ in steps} == {(f"download {name} (MiB)", total)}
        steps.clear()


def test_a_redirected_url_keeps_its_own_name(server: Server, cache: Path):
    assert local_file(f"{server.url}/moved.pth#sha256={SHA256}").name == "moved.pth"
    assert server.asked == ["/moved.pth", "/faces.pth"]


def test_content_of_another_hash_is_not_kept(server: Server, cache: Path):
    with pytest.raises(UserError, match=rf"/faces\.pth: expected SHA-256 {'0' * 64}, got {SHA256}; nothing is kept"):
        local_file(f"{server.url}/faces.pth#sha256={'0' * 64}", progress=silent)
    assert files(cache) == []


def test_a_transfer_cut_short_is_not_kept(server: Server, cache: Path):
    with pytest.raises(MissingData, match=r"/half\.pth: the transfer ended after 1,280,000 of 2,560,000 bytes"):
        local_file(f"{server.url}/half.pth#sha256={SHA256}", progress=silent)
    assert files(cache) == []


def test_an_interrupted_download_is_not_kept(server: Server, cache: Path):
    def interrupted(items, title, total=None):
        yield next(iter(items))
        assert [path.name[:11] for path in files(cache)] == [".faces.pth."]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local_file(f"{server.url}/faces.pth#sha256={SHA256}", progress=interrupted)
    assert files(cache) == []


@pytest.mark.parametrize("damaged", [b"", CONTENT[:-1], b"\1" + CONTENT[1:]])
def test_a_damaged_download_is_named_and_fetched_again(
    server: Server, cache: Path, caplog: pytest.LogCaptureFixture, damaged: bytes
):
    reference = f"{server.url}/faces.pth#sha256={SHA256}"
    path = local_file(reference, progress=silent)
    path.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        assert local_file(reference, progress=silent).read_bytes() == CONTENT
    assert caplog.messages == [f"{path} is damaged; it is downloaded again"]


def test_what_cannot_be_reached_is_missing(server: Server, cache: Path):
    with pytest.raises(MissingData, match=r"/no\.pth cannot be downloaded \(HTTPError: .*404.*\)\. Known: x$"):
        local_file(f"{server.url}/no.pth#sha256={SHA256}", hint="Known: x")
    with pytest.raises(MissingData, match=r"http://host:port/faces\.pth cannot be downloaded \(InvalidURL: "):
        local_file(f"http://host:port/faces.pth#sha256={SHA256}")
    with pytest.raises(MissingData, match=r"http://127\.0\.0\.1:1/faces\.pth cannot be downloaded \(URLError: "):
        local_file(f"http://127.0.0.1:1/faces.pth#sha256={SHA256}")
    assert files(cache) == []


def test_a_silent_server_is_not_waited_for_without_end(cache: Path, monkeypatch: pytest.MonkeyPatch):
    import socket

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(weights, "TIMEOUT", 0.05)
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(MissingData, match=r"cannot be downloaded \(TimeoutError: "),
    ):
        local_file(f"http://127.0.0.1:{mute.getsockname()[1]}/faces.pth#sha256={SHA256}")


@pytest.mark.parametrize("fragment", ["", "#", "#sha256=", f"#{SHA256}", f"#md5={SHA256}", f"#sha256={SHA256[:-1]}"])
def test_a_url_without_hash_is_refused(fragment: str):
    with pytest.raises(UserError, match=r"need their SHA-256: expected https://host/faces\.pth#sha256=<64 hex digits>"):
        parse(f"https://host/faces.pth{fragment}")


FORMS = ["ftp://host/a", "https://host", "https://host/", "https://host/?a", "http:///a", "http://h/a/..", "http://h/."]


@pytest.mark.parametrize("form", FORMS)
def test_other_forms_are_refused(form: str):
    with pytest.raises(UserError, match=r"expected a path, hf:OWNER/NAME/FILE or https://HOST/FILE, got "):
        parse(f"{form}#sha256={SHA256}")


@pytest.mark.parametrize("form", ["hf:", "hf:name", "hf:owner/name", "hf:owner/name/", "hf:owner/name@/a", "hf://o/n/a/"])
def test_a_hub_reference_names_a_file(form: str):
    with pytest.raises(UserError, match=r"expected hf:OWNER/NAME/FILE or hf:OWNER/NAME@REVISION/FILE, got 'hf:"):
        parse(form)


NAMES = st.text("abcXYZ019-_.", min_size=1).filter(lambda name: name.strip("."))


@given(NAMES, NAMES, st.lists(NAMES, min_size=1), st.none() | NAMES)
def test_a_hub_reference_is_read_as_it_was_put_together(owner: str, name: str, parts: list[str], revision: str | None):
    file = "/".join(parts)
    at = f"@{revision}" if revision else ""
    assert parse(f"hf:{owner}/{name}{at}/{file}") == HubFile(f"{owner}/{name}", file, revision)


@given(st.lists(NAMES), NAMES, st.binary())
def test_a_url_is_read_as_it_was_put_together(folders: list[str], name: str, content: bytes):
    address = "/".join(["https://host", *folders, name])
    digest = hashlib.sha256(content).hexdigest()
    assert parse(f"{address}?token=a/b#sha256={digest}") == Download(f"{address}?token=a/b", name, digest)


def test_the_hash_is_of_the_bytes(tmp_path: Path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, B.1
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
