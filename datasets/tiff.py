"""Read a TIFF's first picture; refuse, for the true reason, one that cannot be read right.

tifffile parses the file and unpacks its samples; imagecodecs decompresses them. Both go on where a
file is cut or contradicts itself, so what they would guess at is checked here before.
"""

from __future__ import annotations

import io
import logging
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from denoisebench.datasets.pixels import (
    ALPHA,
    DEPTHS,
    FURTHER,
    MOST_BITS,
    PAGES,
    ImageError,
    rounded,
    to_8_bit,
    upright,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tifffile import TiffFile, TiffFrame, TiffPage

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # two byte orders, TIFF and BigTIFF

# Tags.
_SUBIFDS, _PHOTOMETRIC, _ORIENTATION, _DNG_VERSION = 330, 262, 274, 50706

_SIGNED = 2
_FORMATS = {3: "floating-point", 5: "complex", 6: "complex"}  # of samples; others are unsigned
_WHITE_IS_ZERO, GREY, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6
_COLOURS = {_WHITE_IS_ZERO: 1, GREY: 1, RGB: 3, PALETTE: 1, YCBCR: 3}  # samples of a pixel
_FURTHER = {_WHITE_IS_ZERO: 1, GREY: 1, RGB: 3, PALETTE: 1, YCBCR: 0}  # at most, beside those
_OTHER_COLOURS = {5: "CMYK", 8: "CIELab", 9: "CIELab", 10: "CIELab", 32803: "a sensor's raw data"}

PREMULTIPLIED, _ALPHA = 1, 2  # values of ExtraSamples

_PREDICTABLE = {5: "LZW", 8: "Deflate", 32946: "Deflate", 34925: "LZMA", 50000: "Zstandard"}
_JPEG, _WEBP = 7, 50001
_PICTURES = {_JPEG: "JPEG", _WEBP: "WebP"}  # of 8-bit samples alone
_COMPRESSIONS = {1: "none", 32773: "PackBits"} | _PREDICTABLE | _PICTURES
_END_OF_JPEG = b"\xff\xd9"

# It logs what it makes of a damaged file: a user is told by our own line, and not twice.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


class TiffLayout(NamedTuple):
    """The meaning of a picture's samples."""

    bits: int
    photometric: int
    extras: tuple[int, ...]  # what each sample beside the colours is, as ExtraSamples says it


def read_tiff(data: bytes) -> tuple[np.ndarray, list[str]]:
    """Decode the first picture of a TIFF file.

    Returns:
        uint8 (H, W, C), C = 3 (RGB) or 1 (grey), upright, and the notes that apply.

    Raises:
        ImageError: the file is cut, or its picture is not unsigned grey, RGB or palette colour of
            up to 16 bits, or it is stored in a way that readers do not agree on.
    """
    with checked_picture(data) as (file, page, layout):
        samples = samples_of(page)
        pixels = upright(_colours(samples, layout, page), page.tags.valueof(_ORIENTATION, 1))
        return pixels, _notes(layout, file)


@contextmanager
def checked_picture(
    data: bytes, largest: int | None = None
) -> Iterator[tuple[TiffFile, TiffPage, TiffLayout]]:
    """Open a TIFF file, and check that its first picture can be read right.

    Args:
        data: the file.
        largest: most pixels of a picture; None for Pillow's limit.

    Yields:
        The file, the picture, and the meaning of its samples.

    Raises:
        ImageError: as `read_tiff`.
    """
    with _opened(data) as file:
        if not file.pages:
            raise ImageError("damaged: it lists no picture")
        page = file.pages.first
        _refuse_copies(page, file)
        layout = _layout(page)
        _refuse_storage(page, layout)
        _refuse_size(page, largest)
        _refuse_gaps(page, data)
        yield file, page, layout


def samples_of(page: TiffPage) -> np.ndarray:
    """Return the samples of a picture as they are stored, unsigned integers (H, W, samples)."""
    stored = page.asarray(squeeze=False, maxworkers=1)  # (planes, 1, H, W, samples)
    return stored[:, 0].transpose(1, 2, 0, 3).reshape(*stored.shape[2:4], -1)


def _opened(data: bytes) -> TiffFile:
    """Open a file, whose tags tifffile reads at once."""
    import tifffile

    try:
        return tifffile.TiffFile(io.BytesIO(data))
    except TypeError as error:  # a list of formats, where it takes one for all channels
        raise ImageError("damaged, or its channels are of different formats") from error


def _refuse_copies(page: TiffPage, file: TiffFile) -> None:
    """Refuse a file whose first picture is not the one that it was made for."""
    if _DNG_VERSION in page.tags:
        raise ImageError("a camera's raw file (DNG); develop it to a TIFF or PNG")
    if _is_copy(page) and (len(file.pages) > 1 or _SUBIFDS in page.tags):
        raise ImageError("its first picture is a thumbnail of another; save that one alone")


def _is_copy(page: TiffPage | TiffFrame) -> bool:
    """Return True for a smaller copy of another picture, such as a thumbnail."""
    return page.keyframe is not None and page.keyframe.is_reduced


def _layout(page: TiffPage) -> TiffLayout:
    """Find out what the samples mean.

    Raises:
        ImageError: they are not unsigned grey, RGB or palette colour of up to 16 bits.
    """
    bits, form = page.bitspersample, int(page.sampleformat)
    if not isinstance(bits, int):
        raise ImageError(f"its channels are of different depths, {', '.join(map(str, bits))} bits")
    if form == _SIGNED:
        raise ImageError(f"its pixels are {bits}-bit signed integers, not unsigned integers")
    if form in _FORMATS:
        raise ImageError(f"its pixels are {_FORMATS[form]}, not {DEPTHS}")
    if bits > MOST_BITS:
        raise ImageError(f"its pixels are {bits}-bit, not {DEPTHS}")
    if _PHOTOMETRIC not in page.tags:
        raise ImageError("it does not say whether it is grey or colour (no photometric tag)")
    photometric = int(page.photometric)
    if photometric not in _COLOURS:
        kind = _OTHER_COLOURS.get(photometric, f"of the kind {_name(page.photometric)}")
        raise ImageError(f"its pixels are {kind}, not {DEPTHS}")
    return TiffLayout(bits, photometric, _extras(page, photometric))


def _name(kind: int) -> str:
    return getattr(kind, "name", str(kind))


def _extras(page: TiffPage, photometric: int) -> tuple[int, ...]:
    """Return what each sample beside the colours is; 0 where the file does not say."""
    count = page.samplesperpixel - _COLOURS[photometric]
    if not 0 <= count <= _FURTHER[photometric]:
        raise ImageError(
            f"its pixels have {page.samplesperpixel} samples, which are not {DEPTHS}, "
            "with or without alpha"
        )
    extras = tuple(int(kind) for kind in page.extrasamples) or (0,) * count
    if len(extras) != count:
        raise ImageError(f"it names {len(extras)} channels beside its colours, but has {count}")
    if PREMULTIPLIED in extras and photometric in (_WHITE_IS_ZERO, PALETTE):
        raise ImageError("its alpha is premultiplied, which is defined for grey and RGB alone")
    return extras


def _refuse_storage(page: TiffPage, layout: TiffLayout) -> None:
    """Refuse a compression that readers lack or apply differently."""
    compression = int(page.compression)
    if compression not in _COMPRESSIONS:
        kind = _name(page.compression)
        raise ImageError(f"its compression is {kind}; save it with LZW, Deflate or none")
    name = _COMPRESSIONS[compression]
    if compression in _PICTURES and (layout.bits != 8 or (compression == _JPEG and layout.extras)):
        raise ImageError(f"its {name} compression is not of {DEPTHS}; save it with LZW or Deflate")
    if layout.photometric == YCBCR and (compression != _JPEG or page.planarconfig != 1):
        raise ImageError("its pixels are YCbCr, which is read in JPEG compression alone")
    if layout.photometric == PALETTE and not 2**layout.bits == _entries(page) <= 256:
        raise ImageError(f"its palette has {_entries(page)} colours, for {layout.bits}-bit pixels")
    predictor = int(page.predictor)
    if predictor == 1:
        return
    if predictor != 2 or compression not in _PREDICTABLE or layout.bits not in (8, 16):
        raise ImageError(
            f"its predictor {predictor} is not defined for {layout.bits} bits with compression "
            f"{name}; save it with LZW, Deflate or none"
        )


def _refuse_size(page: TiffPage, largest: int | None) -> None:
    from PIL import Image

    if page.imagedepth != 1:
        raise ImageError(f"it is a volume of {page.imagedepth} slices")
    if not page.imagewidth or not page.imagelength:
        raise ImageError("damaged: it has no pixels")
    limit = largest or Image.MAX_IMAGE_PIXELS
    pixels = max(page.imagewidth * page.imagelength, math.prod(_part(page)))
    if limit is not None and pixels > limit:
        raise ImageError(f"more than {limit:,} pixels; crop or shrink it")


def _part(page: TiffPage) -> tuple[int, int]:
    """Return the width and height of a tile or strip."""
    if page.is_tiled:
        return page.tilewidth, page.tilelength
    return page.imagewidth, page.rowsperstrip


def _refuse_gaps(page: TiffPage, data: bytes) -> None:
    """Refuse a file that lacks some of its picture, which tifffile would fill up."""
    offsets, counts = page.dataoffsets, page.databytecounts
    if not len(offsets) == len(counts) == math.prod(page.chunked):
        raise ImageError("damaged: the list of its strips or tiles has gaps")
    for offset, count in zip(offsets, counts, strict=True):
        if offset <= 0 or count <= 0 or offset + count > len(data):
            raise ImageError("damaged: it is cut short, or a strip or tile is missing")
        if page.compression in _PICTURES:
            _refuse_other_size(page, data[offset : offset + count])
    if page.is_contiguous and sum(counts) < page.nbytes:
        raise ImageError("damaged: its picture is larger than its data")


def _refuse_other_size(page: TiffPage, part: bytes) -> None:
    """Refuse a JPEG or WebP that is larger than its tile or strip, or cut."""
    from PIL import Image

    with Image.open(io.BytesIO(part), formats=tuple(_PICTURES.values())) as image:
        larger = any(has > room for has, room in zip(image.size, _part(page), strict=True))
        channels = len(image.getbands())
    planes = page.samplesperpixel if page.planarconfig == 1 else 1
    if page.compression == _JPEG and channels != planes:
        raise ImageError(f"damaged: its JPEG is of {channels} channels, its picture of {planes}")
    if larger or (page.compression == _JPEG and not part.rstrip(b"\0").endswith(_END_OF_JPEG)):
        raise ImageError("damaged: a strip or tile is cut, or larger than its place")


def _colours(samples: np.ndarray, layout: TiffLayout, page: TiffPage) -> np.ndarray:
    """Return the 8-bit grey or RGB of stored samples, uint8 (H, W, C)."""
    if layout.photometric == PALETTE:
        return colours_of_palette(page)[samples[..., 0].astype(np.uint8)]
    colours = samples[..., : _COLOURS[layout.photometric]]
    if PREMULTIPLIED in layout.extras:
        alpha = colours.shape[2] + layout.extras.index(PREMULTIPLIED)
        return _divided(colours, samples[..., alpha, np.newaxis], layout.bits)
    pixels = to_8_bit(colours, layout.bits)
    return 255 - pixels if layout.photometric == _WHITE_IS_ZERO else pixels


def _entries(page: TiffPage) -> int:
    return 0 if page.colormap is None else page.colormap.size // 3


def colours_of_palette(page: TiffPage) -> np.ndarray:
    """Return the 8-bit colours of a picture's palette, uint8 (entries, 3).

    Entries have 16 bits, of which readers take the upper 8; some writers fill the lower 8 alone.
    """
    entries = np.asarray(page.colormap).T
    return (entries >> 8 if entries.max(initial=0) > 255 else entries).astype(np.uint8)


def _divided(colours: np.ndarray, alpha: np.ndarray, bits: int) -> np.ndarray:
    """Undo the multiplication of colours by alpha; where that is 0, they stay as they are."""
    alpha = alpha.astype(np.uint32)
    whole = (colours * np.uint32(255) + alpha // 2) // np.maximum(alpha, 1)
    return np.where(alpha > 0, np.minimum(whole, 255), to_8_bit(colours, bits)).astype(np.uint8)


def _notes(layout: TiffLayout, file: TiffFile) -> list[str]:
    applies = {
        ALPHA: any(kind in (PREMULTIPLIED, _ALPHA) for kind in layout.extras),
        FURTHER: any(kind not in (PREMULTIPLIED, _ALPHA) for kind in layout.extras),
        rounded(layout.bits): layout.bits > 8,
        PAGES: not all(_is_copy(page) for page in file.pages[1:]),
    }
    return [note for note, true in applies.items() if true]
