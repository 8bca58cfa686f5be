"""Unpack a downloaded zip or tar file, trusting nothing that it says of itself.

Nothing is ever written outside the folder, links are not made, and a small file that unfolds into
a large one fills neither the disk nor the memory, be it by entries that nobody wants. No file
appears before the whole archive has proved to be sound.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
import unicodedata
import zipfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from denoisebench.datasets.scratch import scratch
from denoisebench.datasets.streams import StreamError, TarStream, ZipFile

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from contextlib import AbstractContextManager

MEMBERS = 100_000
FILE_BYTES = 1 << 29  # of one unpacked file
TOTAL_BYTES = 1 << 33  # of all of them together; of a tar file, with those that are not wanted
EXPANSION = 100  # most unpacked bytes for a byte of the archive; images are 1 to 10
_SMALL = 1 << 26  # bytes that any archive may unfold to
_CHUNK = 1 << 20
_PATH_LENGTH, _NAME_BYTES = 1024, 255  # of a path, and of each of its parts, on any system
_DEPTH = 20  # folders of a path
_SHOWN = 120  # characters of a path in a message
_UNPACKED_IN_PARTS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ArchiveError(Exception):
    """An archive was not unpacked; the message is the second half of a sentence."""


@dataclass(frozen=True)
class _Member:
    """An entry: its name as the archive has it, and how to read it if it is a plain file."""

    name: str
    folder: bool
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
            `FILE_BYTES`, `TOTAL_BYTES` and `EXPANSION` allow, has a path that leaves the folder or
            is too long, a wanted entry that is no plain file, or two for one path. Nothing is
            written then.
        OSError: the archive cannot be read, or the folder cannot be written to.
    """
    with scratch(folder) as unfinished:
        try:
            paths = _extract(archive, unfinished, patterns, strip, keep)
        except StreamError as problem:
            raise ArchiveError(f"{archive.name}: {problem}") from problem
        except Exception as error:  # decoders of damaged data may raise anything
            if isinstance(error, ArchiveError) or (isinstance(error, OSError) and error.errno):
                raise
            raise ArchiveError(f"{archive.name} is damaged ({_shown(str(error))})") from error
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(unfinished / path, folder / path)
    return paths


def _extract(
    archive: Path, folder: Path, patterns: Sequence[str], strip: int, keep: Container[str]
) -> list[str]:
    written: dict[str, str] = {}  # by what a file system that ignores case would call them
    room = min(TOTAL_BYTES, max(_SMALL, EXPANSION * archive.stat().st_size))
    with _members(archive, room) as members:
        for count, member in enumerate(members):
            if count == MEMBERS:
                raise ArchiveError(f"{archive.name} has more than {MEMBERS:,} entries")
            path = "" if member.folder else _path(archive, member.name, strip)
            wanted = any(fnmatchcase(path, pattern) for pattern in patterns)
            if not (path and wanted) or path in keep:
                continue
            if not member.plain:
                raise ArchiveError(
                    f"{archive.name}: {_shown(path)} is a link or device, not a file"
                )
            if not _can_be_written(path):
                raise ArchiveError(f"{archive.name}: {_shown(path)} is no name for a file")
            key = unicodedata.normalize("NFC", path).casefold()
            if key in written:
                raise ArchiveError(f"{archive.name} has two files called {_shown(path)}")
            with member.open() as source:
                room -= _write(source, folder / path, min(room, FILE_BYTES), archive.name)
            written[key] = path
    return sorted(written.values())


@contextlib.contextmanager
def _members(archive: Path, room: int) -> Iterator[Iterator[_Member]]:
    if zipfile.is_zipfile(archive):
        with ZipFile(archive) as whole, zipfile.ZipFile(whole) as bundle:
            yield (_of_zip(archive, bundle, entry) for entry in bundle.infolist())
        return
    with open(archive, "rb") as file:
        stream = TarStream(file, room)
        with _open_tar(archive, stream) as bundle:
            yield _of_tar(bundle, stream)
            stream.finish()


def _open_tar(archive: Path, stream: Any) -> Any:
    try:
        return tarfile.open(fileobj=stream, mode="r:")
    except tarfile.ReadError:
        raise ArchiveError(f"{archive.name} is neither a zip nor a tar file") from None


def _of_zip(archive: Path, bundle: zipfile.ZipFile, entry: zipfile.ZipInfo) -> _Member:
    def opened() -> IO[bytes]:
        if entry.flag_bits & 1:
            raise ArchiveError(f"{archive.name} is encrypted")
        if entry.compress_type not in _UNPACKED_IN_PARTS:
            raise ArchiveError(f"{archive.name} is compressed in another way than by deflating")
        return bundle.open(entry)

    kind = stat.S_IFMT(entry.external_attr >> 16)  # 0 where the packing system knew no kinds
    return _Member(entry.filename, entry.is_dir(), kind in (0, stat.S_IFREG), opened)


def _of_tar(bundle: Any, stream: TarStream) -> Iterator[_Member]:
    def opened(entry: tarfile.TarInfo) -> IO[bytes]:
        stream.allow_all()
        source: IO[bytes] = bundle.extractfile(entry)
        return source

    while entry := bundle.next():
        yield _Member(entry.name, entry.isdir(), entry.isreg(), partial(opened, entry))
        bundle.members.clear()  # it would keep all that the entries say of themselves
        bundle.pax_headers.clear()
        stream.allow_header()


def _path(archive: Path, name: str, strip: int) -> str:
    """Return the path of an entry within the folder; empty if it lies above what is wanted.

    Raises:
        ArchiveError: it is too long, or would lead elsewhere, here or on another system.
    """
    if len(name) > _PATH_LENGTH:
        raise ArchiveError(f"{archive.name} has a path of {len(name):,} characters")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise ArchiveError(f"{archive.name} has a path that leads out of its folder: {name!a}")
    return "/".join(path.parts[strip:])


def _shown(text: str) -> str:
    """Return a path or a message in one short line, whatever characters it has."""
    line = ascii(text)[1:-1]
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _can_be_written(path: str) -> bool:
    """Return True if a path is text, not too deep, and every file system takes its parts."""
    parts = path.split("/")
    try:
        return len(parts) <= _DEPTH and max(len(part.encode()) for part in parts) <= _NAME_BYTES
    except UnicodeEncodeError:
        return False


def _write(source: IO[bytes], target: Path, limit: int, archive: str) -> int:
    """Copy a file of at most ``limit`` bytes, whatever its header says; return its size."""
    size = 0
    with _create(target, archive) as sink:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise ArchiveError(f"{archive}: {_shown(target.name)} is larger than it may be")
            sink.write(chunk)
    return size


def _create(target: Path, archive: str) -> IO[bytes]:
    """Open a new file in the scratch folder, in which nothing but the archive's files stands."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return open(target, "xb")
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        name = _shown(target.name)
        raise ArchiveError(f"{archive} has {name} both as a file and as a folder") from None
