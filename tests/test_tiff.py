"""Every kind of TIFF is read as the picture it holds, or refused for a reason that is true."""

from __future__ import annotations

import contextlib
import io
from itertools import cycle, product
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import tifffile
import tiffs
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiffs import GREY, PALETTE, RGB, WHITE_IS_ZERO

from denoisebench.datasets.images import ALPHA, PAGES, ImageError, decode
from denoisebench.datasets.pixels import FURTHER, rounded

if TYPE_CHECKING:
    from collections.abc import Iterator

BITS = (1, 2, 4, 8, 12, 16)
COLOURS = {WHITE_IS_ZERO: 1, GREY: 1, RGB: 3}
EXTRAS: dict[str, tuple[int, ...]] = {
    "opaque": (),
    "unspecified": (tiffs.UNSPECIFIED,),
    "premultiplied": (tiffs.PREMULTIPLIED,),
    "alpha": (tiffs.ALPHA,),
}
MEANINGS = [
    pytest.param(bits, colour, extras, planar, id=f"{bits}-{colour}-{name}-planar{planar:d}")
    for bits, colour, (name, extras), planar in product(BITS, COLOURS, EXTRAS.items(), (0, 1))
    if (colour, name) != (WHITE_IS_ZERO, "premultiplied")
]
PARTS: tuple[dict[str, int], ...] = ({}, {"rows": 5}, {"tile": 16})
PREDICTED = (tiffs.LZW, tiffs.DEFLATE, tiffs.OLD_DEFLATE, tiffs.LZMA, tiffs.ZSTD)
HEIGHT, WIDTH = 19, 37  # odd, so that packed rows end within a byte, and tiles stick out

_random = np.random.default_rng(0)
_y, _x = np.mgrid[:48, :64]
SMOOTH = np.stack([_y * 4, _x * 3, _y + _x], -1).astype(np.uint8)
NOISE = _random.integers(0, 256, (48, 64, 1))


def storages(bits: int) -> Iterator[dict[str, Any]]:
    """Yield each compression with each division, in changing orders of bytes and of bits."""
    orders = cycle(product("<>", (False, True)))
    for compression, parts in product(tiffs.ENCODERS, PARTS):
        for predictor in (1, 2) if compression in PREDICTED and bits in (8, 16) else (1,):
            order, reversed_bits = next(orders)
            kind = {"compression": compression, "predictor": predictor, "order": order}
            yield kind | parts | {"reversed_bits": reversed_bits}


def drawn(bits: int, colour: int, extras: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return stored samples, and the 8-bit picture that they mean."""
    white, count = (1 << bits) - 1, COLOURS[colour]
    samples = _random.integers(0, white + 1, (HEIGHT, WIDTH, count + len(extras)))
    if tiffs.PREMULTIPLIED in extras:
        alpha = samples[..., count:]
        samples[..., :count] = np.minimum(samples[..., :count], alpha)
        meant = samples[..., :count] / np.maximum(alpha, 1)
    else:
        meant = samples[..., :count] / white
    return samples, np.floor(255 * (1 - meant if colour == WHITE_IS_ZERO else meant) + 0.5)


def notes(bits: int, extras: tuple[int, ...]) -> list[str]:
    alpha = [FURTHER if extras == (tiffs.UNSPECIFIED,) else ALPHA] if extras else []
    return alpha + [rounded(bits)] * (bits > 8)


@pytest.mark.parametrize(("bits", "colour", "extras", "planar"), MEANINGS)
def test_every_combination_is_read_as_it_was_meant(
    bits: int, colour: int, extras: tuple[int, ...], planar: bool
) -> None:
    for storage in storages(bits):
        samples, meant = drawn(bits, colour, extras)
        data = tiffs.tiff(samples, bits, colour, extras=extras, planar=bool(planar), **storage)
        pixels, remarks = decode(data)
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, meant, err_msg=str(storage))
        assert remarks == notes(bits, extras)


def with_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        grey = image.mode in ("1", "L", "LA")
        return np.array(image.convert("L" if grey else "RGB")).reshape(HEIGHT, WIDTH, -1)


def with_opencv(data: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels.dtype == np.uint16
    return np.floor(pixels.reshape(HEIGHT, WIDTH, -1)[..., ::-1] / 257 + 0.5)


# What other readers know to be: the reader, bits, colours, channels beside them, planar.
KNOWN = [
    *((with_pillow, bits, c, (), p) for bits in (1, 2, 4, 8) for c in (0, 1) for p in (0, 1)),
    *((with_pillow, 8, RGB, extras, p) for extras in ((), (0,), (2,)) for p in (0, 1)),
    *((with_pillow, 16, RGB, extras, p) for extras in ((), (0,), (2,)) for p in (0, 1)),
    *((with_opencv, 16, GREY, (), p) for p in (0, 1)),
    (with_opencv, 16, RGB, (), 0),
]


@pytest.mark.parametrize(("reader", "bits", "colour", "extras", "planar"), KNOWN)
def test_other_readers_see_the_same_picture(
    reader: Any, bits: int, colour: int, extras: tuple[int, ...], planar: bool
) -> None:
    cut = 1 if reader is with_pillow and bits == 16 else 0  # it drops the lower 8 bits
    for order, parts in product("<>", PARTS):
        samples, _ = drawn(bits, colour, extras)
        options = {"extras": extras, "planar": bool(planar), "order": order, **parts}
        data = tiffs.tiff(samples, bits, colour, compression=tiffs.LZW, **options)
        seen, ours = reader(data), decode(data)[0]
        assert seen.shape == ours.shape
        assert np.abs(seen.astype(int) - ours).max() <= cut


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_bigtiff_is_read_alike(bits: int, order: str) -> None:
    samples, meant = drawn(bits, RGB, ())
    data = tiffs.tiff(samples, bits, RGB, order=order, big=True, rows=5, compression=tiffs.DEFLATE)
    np.testing.assert_array_equal(decode(data)[0], meant)


@pytest.mark.parametrize("entry", [257, 256, 1], ids=["full", "upper-byte", "lower-byte"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_are_applied_however_their_entries_are_scaled(bits: int, entry: int) -> None:
    colours = _random.integers(0, 256, (1 << bits, 3))
    colours[0] = 255
    for storage in storages(bits):
        samples = _random.integers(0, 1 << bits, (HEIGHT, WIDTH, 1))
        palette = {320: (colours * entry).T.ravel().tolist()}
        data = tiffs.tiff(samples, bits, PALETTE, tags=palette, **storage)
        np.testing.assert_array_equal(decode(data)[0], colours[samples[..., 0]])


BY_DEPTH = ((8, 1), (16, 257))


def test_premultiplied_colours_mean_the_same_at_every_depth() -> None:
    alpha = _random.integers(128, 256, (HEIGHT, WIDTH, 1))
    eight = np.dstack([np.minimum(NOISE[:HEIGHT, :WIDTH], alpha)] * 3 + [alpha])
    transparent = eight.copy()
    transparent[:3, :, 3] = 0  # their colours are undefined: kept as they are
    for stored in (eight, transparent):
        read = [decode(tiffs.tiff(stored * s, b, RGB, extras=(1,)))[0] for b, s in BY_DEPTH]
        np.testing.assert_array_equal(*read)
    np.testing.assert_array_equal(read[0][:3], transparent[:3, :, :3])


def written(pixels: np.ndarray, **options: Any) -> bytes:
    """Return a TIFF that tifffile has written."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def saved(pixels: np.ndarray, **options: Any) -> bytes:
    """Return a TIFF that Pillow has written."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF", **options)
    return buffer.getvalue()


JPEGS = {
    "pillow": saved(SMOOTH, compression="jpeg", quality=95),
    "pillow-grey": saved(SMOOTH[..., 0], compression="jpeg"),
    "strips": written(SMOOTH, photometric="rgb", compression="jpeg", rowsperstrip=24),
    "halved-chroma": written(SMOOTH, photometric="rgb", compression="jpeg", subsampling=(2, 2)),
    "tiles": written(SMOOTH, photometric="rgb", compression="jpeg", tile=(32, 32)),
    "rgb": written(
        SMOOTH, photometric="rgb", compression="jpeg", compressionargs={"outcolorspace": "rgb"}
    ),
    "planar": written(
        np.moveaxis(SMOOTH, -1, 0), photometric="rgb", planarconfig="separate", compression="jpeg"
    ),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_jpeg_compression_is_read_as_pillow_reads_it(kind: str) -> None:
    with Image.open(io.BytesIO(JPEGS[kind])) as image:
        reference = np.array(image).reshape(48, 64, -1)
    pixels, remarks = decode(JPEGS[kind])
    assert pixels.shape == reference.shape
    assert np.abs(pixels.astype(int) - reference).max() <= 2
    assert remarks == []


@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_webp_compression_keeps_every_pixel(tile: tuple[int, int] | None) -> None:
    options = {"compression": "webp", "compressionargs": {"lossless": True}, "tile": tile}
    pixels = decode(written(SMOOTH, photometric="rgb", **options))[0]
    np.testing.assert_array_equal(pixels, SMOOTH)


def pages(*pictures: tuple[np.ndarray, dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for pixels, options in pictures:
            writer.write(pixels, photometric="rgb", **options)
    return buffer.getvalue()


SMALL = SMOOTH[::2, ::2]


@pytest.mark.parametrize(
    ("data", "remarks"),
    [
        (pages((SMOOTH, {}), (SMALL, {})), [PAGES]),
        (pages((SMOOTH, {}), (SMALL, {"subfiletype": 1})), []),
        (pages((SMOOTH, {"subifds": 1}), (SMALL, {"subfiletype": 1})), []),
        (pages((SMOOTH, {"subfiletype": 1})), []),
    ],
    ids=["pages", "thumbnail-after", "pyramid", "alone"],
)
def test_the_first_picture_is_used_and_others_that_are_no_copies_are_told(
    data: bytes, remarks: list[str]
) -> None:
    pixels, told = decode(data)
    np.testing.assert_array_equal(pixels, SMOOTH)
    assert told == remarks


PLANE = SMOOTH[..., 0].astype(int)[..., np.newaxis]
FOUR = np.dstack([SMOOTH, SMOOTH[..., 0]])


def changed(tags: dict[int, list[int]], samples: np.ndarray = PLANE, **options: Any) -> bytes:
    """Return an 8-bit TIFF of which some tags are others."""
    colour = options.pop("colour", GREY)
    return tiffs.tiff(samples, 8, colour, tags=tags, **options)


def without_photometric() -> bytes:
    tags, parts = tiffs.picture(PLANE, 8, GREY)
    del tags[262]
    return tiffs.container([(tags, parts)])


NUMBERS = {
    "int8": "8-bit signed integers, not unsigned integers",
    "int16": "16-bit signed integers, not unsigned integers",
    "int32": "32-bit signed integers, not unsigned integers",
    "uint32": "its pixels are 32-bit, not 8- or 16-bit grey or RGB",
    "uint64": "its pixels are 64-bit",
    "float16": "its pixels are floating-point, not 8- or 16-bit grey or RGB",
    "float32": "its pixels are floating-point",
    "float64": "its pixels are floating-point",
    "complex64": "its pixels are complex",
}
REFUSED = {
    **{
        kind: (written(PLANE[..., 0].astype(kind), photometric="minisblack"), reason)
        for kind, reason in NUMBERS.items()
    },
    "cmyk": (changed({}, FOUR, colour=tiffs.CMYK), "its pixels are CMYK"),
    "cielab": (changed({}, SMOOTH, colour=tiffs.CIELAB), "its pixels are CIELab"),
    "ycbcr": (changed({}, SMOOTH, colour=tiffs.YCBCR), "its pixels are YCbCr"),
    "sensor": (changed({}, colour=32803), "a sensor's raw data"),
    "mask": (changed({}, colour=4), "of the kind MASK"),
    "dng": (changed({50706: [1, 4, 0, 0]}), "raw file (DNG); develop it"),
    "thumbnail": (
        pages((SMALL, {"subfiletype": 1}), (SMOOTH, {})),
        "its first picture is a thumbnail of another",
    ),
    "raw-beneath": (
        pages((SMALL, {"subfiletype": 1, "subifds": 1}), (SMOOTH, {})),
        "its first picture is a thumbnail of another",
    ),
    "565": (changed({258: [5, 6, 5]}, SMOOTH, colour=RGB), "of different depths, 5, 6, 5 bits"),
    "bands": (changed({}, np.dstack([SMOOTH, FOUR])), "its pixels have 7 samples"),
    "many": (changed({277: [65535]}), "its pixels have 65535 samples"),
    "meaningless": (without_photometric(), "no photometric tag"),
    "alpha-of-none": (changed({338: [2]}), "it names 1 channels beside its colours, but has 0"),
    "inverted-premultiplied": (
        changed({}, FOUR[..., :2], colour=WHITE_IS_ZERO, extras=[1]),
        "its alpha is premultiplied, which is defined for grey and RGB alone",
    ),
    "no-palette": (changed({}, colour=PALETTE), "its palette has 0 colours, for 8-bit pixels"),
    "short-palette": (changed({320: [9] * 48}, colour=PALETTE), "its palette has 16 colours"),
    "fax": (changed({259: [4]}), "its compression is CCITT"),
    "old-jpeg": (changed({259: [6]}), "its compression is OJPEG"),
    "jpeg2000": (written(SMOOTH, photometric="rgb", compression="jpeg2000"), "JPEG2000"),
    "unknown": (changed({259: [777]}), "its compression is 777"),
    "predictor": (changed({317: [2]}), "its predictor 2 is not defined for 8 bits"),
    "float-predictor": (
        changed({317: [3]}, compression=tiffs.LZW),
        "its predictor 3 is not defined for 8 bits with compression LZW",
    ),
    "deep-webp": (
        tiffs.tiff(PLANE, 16, GREY, tags={259: [tiffs.WEBP]}),
        "its WebP compression is not of 8- or 16-bit",
    ),
    "volume": (changed({32997: [2]}), "a volume of 2 slices"),
    "empty": (changed({256: [0]}), "it has no pixels"),
    "gigantic": (changed({256: [2**31], 257: [2**31]}), "more than 89,478,485 pixels"),
    "gigantic-tile": (
        changed({322: [2**31], 323: [2**31]}, tile=16, compression=tiffs.LZW),
        "more than 89,478,485 pixels",
    ),
    "sparse": (changed({279: [0]}), "it is cut short, or a strip or tile is missing"),
    "elsewhere": (changed({273: [10**6]}), "it is cut short, or a strip or tile is missing"),
    "short-data": (changed({279: [100]}), "its picture is larger than its data"),
    "few-strips": (changed({278: [10]}), "the list of its strips or tiles has gaps"),
    "bare": (b"II*\0", "damaged"),
    "no-picture": (b"II*\0" + bytes(8), "it lists no picture"),
    "no-tags": (b"II*\0\x08\0\0\0" + bytes(8), "no photometric tag"),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_read_right_is_refused_in_one_line(
    kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    data, reason = REFUSED[kind]
    with pytest.raises(ImageError) as refusal:
        decode(data)
    assert reason in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


CUT = {
    "strips": written(SMOOTH, photometric="rgb", rowsperstrip=8),
    "tiles-16": written(SMOOTH.astype(np.uint16), photometric="rgb", tile=(16, 16)),
    **{
        name: written(SMOOTH, photometric="rgb", compression=name, rowsperstrip=16)
        for name in ("lzw", "zlib", "zstd", "lzma", "packbits", "jpeg", "webp")
    },
}


@pytest.mark.parametrize("kind", CUT)
def test_a_file_that_is_cut_anywhere_is_refused(kind: str) -> None:
    whole = CUT[kind]
    decode(whole)
    for kept in [*range(4, len(whole) - 1, max(1, len(whole) // 60)), len(whole) - 2]:
        with pytest.raises(ImageError):
            decode(whole[:kept])


@pytest.mark.parametrize("kind", ["lzw", "zlib", "zstd", "lzma", "packbits", "jpeg", "webp"])
def test_a_strip_that_ends_early_is_refused_not_filled_up(kind: str) -> None:
    whole = CUT[kind]
    with tifffile.TiffFile(io.BytesIO(whole)) as file:
        tag = file.pages.first.tags[279]
        place, size, counts = tag.valueoffset, tag.valuebytecount, list(tag.value)
    counts[1] = counts[1] * 2 // 3
    short = np.array(counts, f"<u{size // len(counts)}").tobytes()
    with pytest.raises(ImageError, match="damaged"):
        decode(whole[:place] + short + whole[place + size :])


@given(data=st.data(), kind=st.sampled_from(sorted(CUT)))
def test_damage_ends_in_a_picture_or_a_refusal(data: st.DataObject, kind: str) -> None:
    damaged = bytearray(CUT[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1) | st.integers(0, 400))
        damaged[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        pixels, _ = decode(bytes(damaged))
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] in (1, 3)


@pytest.mark.parametrize("stored", [1, 3])
def test_a_jpeg_of_another_number_of_channels_than_its_picture_is_refused(stored: int) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8) if stored == 3 else np.zeros((16, 16), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg")
    page = (16, 16) if stored == 3 else (16, 16, 3)
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        iter([buffer.getvalue()]),
        shape=page,
        dtype=np.uint8,
        photometric="minisblack" if stored == 3 else "rgb",
        compression="jpeg",
        rowsperstrip=16,
    )
    with pytest.raises(
        ImageError, match=rf"its JPEG is of {stored} channels, its picture of {4 - stored}"
    ):
        decode(file.getvalue())


def test_channels_of_different_formats_are_refused_for_that_reason() -> None:
    samples = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ImageError, match="damaged, or its channels are of different formats"):
        decode(tiffs.tiff(samples, 8, RGB, tags={339: [1, 1, 2]}))
