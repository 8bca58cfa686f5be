"""Conversion of frames between 8 bit, as they are read and scored, and float32."""

from __future__ import annotations

import numpy as np


def as_float(frame: np.ndarray) -> np.ndarray:
    """Convert a uint8 frame with values in [0, 255] to float32 in [0, 1]; any shape.

    Examples:
        >>> as_float(np.array([0, 255], np.uint8)).tolist()
        [0.0, 1.0]
    """
    return frame * np.float32(1 / 255)


def quantise(output: np.ndarray) -> np.ndarray:
    """Clip an estimate to [0, 1] and round it to 8 bit, as it is scored; any shape.

    Args:
        output: float32, finite; it is not changed.

    Returns:
        uint8 in [0, 255], in the same shape.

    Examples:
        >>> quantise(np.array([-0.5, 0.5, 2.0], np.float32)).tolist()
        [0, 128, 255]
    """
    scaled = output * np.float32(255)
    np.clip(scaled, 0, 255, out=scaled)
    return np.rint(scaled, out=scaled).astype(np.uint8)
