"""Every kind of image file is read as the frame it shows, or refused for a stated reason."""

from __future__ import annotations

import io
import os
import struct
import zlib
from typing import TYPE_CHECKING

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from denoisebench.datasets import DataError
from denoisebench.datasets.images import ALPHA, DEEP, PAGES, ImageError, decode, read_image

if TYPE_CHECKING:
    from pathlib import Path

_random = np.random.default_rng(0)
RGB = _random.integers(0, 256, (12, 20, 3), dtype=np.uint8)
GREY = _random.integers(0, 256, (12, 20, 1), dtype=np.uint8)
ALPHA_PLANE = _random.integers(0, 256, (12, 20, 1), dtype=np.uint8)
DEEP_RGB = _random.integers(0, 65536, (12, 20, 3), dtype=np.uint16)
DEEP_RGB[0, :5, 0] = 0, 128, 129, 65406, 65535  # round to 0, 0, 1, 254 and 255
DEEP_GREY = DEEP_RGB[..., :1]
PALETTE = Image.fromarray(RGB).quantize(16)


def nearest_8_bit(deep: np.ndarray) -> np.ndarray:
    return np.floor(deep / 257 + 0.5).astype(np.uint8)


def pillow(pixels: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels.squeeze())
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opencv(pixels: np.ndarray, suffix: str) -> bytes:
    order = [2, 1, 0, 3][: pixels.shape[2]] if pixels.shape[2] > 1 else [0]
    return cv2.imencode(suffix, pixels[..., order])[1].tobytes()


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels.squeeze(), **options)
    return buffer.getvalue()


def with_alpha(pixels: np.ndarray) -> np.ndarray:
    return np.dstack([pixels, ALPHA_PLANE.astype(pixels.dtype)])


def with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """Return a PNG with another chunk after its header; no library writes all in 16 bit."""
    checked = kind + content
    length, checksum = (n.to_bytes(4, "big") for n in (len(content), zlib.crc32(checked)))
    return png[:33] + length + checked + checksum + png[33:]


GREY_ALPHA = Image.fromarray(with_alpha(GREY), "LA")
PALETTE_RGB = np.array(PALETTE.convert("RGB"))

LOSSLESS = {
    "png": (pillow(RGB, "PNG"), RGB, []),
    "png-grey": (pillow(GREY, "PNG"), GREY, []),
    "png-alpha": (pillow(with_alpha(RGB), "PNG"), RGB, [ALPHA]),
    "png-grey-alpha": (pillow(GREY_ALPHA, "PNG"), GREY, [ALPHA]),
    "png-palette": (pillow(PALETTE, "PNG"), PALETTE_RGB, []),
    "png-palette-alpha": (pillow(PALETTE, "PNG", transparency=b"\x00\x80"), PALETTE_RGB, [ALPHA]),
    "png-one-transparent-colour": (pillow(RGB, "PNG", transparency=(1, 2, 3)), RGB, [ALPHA]),
    "png-1-bit": (
        pillow(Image.fromarray(GREY[..., 0] > 99), "PNG"),
        np.where(GREY > 99, 255, 0).astype(np.uint8),
        [],
    ),
    "png-16": (opencv(DEEP_RGB, ".png"), nearest_8_bit(DEEP_RGB), [DEEP]),
    "png-16-grey": (opencv(DEEP_GREY, ".png"), nearest_8_bit(DEEP_GREY), [DEEP]),
    "png-16-alpha": (
        opencv(with_alpha(DEEP_RGB), ".png"),
        nearest_8_bit(DEEP_RGB),
        [ALPHA, DEEP],
    ),
    "png-16-grey-alpha": (
        imagecodecs.png_encode(with_alpha(DEEP_GREY)),
        nearest_8_bit(DEEP_GREY),
        [ALPHA, DEEP],
    ),
    "png-16-one-transparent-colour": (
        with_chunk(opencv(DEEP_RGB, ".png"), b"tRNS", DEEP_RGB[0, 0].astype(">u2").tobytes()),
        nearest_8_bit(DEEP_RGB),
        [ALPHA, DEEP],
    ),
    "png-16-grey-one-transparent": (
        with_chunk(opencv(DEEP_GREY, ".png"), b"tRNS", DEEP_GREY[0, 0].astype(">u2").tobytes()),
        nearest_8_bit(DEEP_GREY),
        [ALPHA, DEEP],
    ),
    "tiff": (pillow(RGB, "TIFF"), RGB, []),
    "tiff-lzw": (pillow(RGB, "TIFF", compression="tiff_lzw"), RGB, []),
    "tiff-grey": (pillow(GREY, "TIFF"), GREY, []),
    "tiff-inverted-grey": (tiff(GREY, photometric="miniswhite"), 255 - GREY, []),
    "tiff-alpha": (pillow(with_alpha(RGB), "TIFF"), RGB, [ALPHA]),
    "tiff-16": (tiff(DEEP_RGB, photometric="rgb"), nearest_8_bit(DEEP_RGB), [DEEP]),
    "tiff-16-grey": (tiff(DEEP_GREY), nearest_8_bit(DEEP_GREY), [DEEP]),
    "tiff-16-alpha": (
        tiff(with_alpha(DEEP_RGB), photometric="rgb", extrasamples=["unassalpha"]),
        nearest_8_bit(DEEP_RGB),
        [ALPHA, DEEP],
    ),
    "tiff-pages": (tiff(np.stack([GREY, GREY + 1]), photometric="minisblack"), GREY, [PAGES]),
    "webp": (pillow(RGB, "WEBP", lossless=True), RGB, []),
    "webp-alpha": (pillow(with_alpha(RGB), "WEBP", lossless=True, exact=True), RGB, [ALPHA]),
    "bmp": (pillow(RGB, "BMP"), RGB, []),
    "bmp-grey": (pillow(GREY, "BMP"), GREY, []),
    "bmp-palette": (pillow(PALETTE, "BMP"), PALETTE_RGB, []),
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_kinds_keep_every_pixel_and_note_what_is_lost(kind: str) -> None:
    data, pixels, notes = LOSSLESS[kind]
    decoded, remarks = decode(data)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels)
    assert remarks == notes


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_close_to_what_was_saved(channels: int, progressive: bool) -> None:
    ramp = np.linspace(20, 230, 64)[:, None, None] * np.ones((1, 48, channels))
    pixels = ramp.astype(np.uint8)
    decoded, remarks = decode(pillow(pixels, "JPEG", quality=95, progressive=progressive))
    assert decoded.shape == pixels.shape
    assert np.abs(decoded.astype(int) - pixels).max() <= 3
    assert remarks == []


def with_exif(png: bytes, exif: Image.Exif) -> bytes:
    return with_chunk(png, b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))


def oriented(kind: str, orientation: int) -> tuple[bytes, np.ndarray]:
    """Return a file whose header says how to turn it, and the pixels as stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    blocks = np.kron(RGB, np.ones((8, 8, 1), np.uint8))
    deep, tag = blocks.astype(np.uint16) * 257, [(0x0112, "H", 1, orientation, True)]
    grey = blocks[..., :1]
    return {
        "jpeg": lambda: (pillow(blocks, "JPEG", quality=98, subsampling=0, exif=exif), blocks),
        "png": lambda: (pillow(blocks, "PNG", exif=exif), blocks),
        "png-16": lambda: (with_exif(opencv(deep, ".png"), exif), blocks),
        "webp": lambda: (pillow(blocks, "WEBP", lossless=True, exif=exif), blocks),
        "tiff": lambda: (pillow(blocks, "TIFF", exif=exif), blocks),
        "tiff-16": lambda: (tiff(deep, photometric="rgb", extratags=tag), blocks),
        "tiff-16-grey": lambda: (tiff(deep[..., :1], extratags=tag), grey),
    }[kind]()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "kind", ["jpeg", "png", "png-16", "webp", "tiff", "tiff-16", "tiff-16-grey"]
)
def test_orientation_is_applied_as_pillow_does(kind: str, orientation: int) -> None:
    data, stored = oriented(kind, orientation)
    reference = Image.fromarray(stored.squeeze())
    reference.getexif()[0x0112] = orientation
    upright = np.array(ImageOps.exif_transpose(reference)).reshape(-1)
    decoded = decode(data)[0]
    assert decoded.shape[:2] == (stored.shape[:2] if orientation < 5 else stored.shape[1::-1])
    tolerance = 12 if kind == "jpeg" else 0
    assert np.abs(decoded.reshape(-1).astype(int) - upright).max() <= tolerance


WHOLE = {
    "png": pillow(RGB, "PNG"),
    "jpeg": pillow(RGB, "JPEG"),
    "jpeg-progressive": pillow(RGB, "JPEG", progressive=True),
    "webp": pillow(RGB, "WEBP"),
    "tiff": pillow(RGB, "TIFF"),
    "tiff-16": tiff(DEEP_RGB, photometric="rgb"),
    "bmp": pillow(RGB, "BMP"),
}


@pytest.mark.parametrize("kept", [0.3, 0.9])
@pytest.mark.parametrize("kind", WHOLE)
def test_truncated_files_are_refused(kind: str, kept: float) -> None:
    whole = WHOLE[kind]
    decode(whole)
    with pytest.raises(ImageError):
        decode(whole[: int(len(whole) * kept)])


REFUSED = {
    "empty": (b"", "the file is empty"),
    "text": (b"not an image at all\n" * 9, "not a PNG, JPEG, TIFF, WebP or BMP"),
    "gif": (pillow(PALETTE, "GIF"), "not a PNG, JPEG, TIFF, WebP or BMP"),
    "cmyk": (pillow(Image.fromarray(RGB).convert("CMYK"), "JPEG"), "its pixels are CMYK"),
    "float": (tiff(GREY.astype(np.float32)), "its pixels are floating-point"),
    "float-rgb": (tiff(RGB.astype(np.float32), photometric="rgb"), "8- or 16-bit grey or RGB"),
    "int32": (tiff(GREY.astype(np.int32)), "its pixels are 32-bit"),
    "int16": (tiff(GREY.astype(np.int16)), "not unsigned integers"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_a_frame_is_refused_with_file_and_reason(kind: str, tmp_path: Path) -> None:
    data, reason = REFUSED[kind]
    path = tmp_path / "bad.png"
    path.write_bytes(data)
    with pytest.raises(DataError) as refusal:
        read_image(path)
    message = str(refusal.value)
    assert str(path) in message
    assert reason in message
    assert "\n" not in message


def test_more_pixels_than_pillow_trusts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pillow(RGB, "PNG")
    for limit in (RGB[..., 0].size - 1, RGB[..., 0].size // 3):  # where it warns, where it raises
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ImageError, match=r"more than .* pixels; crop or shrink it"):
            decode(data)


def test_files_that_cannot_be_opened_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("missing.png", "folder.png", "link.png", "pipe.png"):
        with pytest.raises(DataError, match=f"{name}: no such file"):
            read_image(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(WHOLE["png"])
    path.chmod(0)
    with pytest.raises(DataError, match=r"secret.png: cannot be read \(Permission denied\)"):
        read_image(path)


def test_non_ascii_paths_are_read(tmp_path: Path) -> None:
    path = tmp_path / "Zebra — Ébène 縞馬.png"
    path.write_bytes(WHOLE["png"])
    np.testing.assert_array_equal(read_image(path), RGB)


PASSES = {
    False: [(0, 0, 1, 1)],
    True: [
        *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4)),
        *((1, 0, 2, 2), (0, 1, 1, 2)),
    ],
}


def grey_png(pixels: np.ndarray, *, interlaced: bool, missing: int) -> bytes:
    """Write a PNG by hand; the last rows may be missing, though the file is whole otherwise."""
    rows = [
        b"\0" + row.tobytes()
        for x, y, across, down in PASSES[interlaced]
        for row in pixels[y::down, x::across]
        if row.size
    ]
    height, width = pixels.shape
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced),
        b"IDAT": zlib.compress(b"".join(rows[: len(rows) - missing])),
        b"IEND": b"",
    }
    chunks = [
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("shape", [(12, 20), (1, 1), (3, 2), (40, 33)])
def test_a_png_that_lacks_rows_is_damaged_not_black(
    shape: tuple[int, int], interlaced: bool
) -> None:
    pixels = _random.integers(0, 256, shape, dtype=np.uint8)
    read, _ = decode(grey_png(pixels, interlaced=interlaced, missing=0))
    np.testing.assert_array_equal(read[..., 0], pixels)
    with pytest.raises(ImageError, match="damaged"):
        decode(grey_png(pixels, interlaced=interlaced, missing=1))


def test_a_png_that_unpacks_to_more_than_its_rows_is_read() -> None:
    data = grey_png(np.zeros((4000, 4000), np.uint8), interlaced=False, missing=0)
    small = data.replace(struct.pack(">II", 4000, 4000), struct.pack(">II", 4000, 40))
    header = small[12:29]
    small = small[:29] + struct.pack(">I", zlib.crc32(header)) + small[33:]
    assert decode(small)[0].shape == (40, 4000, 1)
