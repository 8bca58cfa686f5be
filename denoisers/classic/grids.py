"""Grid of the blocks of a frame, and offsets of the blocks that are compared with each."""

from __future__ import annotations

import numpy as np

__all__ = ["block_grid", "search_offsets"]


def block_grid(size: int, side: int, step: int) -> np.ndarray:
    """Return the first pixels of blocks along an axis: every ``step``, and the last that fits.

    Args:
        size: of the axis in pixels, at least ``side``.
        side: of a block in pixels.
        step: from a block to the next in pixels.

    Returns:
        int64, ascending; with a step of at most ``side``, the blocks cover the axis.

    Examples:
        >>> block_grid(20, 8, 5).tolist()
        [0, 5, 10, 12]
    """
    last = size - side
    return np.append(np.arange(0, last, step, dtype=np.int64), last)


def search_offsets(radius: int) -> np.ndarray:
    """Return the offsets of a square window, (N, 2) int64 of (dy, dx), from the centre outwards.

    Args:
        radius: largest offset along an axis in pixels.

    Examples:
        >>> search_offsets(1).tolist()[:3]
        [[0, 0], [-1, 0], [0, -1]]
    """
    reach = np.arange(-radius, radius + 1)
    dy, dx = (axis.ravel() for axis in np.meshgrid(reach, reach, indexing="ij"))
    order = np.lexsort((dx, dy, dy**2 + dx**2))
    return np.stack([dy[order], dx[order]], axis=1)
