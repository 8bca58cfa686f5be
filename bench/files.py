"""Safe writing: files are replaced whole, a folder is held by one process, old files are kept."""

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
    """Error for a folder in which another process is at work."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file, and put it in the old one's place when the block ends without an error.

    A crash or a full disk leaves the old file or the new one, never half a file.

    Args:
        path: the file to replace; it need not exist, its folder must.

    Yields:
        The new file, open for writing bytes.

    Raises:
        UsageError: the file cannot be written.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "frame.bin")
        ...     with replacing(path) as file:
        ...         written = file.write(b"abc")
        ...     path.read_bytes()
        b'abc'
    """
    if os.path.isdir(path):  # unlike Path.is_dir, it raises nothing
        raise UsageError(f"cannot write {path}: it is a folder; give the name of a file")
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
    """Replace a file by one that holds a text in UTF-8, as `replacing` does.

    Raises:
        UsageError: the file cannot be written.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "table.md")
        ...     write_text(path, "σ = 25")
        ...     path.read_text(encoding="utf-8")
        'σ = 25'
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file by one that holds these bytes, as `replacing` does.

    Raises:
        UsageError: the file cannot be written.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "frame.bin")
        ...     write_bytes(path, b"abc")
        ...     path.read_bytes()
        b'abc'
    """
    with replacing(path) as file:
        file.write(content)


def make_folder(path: Path) -> None:
    """Create a folder and its parents; a folder that exists is left as it is.

    Raises:
        UsageError: the folder cannot be created, or the path names a file.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     make_folder(Path(folder, "results", "stills"))
        ...     Path(folder, "results", "stills").is_dir()
        True
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {path}: {error.strerror}") from error


@contextlib.contextmanager
def held(folder: Path, work: str) -> Iterator[None]:
    """Hold a folder's lock while the block runs, so that no other process works in the folder.

    The operating system releases the lock of a process that dies.

    Args:
        folder: the folder to hold; it must exist.
        work: a noun for the work, such as ``run``, for the message.

    Raises:
        BusyError: another process holds the folder.
        UsageError: the folder cannot be written to.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder, held(Path(folder), "run"):
        ...     try:
        ...         with held(Path(folder), "run"):
        ...             pass
        ...     except BusyError:
        ...         print("held already")
        held already
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
    """Move files and folders into a new subfolder ``before-TIME``, so that nothing is deleted.

    Args:
        folder: the folder that holds them.
        names: the names to move; those that do not exist are skipped.

    Raises:
        UsageError: a file or folder cannot be moved.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_text(Path(folder, "run.sqlite"), "old")
        ...     set_aside(Path(folder), ["run.sqlite", "logs"])
        ...     [path.name for path in Path(folder).glob("before-*/*")]
        ['run.sqlite']
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
