"""Unpack a downloaded zip or tar file, trusting nothing that it says of itself.

Nothing is ever written outside the folder, links are not made, and a small file that unfolds into
a large one cannot fill the disk. No file appears before the whole archive has proved to be sound.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from contextlib import AbstractContextManager

MEMBERS = 100_000
FILE_BYTES = 1 << 29  # of one unpacked file
TOTAL_BYTES = 1 << 33  # of all of them together
_CHUNK = 1 << 20


class ArchiveError(Exception):
    """An archive was not unpacked; the message is the second half of a sentence."""


@dataclass(frozen=True)
class _Member:
    """An entry: its name as the archive has it, and how to read it if it is a plain file."""

    name: str
    plain: bool
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def unpack(
    archive: Path,
    folder: Path,
    patterns: Sequence[str],
    strip: int = 0,
    keep: Container[str] = (),
) -> list[str]:
    """Unpack those files of an archive that a data set needs.

    Args:
        archive: a zip or tar file, compressed or not.
        folder: where the files go, by their paths in the archive; made if need be.
        patterns: of the paths that are wanted (`fnmatch`, in which ``*`` crosses folders).
        strip: how many leading folders of the archive's paths are dropped first.
        keep: paths in the folder that stay as they are; other files that exist are replaced.

    Returns:
        The paths of the files written, relative to the folder.

    Raises:
        ArchiveError: the archive is damaged, encrypted, of another kind, larger than `MEMBERS`,
            `FILE_BYTES` and `TOTAL_BYTES` allow, has a path that leaves the folder, a wanted entry
            that is no plain file, or two for one path. Nothing is written then.
        OSError: the archive cannot be read, or the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as scratch:
        try:
            paths = _extract(archive, Path(scratch), patterns, strip, keep)
        except Exception as error:  # decoders of damaged data may raise anything
            if isinstance(error, ArchiveError) or (isinstance(error, OSError) and error.errno):
                raise
            raise ArchiveError(f"{archive.name} is damaged ({error})") from error
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(scratch) / path, folder / path)
    return paths


def _extract(
    archive: Path, folder: Path, patterns: Sequence[str], strip: int, keep: Container[str]
) -> list[str]:
    written: dict[str, str] = {}  # by what a file system that ignores case would call them
    room = TOTAL_BYTES
    with _members(archive) as members:
        for count, member in enumerate(members):
            if count == MEMBERS:
                raise ArchiveError(f"{archive.name} has more than {MEMBERS:,} entries")
            path = _path(archive, member.name, strip)
            wanted = path and any(fnmatchcase(path, pattern) for pattern in patterns)
            if not wanted or path in keep:
                continue
            if not member.plain:
                raise ArchiveError(f"{archive.name}: {path} is a link or device, not a file")
            if path.casefold() in written:
                raise ArchiveError(f"{archive.name} has two files called {path}")
            with member.open() as source:
                room -= _write(source, folder / path, min(room, FILE_BYTES), archive.name)
            written[path.casefold()] = path
    return sorted(written.values())


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            yield (_of_zip(bundle, entry) for entry in bundle.infolist() if not entry.is_dir())
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as bundle:
            yield (_of_tar(bundle, entry) for entry in bundle if not entry.isdir())
            assert bundle.fileobj is not None
            while bundle.fileobj.read(_CHUNK):
                pass  # the checksum of what is compressed comes last
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
    """Return the path of an entry within the folder; empty if it lies above what is wanted.

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
    size = 0
    with open(target, "wb") as sink:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise ArchiveError(f"{archive}: {target.name} is larger than it may be")
            sink.write(chunk)
    return size
