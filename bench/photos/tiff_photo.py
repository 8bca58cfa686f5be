"""TIFF photographs: all tags that do not say how the pixels are stored are kept."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.datasets.pixels import ImageError, to_8_bit
from denoisebench.datasets.tiff import (
    PALETTE,
    PREMULTIPLIED,
    RGB,
    YCBCR,
    checked_picture,
    colours_of_palette,
    samples_of,
)
from denoisebench.photos.photo import Photo
from denoisebench.photos.tiff_tags import LONG, SHORT, Tag, read_tags, tags_bytes

if TYPE_CHECKING:
    from denoisebench.photos.tiff_tags import Directory

LARGEST_PHOTO = 178_956_970
"""Most pixels of a photograph: twice Pillow's limit, beyond which it takes files for bombs."""

_ORIENTATION = 274
_UNCOMPRESSED, _DEFLATE = 1, 8
_HORIZONTAL = 2  # a predictor: each sample as its difference from the one before
_ROWS = 64  # of a strip
_LEVEL = 4  # of compression

_OF_STORAGE = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 280, 281, 284, 292, 293, 317, 320}
    | {322, 323, 324, 325, 330, 338, 339, 340, 341, 347, 529, 530, 531, 532, 37724}
    | set(range(512, 522))
)
"""Tags of how pixels are stored, of smaller copies and of layers: written anew, or left out."""


def read_tiff_photo(data: bytes) -> Photo:
    """Read the picture of a TIFF file.

    Args:
        data: the file.

    Raises:
        ImageError: as `datasets.tiff.checked_picture`, or there are several pictures.
    """
    with checked_picture(data, LARGEST_PHOTO) as (file, page, layout):
        if any(not (other.keyframe and other.keyframe.is_reduced) for other in file.pages[1:]):
            raise ImageError(f"it holds {len(file.pages)} pictures; save them one by one")
        stored, bits = samples_of(page), layout.bits
        colours = 3 if layout.photometric in (RGB, YCBCR) else 1
        samples, further = _widened(stored[..., :colours], bits), stored[..., colours:]
        photometric = RGB if colours == 3 else layout.photometric
        notes = () if bits in (8, 16) else (f"{bits} bits, now {8 * samples.dtype.itemsize}",)
        if layout.photometric == PALETTE:
            samples, photometric = colours_of_palette(page)[stored[..., 0].astype(np.uint8)], RGB
            bits, notes = 8, ("a palette, now RGB",)
        encode = partial(
            tiff_bytes,
            further=_widened(further, bits),
            extras=layout.extras,
            photometric=photometric,
            tags={t: v for t, v in read_tags(data, page.offset).items() if t not in _OF_STORAGE},
            order="<" if data[:2] == b"II" else ">",
            compressed=int(page.compression) != _UNCOMPRESSED,
        )
        turn = int(page.tags.valueof(_ORIENTATION, 1))
        return Photo(np.ascontiguousarray(samples), turn, encode, notes)


def _widened(samples: np.ndarray, bits: int) -> np.ndarray:
    """Scale samples to 8 or 16 bits, the next that hold them."""
    if bits in (8, 16):
        return samples
    if bits < 8:
        return to_8_bit(samples, bits)
    white = (1 << bits) - 1
    return ((samples.astype(np.uint32) * 65535 + white // 2) // white).astype(np.uint16)


def tiff_bytes(
    samples: np.ndarray,
    further: np.ndarray | None = None,
    extras: tuple[int, ...] = (),
    photometric: int = RGB,
    tags: Directory | None = None,
    order: str = "<",
    compressed: bool = True,
) -> bytes:
    """Encode a TIFF file.

    Args:
        samples: uint8 or uint16 (H, W, C), C = 3 (RGB) or 1.
        further: samples beside the colours, (H, W, n).
        extras: what each of them is, as the tag ExtraSamples says it.
        photometric: what the colours are, as the tag says it.
        tags: further tags.
        order: the byte order, ``<`` or ``>``.
        compressed: by Deflate, or not at all.
    """
    if further is not None and further.shape[2]:
        if PREMULTIPLIED in extras:  # no colour may pass its alpha
            samples = np.minimum(samples, further[..., [extras.index(PREMULTIPLIED)]])
        samples = np.concatenate([samples, further], axis=2)
    height, width, channels = samples.shape
    strips = [
        _strip(samples[top : top + _ROWS], order, compressed) for top in range(0, height, _ROWS)
    ]
    lengths = [len(strip) for strip in strips]
    places = np.cumsum([8, *lengths[:-1]]).tolist()
    end = 8 + sum(lengths)
    end += end % 2
    short, long = partial(Tag.numbers, order, SHORT), partial(Tag.numbers, order, LONG)
    stored = {
        256: long(width),
        257: long(height),
        258: short(*[8 * samples.dtype.itemsize] * channels),
        259: short(_DEFLATE if compressed else _UNCOMPRESSED),
        262: short(photometric),
        273: long(*places),
        277: short(channels),
        278: long(_ROWS),
        279: long(*lengths),
        284: short(1),
    }
    if compressed:
        stored[317] = short(_HORIZONTAL)
    if extras:
        stored[338] = short(*extras)
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HL", 42, end)
    whole = head + b"".join(strips)
    return whole.ljust(end, b"\0") + tags_bytes((tags or {}) | stored, end, order)


def _strip(rows: np.ndarray, order: str, compressed: bool) -> bytes:
    """Encode some rows."""
    import imagecodecs

    if compressed:
        rows = np.concatenate([rows[:, :1], np.diff(rows, axis=1)], axis=1)  # modulo 2**bits
    content = rows.astype(f"{order}u{rows.dtype.itemsize}").tobytes()
    if not compressed:
        return content
    return bytes(imagecodecs.deflate_encode(content, level=_LEVEL, raw=False))
