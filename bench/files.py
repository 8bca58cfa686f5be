"""Files and folders whose content is safe: replaced at once, held by one process, set aside."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import IO


class BusyError(UsageError):
    """Another process is at work in the same folder."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the old one's place once it is written: a crash or a full disk leaves
    the old one or the new one, never half.

    Raises:
        UsageError: it cannot be written.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("wb") as file:
            yield file
        os.replace(scratch, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file's content at once, in UTF-8.

    Raises:
        UsageError: it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content at once.

    Raises:
        UsageError: it cannot be written.
    """
    with replacing(path) as file:
        file.write(content)


def make_folder(path: Path) -> None:
    """Create a folder and its parents.

    Raises:
        UsageError: it cannot be created, or is a file.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {path}: {error.strerror}") from error


@contextlib.contextmanager
def held(folder: Path, work: str) -> Iterator[None]:
    """Keep every other process of the same work out of a folder; the system lets go of the dead's.

    Args:
        work: what it is, for the message.

    Raises:
        BusyError: another process holds it.
        UsageError: it cannot be written to.
    """
    import filelock

    lock = filelock.FileLock(folder / "run.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise BusyError(
            f"another {work} is at work in {folder}; wait for it, or choose another --out"
        ) from None
    except (OSError, NotImplementedError) as error:  # some file systems have no locks
        raise UsageError(f"cannot write to {folder}: {error}; choose another --out") from error
    try:
        yield
    finally:
        lock.release()


def set_aside(folder: Path, names: Iterable[str]) -> None:
    """Move what a folder holds under these names into a new one within it: nothing is deleted.

    Raises:
        UsageError: it cannot be moved.
    """
    present = [folder / name for name in names if (folder / name).exists()]
    if not present:
        return
    aside = folder / f"before-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    make_folder(aside)
    for path in present:
        try:
            os.replace(path, aside / path.name)
        except OSError as error:
            raise UsageError(f"cannot set aside {path}: {error.strerror}") from error
