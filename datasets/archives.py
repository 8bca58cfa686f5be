"""Unpack a downloaded zip or tar file, trusting nothing that it says of itself.

Nothing is ever written outside the folder, links are not made, and what a small file claims to
hold cannot fill the disk. Each file appears complete or not at all.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
import zipfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

MEMBERS = 100_000
FILE_BYTES = 1 << 29  # of one unpacked file
TOTAL_BYTES = 1 << 33  # of all of them together
_CHUNK = 1 << 20


class ArchiveError(Exception):
    """Why an archive was not unpacked, as the second half of a sentence."""


@dataclass(frozen=True)
class _Member:
    """An entry: its name as the archive has it, and how to read it if it is a plain file."""

    name: str
    plain: bool
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def unpack(archive: Path, folder: Path, patterns: Sequence[str], strip: int = 0) -> list[str]:
    """Unpack those files of an archive that a data set needs.

    Args:
        archive: a zip or tar file, compressed or not.
        folder: where the files go, by their paths in the archive; made if need be.
        patterns: of the paths that are wanted (`fnmatch`, in which ``*`` crosses folders).
        strip: how many leading folders of the archive's paths are dropped first.

    Returns:
        The paths of the files written, relative to the folder. Those that exist are replaced.

    Raises:
        ArchiveError: the archive is damaged, encrypted, of another kind, larger than `MEMBERS`,
            `FILE_BYTES` and `TOTAL_BYTES` allow, has a path that leaves the folder, a wanted entry
            that is no plain file, or two for one path.
        OSError: the archive cannot be read, or the folder cannot be written to.
    """
    written: dict[str, str] = {}  # by what a file system that ignores case would call them
    room = TOTAL_BYTES
    try:
        with _members(archive) as members:
            for count, member in enumerate(members):
                if count == MEMBERS:
                    raise ArchiveError(f"{archive.name} has more than {MEMBERS:,} entries")
                path = _path(archive, member.name, strip)
                if not path or not any(fnmatchcase(path, pattern) for pattern in patterns):
                    continue
                if not member.plain:
                    raise ArchiveError(f"{archive.name}: {path} is a link or device, not a file")
                if path.casefold() in written:
                    raise ArchiveError(f"{archive.name} has two files called {path}")
                with member.open() as source:
                    room -= _write(source, folder / path, min(room, FILE_BYTES), archive.name)
                written[path.casefold()] = path
    except ArchiveError:
        raise
    except Exception as error:  # decoders of damaged data may raise anything
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ArchiveError(f"{archive.name} is damaged ({error})") from error
    return sorted(written.values())


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            yield (_of_zip(bundle, entry) for entry in bundle.infolist() if not entry.is_dir())
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as bundle:
            yield (_of_tar(bundle, entry) for entry in bundle if not entry.isdir())
    else:
        raise ArchiveError(f"{archive.name} is neither a zip nor a tar file")


def _of_zip(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(entry.external_attr >> 16)  # 0 where the packing system knew no kinds
    return _Member(entry.filename, kind in (0, stat.S_IFREG), lambda: bundle.open(entry))


def _of_tar(bundle: tarfile.TarFile, entry: tarfile.TarInfo) -> _Member:
    def opened() -> IO[bytes]:
        source = bundle.extractfile(entry)
        assert source is not None
        return source

    return _Member(entry.name, entry.isreg(), opened)


def _path(archive: Path, name: str, strip: int) -> str:
    """Where an entry goes, relative to the folder; empty if it is above what is wanted.

    Raises:
        ArchiveError: its name would lead elsewhere, here or on another system.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise ArchiveError(f"{archive.name} has a path that leads out of its folder: {name!a}")
    return "/".join(path.parts[strip:])


def _write(source: IO[bytes], target: Path, limit: int, archive: str) -> int:
    """Copy a file of at most ``limit`` bytes, whatever its header says; return its size."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    size = 0
    try:
        with open(scratch, "wb") as sink:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise ArchiveError(f"{archive}: {target.name} is larger than it may be")
                sink.write(chunk)
        os.replace(scratch, target)
    except BaseException:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise
    return size
