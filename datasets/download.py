"""Fetch files: verified, atomic, resumable, quick to see it is offline."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_THREADS = 4
_PROBE_SECONDS = 5  # to find out that there is no network, a name server that hangs included
_CONNECT_AND_READ_SECONDS = (3, 15)
_CHUNK = 1 << 16  # bytes


class DownloadError(Exception):
    """Files could not be fetched; the message is the second half of a sentence."""


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


def download(files: Sequence[RemoteFile], folder: Path) -> None:
    """Fetch files into a folder, showing progress on stderr.

    Each appears there once it is complete and verified, so that what has arrived before an
    interruption need not be fetched again. A failed or damaged download is tried once more.

    Raises:
        DownloadError: the first failure; files not begun by then are left.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it would announce each file
    fetcher = pooch.create(
        path=folder,
        base_url="",
        registry={file.path: file.sha256 or None for file in files},
        urls={file.path: file.url for file in files},
        retry_if_failed=1,
    )
    _probe(files[0].url, pooch.HTTPDownloader(timeout=_CONNECT_AND_READ_SECONDS))
    sizes = [file.size for file in files]
    pool = ThreadPoolExecutor(_THREADS)
    try:
        with _progress(sum(sizes) if all(sizes) else None) as advance:
            jobs = [pool.submit(_fetch, file, folder, fetcher, advance) for file in files]
            for job in as_completed(jobs):
                job.result()
    finally:
        pool.shutdown(cancel_futures=True)  # also on Ctrl-C: the files under way still arrive


def _probe(url: str, transport: Callable[..., object]) -> None:
    """Any answer will do; to wait in a thread is the only way to give up on a name server."""
    problem = f"no answer in {_PROBE_SECONDS} s"

    def ask() -> None:
        nonlocal problem
        try:
            transport(url, None, None, check_only=True)
            problem = ""
        except Exception as error:
            problem = type(error).__name__

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PROBE_SECONDS)
    if problem:
        raise DownloadError(f"{urlsplit(url).hostname} cannot be reached ({problem})")


def _fetch(file: RemoteFile, folder: Path, fetcher: Any, advance: Callable[[int], None]) -> None:
    import pooch
    import requests

    transport = pooch.HTTPDownloader(
        progressbar=_Share(advance), chunk_size=_CHUNK, timeout=_CONNECT_AND_READ_SECONDS
    )
    try:
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)  # pooch would race to
        fetcher.fetch(file.path, downloader=transport)
    except requests.HTTPError as error:
        raise DownloadError(f"the server refuses one of them ({error})") from error
    except requests.RequestException as error:
        raise DownloadError(f"{file.url} cannot be fetched ({type(error).__name__})") from error
    except OSError as error:
        raise DownloadError(f"{folder} cannot be written to ({error.strerror})") from error
    except ValueError as error:  # pooch's word for a digest that does not match
        what = f"{file.url} has, twice, sent something else than the file it should be"
        raise DownloadError(what) from error


class _Share:
    """One file's share of the bar, as pooch drives it: by chunks, then once more as a whole."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.total = 0
        self._advance = advance
        self._shown = 0

    def update(self, size: int) -> None:
        step = min(size, self.total - self._shown)
        self._shown += step
        self._advance(step)

    def reset(self) -> None:
        self._advance(-self._shown)
        self._shown = 0

    def close(self) -> None:
        pass


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns: list[Any] = ["fetching", BarColumn(), DownloadColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=total)
        yield lambda size: progress.advance(task, size)
