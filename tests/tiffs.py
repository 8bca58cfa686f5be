"""A writer of every kind of TIFF, plain enough to be believed: no library takes part but codecs."""

from __future__ import annotations

import lzma
import struct
import zlib
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WHITE_IS_ZERO, GREY, RGB, PALETTE, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 5, 6, 8
UNSPECIFIED, PREMULTIPLIED, ALPHA = 0, 1, 2
NONE, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 7, 8, 32946, 32773
LZMA, ZSTD, WEBP = 34925, 50000, 50001

ENCODERS: dict[int, Callable[[bytes], bytes]] = {
    NONE: bytes,
    LZW: imagecodecs.lzw_encode,
    DEFLATE: zlib.compress,
    OLD_DEFLATE: zlib.compress,
    PACKBITS: imagecodecs.packbits_encode,
    LZMA: lzma.compress,
    ZSTD: imagecodecs.zstd_encode,
}


def tiff(samples: np.ndarray, bits: int, photometric: int, **options: object) -> bytes:
    """Return a TIFF file of one picture; see `picture` and `container` for the options."""
    of_file = {k: options.pop(k) for k in ("order", "big", "more") if k in options}
    order = of_file.get("order", "<")
    return container([picture(samples, bits, photometric, order=order, **options)], **of_file)


def picture(
    samples: np.ndarray,
    bits: int,
    photometric: int,
    *,
    order: str = "<",
    planar: bool = False,
    extras: Sequence[int] = (),
    compression: int = NONE,
    predictor: int = 1,
    reversed_bits: bool = False,
    rows: int = 0,
    tile: int = 0,
    tags: dict[int, Sequence[int]] | None = None,
) -> tuple[dict[int, Sequence[int]], list[bytes]]:
    """Return the tags and the stored parts of a picture.

    Args:
        samples: unsigned integers (H, W, samples of a pixel).
        bits: of a sample.
        photometric: the colours' kind, as TIFF numbers it.
        order: of bytes, "<" or ">".
        planar: each channel in a plane of its own.
        extras: the kinds of the samples beside the colours.
        compression: one of `ENCODERS`.
        predictor: 2 stores horizontal differences.
        reversed_bits: the lowest bit of a byte comes first (FillOrder 2).
        rows: of a strip; 0 for one strip.
        tile: side of a tile; 0 for strips.
        tags: further ones, which also replace those made here.
    """
    height, width, count = samples.shape
    parts = []
    for block in _blocks(samples, planar, rows or height, tile):
        data = block.astype(np.int64)
        if predictor == 2:
            data = np.diff(data, axis=1, prepend=0) % (1 << bits)
        stored = ENCODERS[compression](_packed(data, bits, order))
        parts.append(bytes(int(f"{b:08b}"[::-1], 2) for b in stored) if reversed_bits else stored)
    written: dict[int, Sequence[int]] = {
        256: [width],
        257: [height],
        258: [bits] * count,
        259: [compression],
        262: [photometric],
        277: [count],
        284: [2 if planar else 1],
    }
    written |= {322: [tile], 323: [tile]} if tile else {278: [rows or height]}
    written |= {266: [2]} if reversed_bits else {}
    written |= {317: [predictor]} if predictor != 1 else {}
    written |= {338: list(extras)} if extras else {}
    return written | (tags or {}), parts


def container(
    pictures: Sequence[tuple[dict[int, Sequence[int]], list[bytes]]],
    *,
    order: str = "<",
    big: bool = False,
) -> bytes:
    """Return a file of pictures: classic or BigTIFF, in either byte order."""
    offset, count, entry, number = ("Q", "Q", "HHQ8s", 8) if big else ("I", "H", "HHI4s", 4)
    magic = b"II" if order == "<" else b"MM"
    head = magic + (struct.pack(order + "HHH", 43, 8, 0) if big else struct.pack(order + "H", 42))
    file = bytearray(head + bytes(number))
    link = len(head)  # the place of the next directory's offset
    for tags, parts in pictures:
        places = []
        for part in parts:
            places.append(len(file))
            file += part + bytes(len(part) % 2)
        tiled = 322 in tags
        stored = {324 if tiled else 273: places, 325 if tiled else 279: [len(p) for p in parts]}
        entries = []
        for tag, values in sorted((stored | tags).items()):
            wide = tag in (273, 279, 324, 325) or max(values) > 65535
            value = struct.pack(f"{order}{len(values)}{'I' if wide else 'H'}", *values)
            if len(value) > number:
                value, start = struct.pack(order + offset, len(file)), value
                file += start + bytes(len(start) % 2)
            entries.append(struct.pack(order + entry, tag, 4 if wide else 3, len(values), value))
        file[link : link + number] = struct.pack(order + offset, len(file))
        file += struct.pack(order + count, len(entries)) + b"".join(entries)
        link = len(file)
        file += bytes(number)
    return bytes(file)


def _blocks(samples: np.ndarray, planar: bool, rows: int, tile: int) -> Iterator[np.ndarray]:
    """Cut samples into strips or tiles, in the order of the file."""
    height, width, count = samples.shape
    for plane in np.split(samples, count, axis=2) if planar else [samples]:
        if not tile:
            yield from (plane[y : y + rows] for y in range(0, height, rows))
            continue
        padded = np.pad(plane, ((0, -height % tile), (0, -width % tile), (0, 0)))
        for y in range(0, height, tile):
            for x in range(0, width, tile):
                yield padded[y : y + tile, x : x + tile]


def _packed(block: np.ndarray, bits: int, order: str) -> bytes:
    """Pack rows of samples; each row begins with a new byte."""
    if bits in (8, 16, 32):
        return block.astype(f"{order}u{bits // 8}").tobytes()
    planes = [(block.reshape(len(block), -1) >> bit) & 1 for bit in reversed(range(bits))]
    return np.packbits(np.stack(planes, -1).reshape(len(block), -1), axis=1).tobytes()
