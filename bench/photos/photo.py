"""A photograph at full size and depth, as it is stored: not turned, not rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.datasets.pixels import to_8_bit, upright

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Photo:
    """Photograph, with all that is needed to write another one in its place.

    Attributes:
        samples: uint8 or uint16 (H, W, C), C = 3 (RGB) or 1 (grey), as stored: not turned upright,
            and without alpha.
        orientation: how to turn it, as EXIF's tag says; the file keeps the tag.
        encode: makes a file of other samples of the same shape and depth, with alpha, profile and
            all that the file says of itself as they were.
        notes: what the file loses.

    Examples:
        >>> photo = Photo(np.full((4, 6, 1), 65535, np.uint16), 1, encode=bytes)
        >>> photo.kind, float(photo.floats().max())
        ('6×4 grey, 16 bit', 1.0)
        >>> photo.rounded(np.full((4, 6, 1), 0.5, np.float32))[0, 0, 0]
        np.uint16(32768)
    """

    samples: np.ndarray
    orientation: int
    encode: Callable[[np.ndarray], bytes]
    notes: tuple[str, ...] = ()

    @property
    def white(self) -> int:
        """The largest value of a sample."""
        return int(np.iinfo(self.samples.dtype).max)

    @property
    def kind(self) -> str:
        """Size, colour and depth in words."""
        height, width, channels = self.samples.shape
        colour = "RGB" if channels == 3 else "grey"
        return f"{width}×{height} {colour}, {8 * self.samples.dtype.itemsize} bit"

    def floats(self, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """Return a part of it as float32 (H, W, C) in [0, 1]."""
        return self.samples[rows, columns].astype(np.float32) / np.float32(self.white)

    def rounded(self, estimate: np.ndarray) -> np.ndarray:
        """Round an estimate on the [0, 1] scale to samples of the photograph's depth."""
        scaled = np.clip(estimate, 0, 1) * np.float32(self.white)
        samples: np.ndarray = np.floor(scaled + np.float32(0.5)).astype(self.samples.dtype)
        return samples

    def shown(self, samples: np.ndarray) -> np.ndarray:
        """Return samples of its depth as a screen shows them: uint8 (H, W, 3), upright."""
        pixels = upright(to_8_bit(samples, 8 * samples.dtype.itemsize), self.orientation)
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3))
