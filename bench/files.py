"""Files: read with errors in one line, replaced whole, held by one process, set aside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO


def read_text(path: Path, label: str) -> str:
    """Read a text in UTF-8, with or without a byte order mark.

    Args:
        path: the file.
        label: the beginning of an error's message: the option or kind of file, and its name.

    Raises:
        UsageError: it cannot be read, or is not UTF-8.
    """
    try:
        if path.is_char_device() or path.is_block_device():  # it might never end
            raise UsageError(f"{label}: cannot be read (it is a device)")
        return path.read_text(encoding="utf-8-sig")
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise UsageError(f"{label}: not valid UTF-8 ({error.reason})") from error
        raise UsageError(f"{label}: cannot be read ({error})") from error
    except OSError as error:
        raise UsageError(f"{label}: cannot be read ({error.strerror})") from error


def read_toml(path: Path, label: str) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: the file.
        label: see `read_text`.

    Raises:
        UsageError: it cannot be read, or is no TOML.
    """
    return dict(_parsed(tomllib.loads, path, label, "TOML"))


def read_json(path: Path, label: str) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        label: see `read_text`.

    Raises:
        UsageError: it cannot be read, or is no JSON.
    """
    return _parsed(json.loads, path, label, "JSON")


def _parsed(parse: Callable[[str], Any], path: Path, label: str, kind: str) -> Any:
    """Read a file of some kind.

    Raises:
        UsageError: it cannot be read, or is not of the kind.
    """
    text = read_text(path, label)
    try:
        return parse(text)
    except (
        ValueError
    ) as error:  # a number of thousands of digits is another one than the kind's own
        raise UsageError(f"{label}: not valid {kind}: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{label}: its values are nested too deeply") from error


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
    scratch = scratch_file(path)
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # a device would be lost
            raise UsageError(f"cannot write {path}: it is there, and not a file")
        with scratch.open("wb") as file:
            yield file
        os.replace(scratch, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


@contextlib.contextmanager
def filling(path: Path, work: str) -> Iterator[Path]:
    """Fill a new folder, and put it in its place when the block ends without an error.

    After a crash or on a full disk there is no such folder; what a killed process left of it is
    removed by the next one.

    Args:
        path: the folder; if it exists, it must be empty.
        work: a noun for the work, such as ``merge``, for the message.

    Yields:
        The folder to fill, beside ``path``.

    Raises:
        BusyError: another process fills the folder.
        UsageError: there is something at ``path``, or the folder cannot be written.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with filling(Path(folder, "both"), "merge") as new:
        ...         write_text(new / "table1.md", "σ = 25")
        ...     [path.name for path in Path(folder).iterdir()]
        ['both']
    """
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise UsageError(f"{path} is there already; give --out a new folder")
    path = Path(os.path.abspath(path))
    scratch = path.with_name(f".{path.name[-200:]}.part")
    make_folder(scratch)
    with held(scratch, work):
        try:
            _empty(scratch)
            yield scratch
            os.replace(scratch, path)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file by one that holds a text in UTF-8, as `replacing` does.

    Bytes of a path that are no UTF-8 are written as escapes, which JSON reads as they were.

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
    write_bytes(path, text.encode(errors="backslashreplace"))


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

    The operating system releases the lock of a process that dies. Half-written files that such a
    process left in the folder are removed.

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

    lock = filelock.FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise BusyError(
            f"another {work} is at work in {folder}; wait for it, or choose another --out"
        ) from None
    except (OSError, NotImplementedError) as error:  # some file systems have no locks
        raise UsageError(f"cannot write to {folder}: {error}; choose another --out") from error
    try:
        _remove_leftovers(folder)
        yield
    finally:
        lock.release()


_LOCK = "run.lock"
"""File of a folder's lock."""
_SCRATCH = re.compile(r"\..+\.\d+\.part|\.checkpoint\.pt\.\d+")
"""Names of half-written files, and the name that older versions gave to a checkpoint."""


def scratch_file(path: Path) -> Path:
    """Return the path at which this process writes a file before it replaces another.

    Examples:
        >>> from pathlib import Path
        >>> scratch_file(Path("table1.md")).name == f".table1.md.{os.getpid()}.part"
        True
    """
    return path.with_name(f".{path.name[-200:]}.{os.getpid()}.part")


def _empty(folder: Path) -> None:
    """Remove all that a folder holds but its lock."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != _LOCK:
            path.unlink()


def _remove_leftovers(folder: Path) -> None:
    """Remove half-written files of processes that died; the folder is held, so none is at work."""
    for path in [*folder.glob(".*"), *folder.glob("*/.*.part")]:
        if _SCRATCH.fullmatch(path.name) and path.is_file():
            with contextlib.suppress(OSError):
                path.unlink()


def set_aside(folder: Path, names: Iterable[str], into: str = "") -> Path | None:
    """Move files and folders into a subfolder, so that nothing is deleted.

    Args:
        folder: the folder that holds them.
        names: the names to move, in this order; those that do not exist are skipped.
        into: name of the subfolder; a new one, ``before-TIME``, if it is empty.

    Returns:
        The subfolder; None if there was nothing to move.

    Raises:
        UsageError: a file or folder cannot be moved.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_text(Path(folder, "run.sqlite"), "old")
        ...     _ = set_aside(Path(folder), ["run.sqlite", "logs"])
        ...     [path.name for path in Path(folder).glob("before-*/*")]
        ['run.sqlite']
    """
    present = [folder / name for name in names if (folder / name).exists()]
    if not present:
        return None
    aside = folder / (into or f"before-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
    make_folder(aside)
    for path in present:
        try:
            os.replace(path, aside / path.name)
        except OSError as error:
            raise UsageError(f"cannot set aside {path}: {error.strerror}") from error
    return aside
