"""Check that a PNG holds all of its rows; Pillow takes those that are missing for black."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from denoisebench.datasets.pixels import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE_BYTES = 8
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by the header's kind of colour
_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)),
    (0, 1, 1, 2),
)
"""Passes of an interlaced picture: first column and row, steps of columns and rows."""
_PIECE = 1 << 14  # bytes that are unpacked at a time, to a thousand times as many at most


def refuse_missing_rows(data: bytes) -> None:
    """Refuse a PNG whose packed rows end before its last one.

    Args:
        data: a file that Pillow decodes.

    Raises:
        ImageError: rows are missing.
    """
    header, packed = _header_and_rows(data)
    left = _bytes_of_rows(*struct.unpack(">IIBBxxB", header))
    unpacker = zlib.decompressobj()
    for place in range(0, len(packed), _PIECE):
        if left <= 0:
            return
        left -= len(unpacker.decompress(packed[place : place + _PIECE]))
    if left > 0:
        raise ImageError("damaged: rows of its picture are missing")


def _header_and_rows(data: bytes) -> tuple[bytes, bytes]:
    """Return the content of the header, and the packed rows."""
    chunks = list(png_chunks(data))
    return chunks[0][1], b"".join(content for kind, content in chunks if kind == b"IDAT")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and content of each part of the file."""
    place = _SIGNATURE_BYTES
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, data[place + 8 : place + 8 + length]
        place += length + 12


def _bytes_of_rows(width: int, height: int, bits: int, colour: int, interlaced: int) -> int:
    """Count the bytes of all rows, each with the byte that names its filter."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    total = 0
    for column, row, columns, rows in passes:
        across, down = -((column - width) // columns), -((row - height) // rows)
        if across > 0 and down > 0:
            total += down * (1 + (across * bits * _SAMPLES[colour] + 7) // 8)
    return total
