"""Conversion of frames between 8 bit, as they are read and scored, and float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


_BAND = 256
"""Rows that are converted at once: large frames need no memory for all that comes in between."""


def as_float(frame: np.ndarray) -> np.ndarray:
    """Convert a uint8 frame with values in [0, 255] to float32 in [0, 1]; any shape.

    Examples:
        >>> as_float(np.array([0, 255], np.uint8)).tolist()
        [0.0, 1.0]
    """
    return frame * np.float32(1 / 255)


def quantise(output: np.ndarray) -> np.ndarray:
    """Clip an estimate to [0, 1] and round it to 8 bit, as it is scored.

    Args:
        output: float32, finite, (N, …); it is not changed.

    Returns:
        uint8 in [0, 255], in the same shape.

    Examples:
        >>> quantise(np.array([-0.5, 0.5, 2.0], np.float32)).tolist()
        [0, 128, 255]
    """
    rounded = np.empty(output.shape, np.uint8)
    for rows in _bands(output):
        scaled = output[rows] * np.float32(255)
        np.clip(scaled, 0, 255, out=scaled)
        rounded[rows] = np.rint(scaled, out=scaled)
    return rounded


def add_frame(frame: np.ndarray, out: np.ndarray) -> None:
    """Add a frame as `as_float` converts it.

    Args:
        frame: uint8 (N, …).
        out: float32, of the same shape, to which it is added.

    Examples:
        >>> total = np.ones(2, np.float32)
        >>> add_frame(np.array([0, 255], np.uint8), total)
        >>> total.tolist()
        [1.0, 2.0]
    """
    for rows in _bands(frame):
        out[rows] += as_float(frame[rows])


def is_finite(output: np.ndarray) -> bool:
    """Return True if an estimate, (N, …), has finite values alone.

    Examples:
        >>> is_finite(np.array([0.5, np.inf], np.float32))
        False
    """
    return all(bool(np.isfinite(output[rows]).all()) for rows in _bands(output))


def _bands(frame: np.ndarray) -> Iterator[slice]:
    """Yield the bands of a frame's rows."""
    return (slice(start, start + _BAND) for start in range(0, len(frame), _BAND))
