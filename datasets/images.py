"""Read an image file as a frame: uint8, RGB or grey, upright; or say why it cannot be one.

Pillow decodes and judges: it refuses truncated files and knows every orientation. Deeper colour it
cuts to 8 bits, so what has 16 is read by OpenCV and rounded. OpenCV does not read the rest: it
multiplies the colours of an 8-bit TIFF by its alpha channel.
"""

from __future__ import annotations

import io
import os
import warnings
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.datasets.base import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})

ALPHA = "an alpha channel, which is dropped"
DEEP = "16 bits a channel, rounded to 8: frames are 8-bit, as they are scored"
PAGES = "several pictures, of which the first is used"

_DEPTHS = "8- or 16-bit grey or RGB"
_GREY = frozenset({"1", "L", "LA"})
_SUPPORTED = _GREY | {"P", "PA", "RGB", "RGBA", "I", "I;16", "I;16B"}
_ORIENTATION, _BITS_PER_SAMPLE = 0x0112, 0x0102  # tags of EXIF and TIFF
_PNG_DEPTH_OFFSET = 24  # in the header chunk, always the first


class ImageError(ValueError):
    """A file cannot be a frame; the message says why, in a few words that follow its name."""


def read_image(path: Path) -> np.ndarray:
    """Read the pixels of an image file.

    Grey stays grey, alpha is dropped, 16 bits are rounded to 8, EXIF orientation is applied.

    Returns:
        uint8 (H, W, C), C = 3 (RGB) or 1 (grey).

    Raises:
        DataError: the file is unreadable, damaged, or not an 8- or 16-bit grey or RGB image.
    """
    try:
        return decode(read_bytes(path))[0]
    except ImageError as problem:
        raise DataError(f"{path}: {problem}") from None


def read_bytes(path: Path) -> bytes:
    """Read a file's content.

    Raises:
        ImageError: there is none, or it cannot be read.
    """
    if not os.path.isfile(path):  # a pipe, which would block, or a broken link
        raise ImageError("no such file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot be read ({error.strerror})") from None


def decode(data: bytes) -> tuple[np.ndarray, list[str]]:
    """Decode an image; return its pixels, and notes on what was changed or left out.

    Returns:
        uint8 (H, W, C), C = 3 (RGB) or 1 (grey), and those of `ALPHA`, `DEEP`, `PAGES` that apply.

    Raises:
        ImageError: the data are damaged, or not an 8- or 16-bit grey or RGB image.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ImageError("the file is empty")
    with warnings.catch_warnings():
        # What Pillow warns of is either refused below or, like odd metadata, harmless here.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                image.load()
                return _pixels(image, data), _notes(image, data)
        except ImageError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            limit = f"{Image.MAX_IMAGE_PIXELS:,}"
            raise ImageError(f"more than {limit} pixels; crop or shrink it") from None
        except UnidentifiedImageError:
            raise ImageError(f"not a PNG, JPEG, TIFF, WebP or BMP of {_DEPTHS}") from None
        except Exception as error:  # decoders of damaged data may raise anything
            raise ImageError(f"damaged ({error})") from None


def _pixels(image: Image, data: bytes) -> np.ndarray:
    from PIL import ImageOps

    bits = _bits(image, data)
    if image.mode not in _SUPPORTED or bits > 16:
        kind = {"F": "floating-point", "I": "32-bit"}.get(image.mode, image.mode)
        raise ImageError(f"its pixels are {kind}, not {_DEPTHS}")
    upright = ImageOps.exif_transpose(_rounded(image, data) if bits == 16 else image)
    pixels = np.array(upright.convert("L" if upright.mode in _GREY else "RGB"))
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _rounded(image: Image, data: bytes) -> Image:
    """Return the 8-bit image nearest to 16-bit data."""
    import cv2
    from PIL import Image

    deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is None or deep.dtype != np.uint16:
        raise ImageError("its 16-bit pixels are not unsigned integers")
    if image.mode == "LA":
        deep = deep[..., 0]
    elif deep.ndim == 3:
        deep = deep[..., 2::-1]
    rounded = Image.fromarray(((deep.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
    # A TIFF's orientation, which OpenCV has applied, Pillow has applied and forgotten on loading.
    rounded.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    return rounded


def _bits(image: Image, data: bytes) -> int:
    """Bits a channel in the file, whatever Pillow made of them."""
    if image.format == "PNG":
        return data[_PNG_DEPTH_OFFSET]
    if image.format == "TIFF":
        bits: int = max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,)))  # type: ignore[attr-defined]
        return bits
    return 8


def _notes(image: Image, data: bytes) -> list[str]:
    applies = {
        ALPHA: "A" in image.mode or "transparency" in image.info,
        DEEP: _bits(image, data) == 16,
        PAGES: getattr(image, "n_frames", 1) > 1,
    }
    return [note for note, true in applies.items() if true]
