"""The opponent colour space, in which an RGB frame's channels are nearly uncorrelated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

# Luminance, red–blue, green–magenta. The rows are orthonormal, so that white noise stays white,
# and of the same sigma, in every channel.
BASIS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float32)
BASIS /= np.linalg.norm(BASIS, axis=1, keepdims=True)


def in_opponent_space(frame: np.ndarray, process: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Process a frame (H, W, C) in the opponent space if it has colours, as it is if it is grey."""
    if frame.shape[2] != 3:
        return process(frame)
    processed: np.ndarray = process(frame @ BASIS.T) @ BASIS
    return processed
