"""Cameras' raw files, developed linearly: light in, light out, with a profile that says so."""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

from denoisebench.datasets.pixels import ImageError
from denoisebench.photos.photo import Photo
from denoisebench.photos.tiff_photo import tiff_bytes
from denoisebench.photos.tiff_tags import UNDEFINED, Tag

if TYPE_CHECKING:
    from pathlib import Path

RAW_SUFFIXES = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw"}
    | {
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".raw",
        ".rw2",
        ".rwl",
        ".sr2",
        ".srf",
        ".srw",
        ".x3f",
    }
)

_PROFILE = 34675  # tag of an ICC profile
# Colorimetry of sRGB, adapted to D50 as ICC's profiles are: X, Y and Z.
_WHITE = (0.9642, 1.0, 0.8249)
_PRIMARIES = {
    "r": (0.4360657, 0.2224884, 0.0139160),
    "g": (0.3851471, 0.7168732, 0.0970764),
    "b": (0.1430664, 0.0606079, 0.7140961),
}


def read_raw(path: Path) -> Photo:
    """Develop a raw file to 16-bit linear RGB with sRGB's primaries; the result is a TIFF.

    The camera's white balance is applied, and the picture turned upright; nothing is brightened,
    sharpened or denoised.

    Raises:
        ImageError: rawpy is not installed, or cannot read the file.
    """
    try:
        import rawpy
    except ImportError:
        raise ImageError(
            "a camera's raw file: pip install 'denoisebench[raw]', or develop it to a 16-bit TIFF"
        ) from None
    try:
        with rawpy.imread(str(path)) as raw:
            samples = raw.postprocess(
                gamma=(1, 1),
                no_auto_bright=True,
                use_camera_wb=True,
                output_bps=16,
                output_color=rawpy.ColorSpace.sRGB,
            )
    except (rawpy.LibRawError, OSError) as error:
        raise ImageError(
            f"no raw file that LibRaw {rawpy.libraw_version} reads ({error})"
        ) from None
    tags = {_PROFILE: Tag(UNDEFINED, linear_profile())}
    return Photo(samples, 1, partial(tiff_bytes, tags=tags))


def linear_profile() -> bytes:
    """Build the ICC profile (version 2) of RGB with sRGB's primaries and a linear scale.

    Examples:
        >>> linear_profile()[12:24]
        b'mntrRGB XYZ '
    """
    name = b"Linear sRGB\0"
    description = b"desc\0\0\0\0" + struct.pack(">L", len(name)) + name + bytes(78)
    line = b"curv\0\0\0\0\0\0\0\0"  # no points: the identity
    parts = {b"desc": description, b"cprt": b"text\0\0\0\0CC0\0", b"wtpt": _xyz(_WHITE)}
    for letter, primary in _PRIMARIES.items():
        parts |= {f"{letter}XYZ".encode(): _xyz(primary), f"{letter}TRC".encode(): line}
    place = 128 + 4 + 12 * len(parts)
    table, contents = struct.pack(">L", len(parts)), b""
    for kind, content in parts.items():
        table += kind + struct.pack(">LL", place + len(contents), len(content))
        contents += content.ljust(-(-len(content) // 4) * 4, b"\0")
    head = struct.pack(">L4xL", place + len(contents), 0x02400000) + b"mntrRGB XYZ "
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    head = head.ljust(68, b"\0") + _xyz(_WHITE)[8:]
    return head.ljust(128, b"\0") + table + contents


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3l", *(round(65536 * value) for value in values))
