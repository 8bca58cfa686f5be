"""Fetch files: verified, atomic, resumable, within bounds of size and time."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from denoisebench.datasets.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import requests

IMAGE_BYTES = 1 << 28  # most of an image whose size is not known
ARCHIVE_BYTES = 1 << 32  # most of an archive whose size is not known
_THREADS = 4
_PROBE_SECONDS = 5  # to find out that there is no network, a name server that hangs included
_CONNECT_AND_READ_SECONDS = (3, 15)
_PATIENCE = 60  # seconds for a file, both tries together, and what its size takes beyond them
_SLOWEST = 1 << 18  # bytes a second
_REDIRECTS = 10
_CHUNK = 1 << 16  # bytes
_OLD = 3600  # seconds
_POOCHS = re.compile(r"tmp[a-z0-9_]{8}")


class DownloadError(Exception):
    """Files could not be fetched; the message is the second half of a sentence."""


class _TooLargeError(ValueError):
    """A server sends more than it should; as a ValueError, pooch tries it once more."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that may have to be fetched.

    Attributes:
        path: where it goes, relative to the data folder, with forward slashes.
        url: where it comes from.
        sha256: of its bytes; empty if nobody has seen them yet.
        size: in bytes; 0 if not known.
    """

    path: str
    url: str
    sha256: str
    size: int


def is_intact(folder: Path, file: RemoteFile) -> bool:
    """Return True if a file has its digest; where none is known, if it exists."""
    try:
        with open(folder / file.path, "rb") as content:
            digest = file.sha256 and hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return False
    return digest == file.sha256


def download(files: Sequence[RemoteFile], folder: Path, largest: int = IMAGE_BYTES) -> None:
    """Fetch files into a folder, showing progress on stderr.

    Each appears there once it is complete and verified, so that what has arrived before an
    interruption need not be fetched again. A failed or damaged download is tried once more.
    A server is left at the first byte too many, and when it takes longer than the slowest of
    networks would. Encrypted connections stay encrypted when a server sends elsewhere.

    Args:
        files: those that the folder has already are left as they are.
        folder: made if need be.
        largest: most bytes of a file whose size is not known.

    Raises:
        DownloadError: the first failure; files not begun by then are left.
    """
    files = [file for file in files if not is_intact(folder, file)]
    if not files:
        return
    _probe(files[0].url)
    try:
        _sweep(folder)
        with scratch(folder) as unfinished:
            _fetch_all(files, _Fetcher(folder, unfinished, largest))
    except OSError as error:
        raise DownloadError(f"{folder} cannot be written to ({error.strerror or error})") from error


def _probe(url: str) -> None:
    """Find out within seconds that a server cannot be reached; any answer will do."""
    import requests

    try:
        _in_time(
            lambda: requests.head(url, timeout=_CONNECT_AND_READ_SECONDS, allow_redirects=False),
            _PROBE_SECONDS,
        )
    except Exception as error:
        late = isinstance(error, TimeoutError)
        problem = f"no answer in {_PROBE_SECONDS} s" if late else type(error).__name__
        raise DownloadError(f"{urlsplit(url).hostname} cannot be reached ({problem})") from error


def _in_time(work: Callable[[], object], seconds: float) -> None:
    """Do work, or give it up: only a thread can be left waiting for what does not come.

    Raises:
        TimeoutError: the work is not done by then.
    """
    outcome: Future[object] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    outcome.result(seconds)


def _sweep(folder: Path) -> None:
    """Remove what pooch left when it was killed, before it had a folder of its own."""
    for path in folder.rglob("tmp????????"):
        with suppress(FileNotFoundError):  # another process removed it
            old = time.time() - path.stat().st_mtime > _OLD
            if old and path.is_file() and _POOCHS.fullmatch(path.name):
                path.unlink()


def _fetch_all(files: Sequence[RemoteFile], fetch: _Fetcher) -> None:
    sizes = [file.size for file in files]
    pool = ThreadPoolExecutor(_THREADS)
    try:
        with _progress(sum(sizes) if all(sizes) else None) as advance:
            jobs = [pool.submit(fetch, file, advance) for file in files]
            for job in as_completed(jobs):
                job.result()
    finally:
        pool.shutdown(cancel_futures=True)  # also on Ctrl-C: the files under way still arrive


@dataclass(frozen=True)
class _Fetcher:
    """Fetches one file after another.

    Attributes:
        folder: where complete files go.
        unfinished: where they grow.
        largest: most bytes of a file whose size is not known.
    """

    folder: Path
    unfinished: Path
    largest: int

    def __call__(self, file: RemoteFile, advance: Callable[[int], None]) -> None:
        import requests

        limit = file.size or self.largest
        seconds = _PATIENCE + limit / _SLOWEST
        transfer = _Transfer(limit, advance)
        try:
            _in_time(lambda: self._arrive(file, transfer), seconds)
            self._put_in_place(file)
        except requests.HTTPError as error:
            raise DownloadError(f"the server refuses one of them ({error})") from error
        except requests.RequestException as error:
            raise DownloadError(f"{file.url} cannot be fetched ({type(error).__name__})") from error
        except TimeoutError as error:
            transfer.given_up.set()
            raise DownloadError(f"{file.url} has not arrived within {seconds:.0f} s") from error
        except _TooLargeError as error:
            raise DownloadError(f"{file.url} {error}") from error
        except ValueError as error:  # pooch's word for a digest that does not match
            what = f"{file.url} has, twice, sent something else than the file it should be"
            raise DownloadError(what) from error

    def _arrive(self, file: RemoteFile, transfer: _Transfer) -> None:
        """Fetch a file into the folder of unfinished ones, and verify it."""
        import pooch

        pooch.get_logger().setLevel("WARNING")  # it would announce each file
        (self.unfinished / file.path).parent.mkdir(parents=True, exist_ok=True)  # pooch would race
        fetcher = pooch.create(
            path=self.unfinished,
            base_url="",
            registry={file.path: file.sha256 or None},
            urls={file.path: file.url},
            retry_if_failed=1,
        )
        fetcher.fetch(file.path, downloader=transfer)

    def _put_in_place(self, file: RemoteFile) -> None:
        (self.folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(self.unfinished / file.path, self.folder / file.path)


class _Transfer:
    """One file's way here, as pooch asks for it, perhaps twice.

    Args:
        limit: most bytes.
        advance: told how many bytes have arrived.

    Attributes:
        given_up: set when nobody waits for the file any more.
    """

    def __init__(self, limit: int, advance: Callable[[int], None]) -> None:
        self.given_up = threading.Event()
        self._limit = limit
        self._advance = advance
        self._arrived = 0

    def __call__(self, url: str, target: str, _pooch: object) -> None:
        self._advance(-self._arrived)
        self._arrived = 0
        with _open(url) as response, open(target, "wb") as sink:
            response.raise_for_status()
            self._refuse(response.raw.length_remaining or 0)
            for chunk in response.iter_content(_CHUNK):
                self._arrived += len(chunk)
                self._advance(len(chunk))
                self._refuse(self._arrived)
                if self.given_up.is_set():
                    return
                sink.write(chunk)

    def _refuse(self, size: int) -> None:
        if size > self._limit:
            raise _TooLargeError(f"sends more than the {self._limit:,} bytes that it may have")


class _RedirectError(Exception):
    """A server sends elsewhere; its only argument is the address."""


def _open(url: str) -> requests.Response:
    """Ask for a file, and follow redirects, whose own content is never read.

    Raises:
        DownloadError: there are many, or one leads from an encrypted connection to another kind.
        requests.RequestException: there is no answer.
    """
    import requests

    def stop(response: requests.Response, **_: object) -> None:
        if target := requests.Session().get_redirect_target(response):
            response.close()
            raise _RedirectError(urljoin(url, target))

    for _ in range(_REDIRECTS):
        try:
            return requests.get(
                url,
                headers={"Accept-Encoding": "identity"},  # else a few bytes could unfold to many
                timeout=_CONNECT_AND_READ_SECONDS,
                stream=True,
                hooks={"response": stop},
            )
        except _RedirectError as redirect:
            url = _allowed(url, *redirect.args)
    raise DownloadError(f"{url} is the last of {_REDIRECTS} redirects")


def _allowed(url: str, target: str) -> str:
    schemes = ("https",) if urlsplit(url).scheme == "https" else ("http", "https")
    if urlsplit(target).scheme not in schemes:
        raise DownloadError(f"{url} redirects to {target!a}, which is not {' or '.join(schemes)}")
    return target


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns: list[Any] = ["fetching", BarColumn(), DownloadColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)
        yield lambda size: progress.advance(task, size)
