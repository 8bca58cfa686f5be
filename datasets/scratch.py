"""Folders for unfinished files: a process removes its own, and those of killed processes."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = ".unfinished-"
_LOCK, _WORK = "lock", "work"


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Make a folder for unfinished files inside another one, and remove it when the block ends.

    Those that killed processes left in the same place are removed first. The operating system
    releases the lock of a process that dies, so that those of a process at work stay.

    Args:
        folder: where the finished files will go; made if need be.

    Yields:
        The new folder, on the same file system.

    Raises:
        OSError: the folder cannot be written to.

    Examples:
        >>> with tempfile.TemporaryDirectory() as data:
        ...     with scratch(Path(data)) as unfinished:
        ...         written = (unfinished / "frame.png").write_bytes(b"abc")
        ...     list(Path(data).iterdir())
        []
    """
    import filelock

    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_PREFIX}*/{_WORK}"):
        _remove_if_ownerless(left.parent)
    place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    lock = filelock.FileLock(place / _LOCK)
    try:
        with contextlib.suppress(OSError, NotImplementedError):  # some file systems have no locks
            lock.acquire(timeout=0)
        (place / _WORK).mkdir()  # only now, as others look for it
        yield place / _WORK
    finally:
        lock.release()
        shutil.rmtree(place, ignore_errors=True)


def _remove_if_ownerless(place: Path) -> None:
    import filelock

    with contextlib.suppress(OSError, NotImplementedError), filelock.FileLock(place / _LOCK, 0):
        shutil.rmtree(place, ignore_errors=True)
