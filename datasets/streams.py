"""Read archives within bounds: a small file may unfold without end, or ask for all the memory."""

from __future__ import annotations

import bz2
import io
import lzma
import math
import time
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Of one entry of a tar file: its name, its attributes, its map of holes. Some versions of `tarfile`
# take time by the square of a header's size, 3 s for this one.
HEADER_BYTES = 1 << 15
SECONDS = 600  # for a tar file
DIRECTORY_BYTES = 1 << 24  # of a zip file's table of entries
_CHUNK = 1 << 16
_XZ_MEMORY = 1 << 27  # twice what the strongest of xz's presets needs


class StreamError(Exception):
    """An archive is damaged or larger than it may be; the message follows its name."""


class ZipFile(io.FileIO):
    """A zip file whose table of entries is not read if it would fill the memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file does.

        Raises:
            StreamError: more is asked for than the table may have.
        """
        if size is not None and size > DIRECTORY_BYTES:
            raise StreamError(f"its table of entries takes {size:,} bytes, which is too much")
        return super().read(size)


class TarStream:
    """The content of a tar file, compressed or not, read once from its start to its end.

    It is a file as far as `tarfile` needs one, and is read within `SECONDS`.

    Args:
        file: the tar file, possibly compressed by gzip, bzip2 or xz.
        limit: most bytes that it may unfold to.
    """

    def __init__(self, file: io.BufferedReader, limit: int) -> None:
        self._source = _uncompressed(file)
        self._compressed = self._source is not file
        self._limit = limit
        self._position = 0
        self._deadline = time.monotonic() + SECONDS
        self._allowed: float = HEADER_BYTES

    def allow_header(self) -> None:
        """Let no more be read than the header of an entry may have; skipped bytes do not count."""
        self._allowed = HEADER_BYTES

    def allow_all(self) -> None:
        """Let the content of an entry be read."""
        self._allowed = math.inf

    def tell(self) -> int:
        """Return how many bytes were read or skipped."""
        return self._position

    def seek(self, position: int) -> None:
        """Skip bytes.

        Raises:
            StreamError: they were skipped before, or the stream is too long or takes too long.
        """
        if position < self._position:
            raise StreamError("its entries overlap")
        while self._next(min(_CHUNK, position - self._position)):
            pass

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer only at the end.

        Raises:
            StreamError: they are more than allowed, or the stream is too long or takes too long.
        """
        self._allowed -= size
        if self._allowed < 0:
            raise StreamError(f"an entry says more than {HEADER_BYTES:,} bytes about itself")
        return self._next(size)

    def finish(self) -> None:
        """Skip the rest of what is compressed: its checksum comes last."""
        while self._compressed and self._next(_CHUNK):
            pass

    def _next(self, size: int) -> bytes:
        part = self._source.read(size)
        self._position += len(part)
        if self._position > self._limit:
            raise StreamError(f"it unfolds to more than {self._limit:,} bytes")
        if time.monotonic() > self._deadline:
            raise StreamError(f"it takes more than {SECONDS} s to read")
        return part


def _uncompressed(file: io.BufferedReader) -> io.BufferedReader:
    start = file.peek(8)
    for magic, decoder in _DECODERS.items():
        if start.startswith(magic):
            return io.BufferedReader(_Decoded(file, magic, decoder), _CHUNK)
    return file


class _Decoded(io.RawIOBase):
    """The streams in a compressed file, one after the other.

    Whatever follows the last one is ignored, be it a terabyte of zeros.
    """

    def __init__(self, file: io.BufferedReader, magic: bytes, new: Callable[[], Any]) -> None:
        self._file = file
        self._magic = magic
        self._new = new
        self._decoder = new()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            part = self._part(len(buffer))
        except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno:  # of the file, not of its decoder
                raise
            raise StreamError(f"it is damaged ({error})") from error
        buffer[: len(part)] = part
        return len(part)

    def _part(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; none at the end only."""
        while True:
            data = b""
            if self._decoder.eof:
                data = self._decoder.unused_data
                if len(data) < len(self._magic):
                    data += self._file.read(_CHUNK)
                if not data.startswith(self._magic):
                    return b""
                self._decoder = self._new()
            elif self._decoder.needs_input:
                data = self._file.read(_CHUNK)
            part: bytes = self._decoder.decompress(data, size)
            if part:
                return part
            if self._decoder.needs_input and not data:
                raise EOFError("cut short")


class _Gunzip:
    """A decoder of gzip, with the methods of those of bzip2 and xz."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        return not (self.eof or self._zlib.unconsumed_tail)

    def decompress(self, data: bytes, size: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, size)


_DECODERS: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": _Gunzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY),
}
