"""Films that tests make themselves: known shots, and a number painted into every frame.

The pictures are crops of scikit-image's photographs, panned slowly; the number is a strip of grey
blocks, readable after lossy coding and after halving.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
from skimage import data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

WIDTH, HEIGHT = 192, 128
BITS = 12
BLOCK = 16  # columns of a bit's block
ROWS = 8  # of the strip
TOP = 60  # its first row: neither letterbox nor subtitles reach it
DARK, BRIGHT = 100, 160
PHOTOGRAPHS = ("astronaut", "coffee", "stereo_motorcycle", "immunohistochemistry")


@cache
def photograph(name: str) -> np.ndarray:
    loaded = getattr(data, name)()
    return np.ascontiguousarray(loaded[0] if isinstance(loaded, tuple) else loaded)


def view(shot: int, progress: float, pan: float = 1 / 12) -> np.ndarray:
    """Return a shot's picture: a part of a photograph that is its own, panned.

    Args:
        shot: its number; 24 of them differ.
        progress: in [0, 1] through the shot.
        pan: by how much of its width it moves in all.
    """
    whole = photograph(PHOTOGRAPHS[shot % 4])
    height, width = whole.shape[:2]
    part = shot // 4 % 6
    h, w = height * 0.45, min(width * 0.3, height * 0.45 * WIDTH / HEIGHT)
    top = (part % 2) * (height - h)
    left = (part // 2) * (width - w * (1 + pan)) / 2 + progress * w * pan
    corners = np.float32([[left, top], [left + w, top], [left, top + h]])
    target = np.float32([[0, 0], [WIDTH, 0], [0, HEIGHT]])
    matrix = cv2.getAffineTransform(corners, target)
    return cv2.warpAffine(whole, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)


def paint_number(picture: np.ndarray, number: int, top: int = TOP) -> np.ndarray:
    """Draw a number into the picture as a strip of blocks, in place."""
    for bit in range(BITS):
        level = BRIGHT if number >> bit & 1 else DARK
        picture[top : top + ROWS, bit * BLOCK : (bit + 1) * BLOCK] = level
    return picture


def read_number(picture: np.ndarray, scale: float = 0.5, top: float = TOP, left: float = 0) -> int:
    """Return the number in a scaled picture; ``top`` and ``left`` are those of the strip.

    A block that is neither dark nor bright fails: the picture is a mixture, or cut elsewhere.
    """
    grey = picture.astype(float).mean(axis=2)
    number = 0
    for bit in range(BITS):
        rows = slice(round((top + 2) * scale), round((top + ROWS - 2) * scale))
        columns = slice(
            round((left + bit * BLOCK + 5) * scale), round((left + (bit + 1) * BLOCK - 5) * scale)
        )
        level = grey[rows, columns].mean()
        assert min(abs(level - DARK), abs(level - BRIGHT)) < 22, f"bit {bit} has level {level}"
        number |= int(level > (DARK + BRIGHT) / 2) << bit
    return number


def shots_of(lengths: Iterable[int], first: int = 0, pan: float = 1 / 12) -> Iterator[np.ndarray]:
    """Return the numbered frames of shots with these lengths."""
    number = 0
    for shot, length in enumerate(lengths, first):
        for i in range(length):
            yield paint_number(view(shot, i / length, pan), number)
            number += 1


@dataclass(frozen=True)
class Coding:
    """An encoding of a film."""

    codec: str = "libx264"
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=lambda: {"crf": "12", "preset": "superfast"})
    rate: int = 25
    pts: Callable[[int], int] = lambda i: i
    rotation: int = 0
    transfer: int | None = None
    primaries: int | None = None
    matrix: int | None = None


def write_film(path: Path, frames: Iterable[np.ndarray], coding: Coding = Coding()) -> Path:
    """Encode RGB frames; the suffix chooses the container. Timestamps are in 1/rate seconds."""
    container: Any
    with av.open(str(path), "w") as container:
        stream = container.add_stream(coding.codec, rate=coding.rate, options=coding.options)
        stream.pix_fmt = coding.pixels
        stream.time_base = stream.codec_context.time_base = Fraction(1, coding.rate)
        stream.codec_context.thread_count = 1
        for name, value in {
            "color_trc": coding.transfer,
            "color_primaries": coding.primaries,
            "colorspace": coding.matrix,
        }.items():
            if value is not None:
                setattr(stream.codec_context, name, value)
        for number, pixels in enumerate(frames):
            if number == 0:
                stream.height, stream.width = pixels.shape[:2]
                if coding.rotation:
                    stream.set_display_rotation(coding.rotation)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format=coding.pixels, dst_colorspace=coding.matrix
            )
            frame.pts, frame.time_base = coding.pts(number), Fraction(1, coding.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
