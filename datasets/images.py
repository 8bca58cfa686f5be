"""Read an image file as a frame: uint8, RGB or grey, upright; or say why it cannot be one.

Pillow decodes and judges all kinds but TIFF: it refuses truncated files and knows every
orientation. As it cuts a PNG's 16-bit colours to 8 bits, OpenCV reads those.
"""

from __future__ import annotations

import io
import os
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import numpy as np

from denoisebench.datasets.base import DataError
from denoisebench.datasets.pixels import (
    ALPHA,
    DEEP,
    DEPTHS,
    PAGES,
    ImageError,
    to_8_bit,
    upright,
)
from denoisebench.datasets.png import refuse_missing_rows
from denoisebench.datasets.tiff import SIGNATURES, read_tiff

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PIL.Image import Image

__all__ = [
    "ALPHA",
    "DEEP",
    "PAGES",
    "SUFFIXES",
    "ImageError",
    "decode",
    "is_deep_png",
    "opened_image",
    "read_bytes",
    "read_image",
]

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"})

_GREY = frozenset({"1", "L", "LA"})
_SUPPORTED = _GREY | {"P", "PA", "RGB", "RGBA"}
_ORIENTATION = 0x0112  # tag of EXIF
_PNG_DEPTH_OFFSET, _PNG_COLOUR_OFFSET = 24, 25  # in the header chunk, always the first
_PNG_GREY = (0, 4)  # without and with alpha


def read_image(path: Path) -> np.ndarray:
    """Read the pixels of an image file.

    Grey stays grey, alpha is dropped, up to 16 bits are scaled to 8, EXIF orientation is applied.

    Returns:
        uint8 (H, W, C), C = 3 (RGB) or 1 (grey).

    Raises:
        DataError: the file is unreadable, damaged, or not grey or RGB of at most 16 bits.
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
        uint8 (H, W, C), C = 3 (RGB) or 1 (grey), and the notes of `pixels` that apply.

    Raises:
        ImageError: the data are damaged, or not grey or RGB of at most 16 bits.
    """
    if not data:
        raise ImageError("the file is empty")
    try:
        with warnings.catch_warnings():
            # Decoders warn of odd metadata, which is harmless here, and of much that is refused.
            warnings.simplefilter("ignore")
            return (read_tiff if data.startswith(SIGNATURES) else _read_other)(data)
    except ImageError:
        raise
    except Exception as error:  # decoders of damaged data may raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"damaged, or of an unknown kind ({reason})") from None


def _read_other(data: bytes) -> tuple[np.ndarray, list[str]]:
    """Decode a PNG, JPEG, WebP or BMP, as `decode` does."""
    with opened_image(data) as image:
        image.load()
        if image.format == "PNG":
            refuse_missing_rows(data)
        return _pixels(image, data), _notes(image, data)


@contextmanager
def opened_image(data: bytes, large: Literal["error", "ignore"] = "error") -> Iterator[Image]:
    """Open a PNG, JPEG, WebP or BMP; its pixels are decoded when they are asked for.

    Args:
        data: the file.
        large: what becomes of a picture above Pillow's limit, which twice the limit never passes:
            ``error``, or ``ignore`` to read it.

    Raises:
        ImageError: it is of another kind, or too large.
    """
    from PIL import Image, UnidentifiedImageError

    assert Image.MAX_IMAGE_PIXELS is not None
    limit = Image.MAX_IMAGE_PIXELS * (2 if large == "ignore" else 1)
    with warnings.catch_warnings():
        warnings.simplefilter(large, Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                yield image
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise ImageError(f"more than {limit:,} pixels; crop or shrink it") from None
        except UnidentifiedImageError:
            raise ImageError(f"not a PNG, JPEG, TIFF, WebP or BMP of {DEPTHS}") from None


def _pixels(image: Image, data: bytes) -> np.ndarray:
    if is_deep_png(image, data):
        pixels = _deep_png(data)
    elif image.mode in _SUPPORTED:
        pixels = np.asarray(image.convert("L" if image.mode in _GREY else "RGB"))
    else:
        raise ImageError(f"its pixels are {image.mode}, not {DEPTHS}")
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return upright(pixels, image.getexif().get(_ORIENTATION, 1))


def _deep_png(data: bytes) -> np.ndarray:
    """Return the 8-bit grey or RGB nearest to a 16-bit PNG, without its alpha."""
    import cv2

    samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None:
        raise ImageError("damaged: its 16-bit pixels cannot be decoded")
    samples = samples.reshape(*samples.shape[:2], -1)  # grey, or as many as four: BGR and alpha
    is_grey = data[_PNG_COLOUR_OFFSET] in _PNG_GREY
    return to_8_bit(samples[..., :1] if is_grey else samples[..., 2::-1], bits=16)


def is_deep_png(image: Image, data: bytes) -> bool:
    """Tell whether an image is a PNG of 16 bits a channel, which Pillow cuts to 8."""
    return image.format == "PNG" and data[_PNG_DEPTH_OFFSET] == 16


def _notes(image: Image, data: bytes) -> list[str]:
    applies = {
        ALPHA: "A" in image.mode or "transparency" in image.info,
        DEEP: is_deep_png(image, data),
        PAGES: getattr(image, "n_frames", 1) > 1,
    }
    return [note for note, true in applies.items() if true]
