"""Read photographs of all kinds: each keeps how to write another one in its place."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.datasets.images import SUFFIXES, is_deep_png, opened_image, read_bytes
from denoisebench.datasets.pixels import PAGES, ImageError
from denoisebench.datasets.png import png_chunks, refuse_missing_rows
from denoisebench.datasets.tiff import SIGNATURES
from denoisebench.photos.photo import Photo
from denoisebench.photos.raw import RAW_SUFFIXES, read_raw
from denoisebench.photos.tiff_photo import read_tiff_photo

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from PIL.Image import Image

PHOTO_SUFFIXES = SUFFIXES | RAW_SUFFIXES
"""Suffixes of the files of a folder that are taken for photographs."""

QUALITY = 95
"""Quality of a written JPEG or lossy WebP."""

_ORIENTATION = 0x0112  # tag of EXIF
_GREY = frozenset({"1", "L", "LA"})
_COLOUR = frozenset({"P", "PA", "RGB", "RGBA"})
_KEPT_CHUNKS = frozenset(
    {b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"eXIf", b"pHYs"}
    | {b"tEXt", b"zTXt", b"iTXt"}
)
"""Parts of a PNG that say what its pixels mean, and where they come from."""
_HEADER_END = 33  # bytes of a PNG's signature and header
_PNG_LEVEL = 4  # of compression: twice as fast as 6, and 1 % larger


def read_photo(path: Path) -> Photo:
    """Read a photograph.

    Args:
        path: a PNG, JPEG, TIFF, WebP or BMP of 8 to 16 bits, grey or RGB, or a camera's raw file.

    Raises:
        ImageError: it cannot be read, or is none of these; the message says why.
    """
    if path.suffix.lower() in RAW_SUFFIXES:
        return read_raw(path)
    data = read_bytes(path)
    if not data:
        raise ImageError("the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which stay as they are
            return _read_tiff_or_other(data)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # decoders of damaged data may raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"damaged, or of an unknown kind ({reason})") from None


def _read_tiff_or_other(data: bytes) -> Photo:
    if data.startswith(SIGNATURES):
        return read_tiff_photo(data)
    with opened_image(data, large="ignore") as image:
        several = getattr(image, "n_frames", 1) > 1
        if several and image.format != "MPO":  # a camera's JPEG, with previews of itself
            raise ImageError("an animation of several pictures; save them one by one")
        pixels = _pixels(image, data)
        colours = 3 if pixels.shape[2] > 2 else 1
        samples, alpha = pixels[..., :colours], pixels[..., colours:]
        if image.format == "PNG":
            encode = partial(_png, alpha=alpha, kept=_kept_chunks(data))
        else:
            encode = partial(_by_pillow, alpha=alpha, options=_options(image, data))
        turn = image.getexif().get(_ORIENTATION, 1)
        notes = (PAGES,) if several else ()
        return Photo(np.ascontiguousarray(samples), turn, encode, notes)


def _pixels(image: Image, data: bytes) -> np.ndarray:
    """Return all samples, uint8 or uint16 (H, W, C): grey or RGB, with or without alpha."""
    if is_deep_png(image, data):
        pixels = _deep_pixels(image, data)
    elif image.mode in _GREY | _COLOUR:
        image.load()
        if image.format == "PNG":
            refuse_missing_rows(data)
        mode = "L" if image.mode in _GREY else "RGB"
        if "A" in image.mode or "transparency" in image.info:
            mode += "A"
        pixels = np.asarray(image.convert(mode))
    else:
        raise ImageError(f"its pixels are {image.mode}, not 8- or 16-bit grey or RGB")
    return pixels.reshape(*pixels.shape[:2], -1)


def _deep_pixels(image: Image, data: bytes) -> np.ndarray:
    """Decode a PNG of 16 bits, of which Pillow keeps 8 where there are colours."""
    import imagecodecs

    if "transparency" in image.info:
        raise ImageError("one of its 16-bit colours is transparent; save it with an alpha channel")
    pixels: np.ndarray = imagecodecs.png_decode(data)
    return pixels


def _kept_chunks(data: bytes) -> bytes:
    """Return the parts of a PNG that another one of its size and meaning needs, each once."""
    return b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in png_chunks(data)
        if kind in _KEPT_CHUNKS
    )


def _png(samples: np.ndarray, alpha: np.ndarray, kept: bytes) -> bytes:
    """Encode a PNG with parts of another one."""
    import imagecodecs

    content = bytes(imagecodecs.png_encode(_joined(samples, alpha), level=_PNG_LEVEL))
    return content[:_HEADER_END] + kept + content[_HEADER_END:]


def _joined(samples: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.concatenate([samples, alpha], axis=2) if alpha.shape[2] else samples


def _options(image: Image, data: bytes) -> dict[str, Any]:
    """Return how to save another picture like a JPEG, WebP or BMP, as Pillow's options."""
    from PIL import JpegImagePlugin

    known = ("exif", "icc_profile", "xmp", "comment", "dpi")
    options = {name: image.info[name] for name in known if image.info.get(name)}
    options |= {"format": "JPEG" if image.format == "MPO" else image.format, "quality": QUALITY}
    if options["format"] == "JPEG":
        options["subsampling"] = JpegImagePlugin.get_sampling(image)
        options["progressive"] = bool(image.info.get("progressive"))
    elif options["format"] == "WEBP":
        options |= {"lossless": _is_lossless_webp(data), "exact": True}
    return options


def _is_lossless_webp(data: bytes) -> bool:
    """Return True if the picture among a WebP's parts is of the lossless kind."""
    place = 12  # bytes of the head
    while place + 8 <= len(data):
        kind, size = struct.unpack_from("<4sL", data, place)
        if kind in (b"VP8L", b"VP8 "):
            return bool(kind == b"VP8L")
        place += 8 + size + size % 2
    return False


def _by_pillow(samples: np.ndarray, alpha: np.ndarray, options: dict[str, Any]) -> bytes:
    """Encode a JPEG, WebP or BMP."""
    from PIL import Image

    pixels = _joined(samples, alpha)
    content = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[2] > 1 else pixels[..., 0]).save(content, **options)
    return content.getvalue()
