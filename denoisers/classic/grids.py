"""Grid of the blocks of a frame, tiles of it, and offsets of the blocks compared with each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Tiles", "block_grid", "cuts", "search_offsets", "tiles_in_turns"]


class Tiles(NamedTuple):
    """Tiles of a grid, by turns. Those of one turn are no neighbours, not even at their corners.

    Where each writes to its neighbours' pixels at most, the tiles of a turn can run at once: no two
    write to the same pixel, and each pixel's summands have the same order for any number of
    threads.

    Attributes:
        bounds: int64 (N, 4), of each tile the first row, the row behind the last, and likewise the
            columns; turn by turn.
        turns: int64 (5), turn t is that of the tiles turns[t] to turns[t + 1] - 1.
    """

    bounds: np.ndarray
    turns: np.ndarray


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


def tiles_in_turns(rows: np.ndarray, columns: np.ndarray) -> Tiles:
    """List tiles in four turns, of every other tile in both directions.

    Args:
        rows: bounds of the tiles' rows, ascending, from 0 to the number of rows.
        columns: bounds of their columns, likewise.

    Examples:
        >>> tiles_in_turns(np.array([0, 4, 8]), np.array([0, 5])).bounds.tolist()
        [[0, 4, 0, 5], [4, 8, 0, 5]]
    """
    bounds, turns = [], [0]
    for top, left in ((0, 0), (0, 1), (1, 0), (1, 1)):
        bounds += [
            (*rows[r : r + 2], *columns[c : c + 2])
            for r in range(top, len(rows) - 1, 2)
            for c in range(left, len(columns) - 1, 2)
        ]
        turns.append(len(bounds))
    return Tiles(np.array(bounds, np.int64).reshape(-1, 4), np.array(turns))


def cuts(count: int, size: int) -> np.ndarray:
    """Return the bounds of tiles of a size, of which the last has what is left.

    Examples:
        >>> cuts(7, 3).tolist()
        [0, 3, 6, 7]
    """
    return np.append(np.arange(0, count, size, dtype=np.int64), count)
