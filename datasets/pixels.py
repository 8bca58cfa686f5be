"""Make a frame of an image's samples: uint8 and upright; the notes that say what this changed."""

from __future__ import annotations

import numpy as np

MOST_BITS = 16  # of a sample; deeper ones do not occur in photographs
DEPTHS = "8- or 16-bit grey or RGB"

ALPHA = "an alpha channel, which is dropped"
FURTHER = "channels beside grey or RGB, which are dropped"
PAGES = "several pictures, of which the first is used"


class ImageError(ValueError):
    """A file cannot be a frame; the message says why, in a few words that follow its name."""


def rounded(bits: int) -> str:
    """Return the note that samples of more than 8 bits are rounded.

    Examples:
        >>> rounded(12)
        '12 bits a channel, rounded to 8: frames are 8-bit, as they are scored'
    """
    return f"{bits} bits a channel, rounded to 8: frames are 8-bit, as they are scored"


DEEP = rounded(16)


def to_8_bit(samples: np.ndarray, bits: int) -> np.ndarray:
    """Scale samples so that the largest value becomes 255, each to the nearest integer.

    Args:
        samples: unsigned integers of any shape.
        bits: of a sample, 1 to 16; its largest value is ``2**bits - 1``.

    Returns:
        uint8 of the same shape.

    Examples:
        >>> import numpy as np
        >>> to_8_bit(np.array([0, 2048, 4095]), bits=12)
        array([  0, 128, 255], dtype=uint8)
    """
    if bits == 8:
        return samples.astype(np.uint8, copy=False)
    white = (1 << bits) - 1
    return ((samples.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn an image as the tag Orientation of EXIF and TIFF tells; an unknown value does nothing.

    Args:
        pixels: (H, W, C) as stored.
        orientation: 1 to 8; 1 is upright.

    Returns:
        The same pixels in C order, (W, H, C) for 5 to 8.

    Examples:
        >>> import numpy as np
        >>> upright(np.arange(6).reshape(2, 3, 1), 6)[..., 0]
        array([[3, 0],
               [4, 1],
               [5, 2]])
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
