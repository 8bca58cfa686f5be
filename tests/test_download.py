"""Servers are not trusted: neither with size nor time, nor with where they send."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from loopback import Server

from denoisebench.datasets import download
from denoisebench.datasets.download import DownloadError, RemoteFile
from denoisebench.datasets.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FETCH = """
import sys
from pathlib import Path
from denoisebench.datasets.download import RemoteFile, download
download([RemoteFile("a.png", sys.argv[1], "", 0)], Path(sys.argv[2]))
"""
BUFFERS = 1 << 24  # bytes that the system may take from a server before anybody reads them


def fetch(url: str, folder: Path, content: bytes = b"", largest: int = 1 << 20) -> None:
    """Fetch ``a.png``, of which size and digest are known if its content is given."""
    sha256 = hashlib.sha256(content).hexdigest() if content else ""
    download.download([RemoteFile("a.png", url, sha256, len(content))], folder, largest)


def nothing_in(folder: Path) -> bool:
    return list(folder.rglob("*")) == []


# --- size -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1000, 0], ids=["known", "unknown"])
def test_a_server_that_never_ends_is_left_at_the_size_that_is_allowed(
    size: int, server: Server, tmp_path: Path
) -> None:
    server.answers["a"] = [itertools.repeat(bytes(1 << 16)) for _ in range(2)]
    with pytest.raises(DownloadError, match="sends more than the 1,000 bytes that it may have"):
        fetch(server.url + "a", tmp_path, bytes(size), largest=1000)
    assert server.sent < 2 * BUFFERS
    assert nothing_in(tmp_path)


def test_a_content_announced_as_too_large_is_not_read(server: Server, tmp_path: Path) -> None:
    server.files["a"] = bytes(1 << 26)
    with pytest.raises(DownloadError, match="sends more than the 1,000 bytes"):
        fetch(server.url + "a", tmp_path, largest=1000)
    assert server.sent == 0


def test_a_file_as_large_as_allowed_arrives(server: Server, tmp_path: Path) -> None:
    server.files["a"] = os.urandom(300_000)
    fetch(server.url + "a", tmp_path, largest=300_000)
    assert (tmp_path / "a.png").read_bytes() == server.files["a"]
    server.files["b"] = os.urandom(1_300_000)
    fetch(server.url + "b", tmp_path / "sub", server.files["b"])
    assert (tmp_path / "sub" / "a.png").read_bytes() == server.files["b"]
    assert not list(tmp_path.rglob(".*"))


# --- time -------------------------------------------------------------------------------------


def trickle() -> Iterator[bytes]:
    while True:
        time.sleep(0.05)
        yield b"x"


def test_a_server_that_trickles_is_given_up_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_PATIENCE", 0.5)
    server.answers["a"] = [trickle()]
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"/a has not arrived within 1 s"):
        fetch(server.url + "a", tmp_path, b"known" * 20_000)
    assert time.monotonic() - start < 5
    assert nothing_in(tmp_path)


def test_a_server_whose_answer_never_begins_is_given_up_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(download, "_PATIENCE", 0.5)
    server.answers["a"] = [lambda: release.wait() and b"late"]
    with pytest.raises(DownloadError, match="has not arrived"):
        fetch(server.url + "a", tmp_path, b"known")
    assert nothing_in(tmp_path)
    release.set()


# --- redirects --------------------------------------------------------------------------------


@pytest.fixture
def encrypted(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """Serve over https, by a certificate that the client trusts."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    words = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(
        ["openssl", *words.split(), *subject], cwd=folder, check=True, capture_output=True
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "cert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with Server() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def https(server: Server) -> str:
    return server.url.replace("http:", "https:")


def test_redirects_are_followed_and_their_content_is_not_read(
    server: Server, tmp_path: Path
) -> None:
    server.answers["a"] = ["/b?x=1"]
    server.answers["b?x=1"] = [server.url + "c"]
    server.files["c"] = b"content"
    fetch(server.url + "a", tmp_path, b"content")
    assert (tmp_path / "a.png").read_bytes() == b"content"
    assert server.sent < 2 * BUFFERS


def test_an_encrypted_server_may_redirect_to_another(encrypted: Server, tmp_path: Path) -> None:
    encrypted.answers["a"] = [https(encrypted) + "b"]
    encrypted.files["b"] = b"content"
    fetch(https(encrypted) + "a", tmp_path)
    assert (tmp_path / "a.png").read_bytes() == b"content"


def test_an_encrypted_server_may_not_redirect_to_one_that_is_not(
    encrypted: Server, server: Server, tmp_path: Path
) -> None:
    encrypted.answers["a"] = [server.url + "b"]
    server.files["b"] = b"content"
    with pytest.raises(DownloadError, match=r"redirects to 'http://.*', which is not https"):
        fetch(https(encrypted) + "a", tmp_path)
    assert server.asked == []
    assert nothing_in(tmp_path)


def test_a_server_may_redirect_to_an_encrypted_one(
    encrypted: Server, server: Server, tmp_path: Path
) -> None:
    server.answers["a"] = [https(encrypted) + "b"]
    encrypted.files["b"] = b"content"
    fetch(server.url + "a", tmp_path)
    assert (tmp_path / "a.png").read_bytes() == b"content"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,x"])
def test_a_redirect_elsewhere_is_refused(target: str, server: Server, tmp_path: Path) -> None:
    server.answers["a"] = [target]
    with pytest.raises(DownloadError, match="which is not http or https") as refusal:
        fetch(server.url + "a", tmp_path)
    assert "\n" not in str(refusal.value)
    assert nothing_in(tmp_path)


def test_a_circle_of_redirects_is_left(server: Server, tmp_path: Path) -> None:
    server.answers["a"] = ["/a"] * 99
    with pytest.raises(DownloadError, match="is the last of 10 redirects"):
        fetch(server.url + "a", tmp_path)
    assert len(server.asked) == 10


# --- leftovers --------------------------------------------------------------------------------


def test_what_a_killed_download_left_is_removed_by_the_next(server: Server, tmp_path: Path) -> None:
    server.answers["a"] = [trickle()]
    child = subprocess.Popen(
        [sys.executable, "-c", FETCH, server.url + "a", str(tmp_path)], stderr=subprocess.DEVNULL
    )
    while not server.sent:
        time.sleep(0.05)
    server.files["a"] = b"content"
    fetch(server.url + "a", tmp_path)  # while the child is at work
    assert len(list(tmp_path.glob(".unfinished-*"))) == 1
    assert child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    (tmp_path / "a.png").unlink()
    fetch(server.url + "a", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_scratch_folders_of_this_process_do_not_disturb_each_other(tmp_path: Path) -> None:
    with scratch(tmp_path) as one:
        (one / "half").touch()
        with scratch(tmp_path) as other:
            assert one != other
            assert (one / "half").exists()
    assert nothing_in(tmp_path)


def test_old_temporary_files_of_pooch_are_removed_and_nothing_else(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("sub/tmpab12_cd3", "tmpyoung123", "tmp-mine.png"):
        (tmp_path / name).touch()
    for name in ("sub/tmpab12_cd3", "tmp-mine.png"):
        os.utime(tmp_path / name, (0, 0))
    server.files["a"] = b"content"
    fetch(server.url + "a", tmp_path)
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {"a.png", "tmpyoung123", "tmp-mine.png"}
