"""Judgement of frames: bars round the picture, and faults that spoil it as a clean frame.

The limits were set on the 130 photographs of ``documentary``: as they are, at most 3 of them are
dropped; blurred over 2 pixels (Gaussian) or 11 (motion), at least 95 %.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

BLACK_LEVEL = 50  # all but a hundredth of a black frame is below it
FLAT_SHARE = 0.8  # of a frame's 8×8 blocks, more are without texture
FLAT_DEVIATION = 1.5  # of a block without texture
BLURRED = 0.5  # on the scale of `blur`
LEAST_PICTURE = 0.4  # of the frame that the bars must leave

_BAR_LEVEL = 20  # black as coded, with the ringing of the picture's edge
_BRIGHT_SHARE = 0.01  # of a row, above which it is no bar: bars may have specks
_BAR_EDGE = 2  # rows that the edge of a bar may blend
_BAR_SKEW = 0.02  # of the height or width: how unequal bars are; a dark side has no like opposite
_BAR_JITTER = 4  # rows, by which the edge of a bar is found elsewhere beside a dark picture
_LETTER_CONTRAST, _LETTER_LEVEL = 100, 190
_TEXT_LINES = 270  # rows of the frame in which text is sought
_STROKES, _QUIET = 6, 3  # strokes in each row of a line of text; and at most in those around it


class Bars(NamedTuple):
    """Numbers of black rows and columns at each side."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """Return the picture between them."""
        height, width = pixels.shape[:2]
        return pixels[self.top : height - self.bottom, self.left : width - self.right]

    def common(self, other: Bars) -> Bars:
        """Return the bars that two frames share."""
        return Bars(*map(min, self, other))

    def is_close(self, other: Bars) -> bool:
        """Return True if two frames may have the same bars, measured on different pictures."""
        pairs = zip(self, other, strict=True)
        return any(self) == any(other) and max(abs(one - two) for one, two in pairs) <= _BAR_JITTER


def bars(pixels: np.ndarray) -> Bars:
    """Find black bars above and below a picture or beside it, with the rows that blend into it.

    Args:
        pixels: uint8 (H, W, 3), full range.
    """
    bright = pixels.max(axis=2) > _BAR_LEVEL
    rows = bright.mean(axis=1) > _BRIGHT_SHARE
    columns = bright[rows].mean(axis=0) > _BRIGHT_SHARE if rows.any() else rows
    if not columns.any():
        return Bars()
    return Bars(*_pair_of_bars(rows), *_pair_of_bars(columns))


def _pair_of_bars(shown: np.ndarray) -> tuple[int, int]:
    first, last = int(shown.argmax()), int(shown[::-1].argmax())
    if not first or not last or abs(first - last) > _BAR_SKEW * len(shown):
        return 0, 0
    return first + _BAR_EDGE, last + _BAR_EDGE


def fault(pixels: np.ndarray, around: Bars) -> str:
    """Find a frame's fault: ``black``, ``flat``, ``blurred`` or ``text``; empty if it has none.

    Args:
        pixels: uint8 (H, W, 3), with the bars.
        around: the bars.
    """
    inside = around.cut(pixels)
    if inside.size < LEAST_PICTURE * pixels.size:
        return "black"
    grey = cv2.cvtColor(np.ascontiguousarray(inside), cv2.COLOR_RGB2GRAY)
    if (grey >= BLACK_LEVEL).mean() < _BRIGHT_SHARE:
        return "black"
    if flat_share(grey) > FLAT_SHARE:
        return "flat"
    if blur(grey) > BLURRED:
        return "blurred"
    return "text" if text_lines(grey) else ""


def sharpness(grey: np.ndarray) -> float:
    """Energy of the finest detail: it tells which of several similar frames is the sharpest."""
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def flat_share(grey: np.ndarray) -> float:
    """Return the share of 8×8 blocks without texture.

    Args:
        grey: uint8 (H, W), at least 8 × 8.
    """
    mean = cv2.blur(grey.astype(np.float32), (8, 8), anchor=(0, 0))
    square = cv2.blur(grey.astype(np.float32) ** 2, (8, 8), anchor=(0, 0))
    height, width = grey.shape
    variance = (square - mean**2)[: height - 7 : 8, : width - 7 : 8]
    return float((variance < FLAT_DEVIATION**2).mean())


def blur(grey: np.ndarray) -> float:
    """No-reference blur of Crété-Roffet et al. 2007, in [0, 1]: how little blurring changes.

    scikit-image's ``blur_effect`` is the same at a tenth of the speed.

    Args:
        grey: uint8 (H, W), larger than 11 × 11.
    """
    image = grey.astype(np.float32)
    worst = 0.0
    for size, kernel in (((11, 1), (1, 0)), ((1, 11), (0, 1))):
        blurred = cv2.blur(image, size, borderType=cv2.BORDER_REFLECT)
        edges, left = (
            np.abs(cv2.Sobel(i, cv2.CV_32F, *kernel, borderType=cv2.BORDER_REFLECT))[2:-1, 2:-1]
            for i in (image, blurred)
        )
        total = float(edges.sum(dtype=np.float64))
        lost = float(np.maximum(edges - left, 0).sum(dtype=np.float64))
        worst = max(worst, 1 - lost / total if total else 1.0)
    return worst


def text_lines(grey: np.ndarray) -> int:
    """Count the lines of bright text in a frame, such as subtitles and titles.

    A line is a run of rows that each cross many strokes, between rows that cross hardly any.

    Args:
        grey: uint8 (H, W).
    """
    strokes = _strokes(grey)
    edges = np.flatnonzero(np.diff(strokes >= _STROKES, prepend=False, append=False))
    least, most = max(4, 0.012 * len(strokes)), 0.14 * len(strokes)
    return sum(
        least <= end - begin <= most and _stands_alone(strokes, begin, end)
        for begin, end in edges.reshape(-1, 2)
    )


def _strokes(grey: np.ndarray) -> np.ndarray:
    """For each row, how often it steps between a bright letter and something much darker."""
    height, width = grey.shape
    scale = min(1.0, _TEXT_LINES / height)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.int16)
    before, after = small[:, :-3], small[:, 3:]
    steps = np.abs(after - before) > _LETTER_CONTRAST
    steps &= np.maximum(before, after) > _LETTER_LEVEL
    begun: np.ndarray = steps[:, 1:] & ~steps[:, :-1]
    counts: np.ndarray = begun.sum(axis=1)
    return counts


def _stands_alone(strokes: np.ndarray, begin: int, end: int) -> bool:
    gap = max(2, (end - begin) // 3)
    around = [strokes[max(0, begin - 2 * gap) : max(0, begin - gap)], strokes[end + gap :][:gap]]
    return all(rows.size == 0 or rows.max() <= _QUIET for rows in around)
