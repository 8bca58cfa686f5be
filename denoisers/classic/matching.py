"""Block matching: for each block on a grid, the blocks nearby that are most like it.

The distance of two blocks is the sum of their squared differences, over all planes of a guide. For
one offset at a time, the distances of all blocks of a tile are a box filter of the squared
difference between the guide and its shifted self (Darbon et al. 2008): differences are taken once
for a tile, not once for a block.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from denoisebench.denoisers.classic.compiled import kernel

__all__ = ["block_grid", "match_blocks", "match_tile", "search_offsets"]

_TILE = 32


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


@kernel()
def match_tile(
    guide: np.ndarray,
    side: int,
    rows: np.ndarray,
    columns: np.ndarray,
    offsets: np.ndarray,
    distance: np.ndarray,
    found: np.ndarray,
) -> None:
    """Find the blocks most like each reference block of a tile; for use in kernels.

    A block is its own first match. Among equals the earlier offset comes first. Blocks that leave
    the frame, or whose distance is nan, do not count.

    Args:
        guide: float32 (P, H, W); the distance is summed over the P planes.
        side: of a block in pixels.
        rows: first rows of the tile's R reference blocks, ascending.
        columns: first columns of its S reference blocks, ascending.
        offsets: (N, 2), as `search_offsets` makes them; the first is (0, 0).
        distance: float32 (R, S, K), takes the distances, nearest first; inf where there are fewer
            than K blocks.
        found: int32 (R, S, K), takes the matches as indices of ``offsets``; -1 where there is none.
    """
    height, width = guide.shape[1:]
    distance[:] = np.inf
    found[:] = -1
    distance[:, :, 0] = 0
    found[:, :, 0] = 0
    tall = rows[-1] - rows[0] + side
    wide = columns[-1] - columns[0] + side
    sums = np.empty((tall + 1, wide), np.float32)  # of the squares above, column by column
    scratch = np.empty((side, wide), np.float32)
    for o in range(1, len(offsets)):
        dy, dx = offsets[o]
        r0, r1 = _inside(rows, dy, height - side)
        c0, c1 = _inside(columns, dx, width - side)
        if r0 == r1 or c0 == c1:
            continue
        top, left = rows[r0], columns[c0]
        n = columns[c1 - 1] + side - left
        _column_sums(guide, top, left, rows[r1 - 1] + side - top, n, dy, dx, sums)
        for r in range(r0, r1):
            above, below = sums[rows[r] - top], sums[rows[r] - top + side]
            box = _box_sums(above, below, n, side, scratch)
            for c in range(c0, c1):
                d = box[columns[c] - left]
                if d < distance[r, c, -1]:
                    _insert(distance[r, c], found[r, c], d, o)


@kernel()
def _inside(first: np.ndarray, offset: int, last: int) -> tuple[int, int]:
    """Range of the reference blocks whose partner at an offset lies inside the frame."""
    start, stop = 0, len(first)
    while start < stop and first[start] + offset < 0:
        start += 1
    while start < stop and first[stop - 1] + offset > last:
        stop -= 1
    return start, stop


@kernel()
def _column_sums(
    guide: np.ndarray,
    top: int,
    left: int,
    tall: int,
    wide: int,
    dy: int,
    dx: int,
    sums: np.ndarray,
) -> None:
    """Add up, down each column, the squared differences to the pixels at an offset."""
    for x in range(wide):
        sums[0, x] = 0
    for i in range(tall):
        above, here = sums[i], sums[i + 1]
        for p in range(len(guide)):
            a = guide[p, top + i, left : left + wide]
            b = guide[p, top + i + dy, left + dx : left + dx + wide]
            if p == 0:
                for x in range(wide):
                    here[x] = above[x] + (a[x] - b[x]) ** 2
            else:
                for x in range(wide):
                    here[x] += (a[x] - b[x]) ** 2


@kernel()
def _box_sums(
    above: np.ndarray, below: np.ndarray, n: int, side: int, scratch: np.ndarray
) -> np.ndarray:
    """Add up ``side`` neighbours of ``below - above``; the sums are a row of ``scratch``.

    Row l of the scratch gets the sums of 2^l neighbours: each row from the one before.
    """
    first = scratch[0]
    for x in range(n):
        first[x] = below[x] - above[x]
    level, width = 0, 1
    while 2 * width <= side:
        narrow, wide = scratch[level], scratch[level + 1]
        ahead = narrow[width:]
        for x in range(n - 2 * width + 1):
            wide[x] = narrow[x] + ahead[x]
        level, width = level + 1, 2 * width
    box: np.ndarray = scratch[level]
    for lower in range(level):  # the binary digits of other sides than 2, 4, 8
        if side >> lower & 1:
            ahead = scratch[lower, width:]
            width += 1 << lower
            for x in range(n - width + 1):
                box[x] += ahead[x]
    return box


@kernel()
def _insert(distance: np.ndarray, found: np.ndarray, d: float, o: int) -> None:
    """Put a match into a sorted list, behind its equals; the last one drops out."""
    k = len(distance) - 1
    while k > 0 and distance[k - 1] > d:
        distance[k] = distance[k - 1]
        found[k] = found[k - 1]
        k -= 1
    distance[k] = d
    found[k] = o


@kernel(parallel=True)
def _match_all(
    guide: np.ndarray,
    side: int,
    rows: np.ndarray,
    columns: np.ndarray,
    offsets: np.ndarray,
    distance: np.ndarray,
    found: np.ndarray,
) -> None:
    across = (len(columns) + _TILE - 1) // _TILE
    down = (len(rows) + _TILE - 1) // _TILE
    for tile in prange(down * across):
        r, c = tile // across * _TILE, tile % across * _TILE
        match_tile(
            guide,
            side,
            rows[r : r + _TILE],
            columns[c : c + _TILE],
            offsets,
            distance[r : r + _TILE, c : c + _TILE],
            found[r : r + _TILE, c : c + _TILE],
        )


def match_blocks(
    guide: np.ndarray, side: int, step: int, radius: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Match the blocks of a whole frame; a method that needs little memory takes tiles instead.

    Args:
        guide: float32 (P, H, W); H and W at least ``side``.
        side: of a block in pixels.
        step: of the grid of reference blocks in pixels.
        radius: farthest offset searched along an axis in pixels.
        count: K, the number of matches wanted.

    Returns:
        Squared distances, float32 (R, S, K), and the matches as indices of
        ``search_offsets(radius)``, int32 (R, S, K); see `match_tile`.

    Examples:
        >>> import numpy as np
        >>> stripes = np.tile(np.float32([0, 1, 2]), (1, 9, 3))
        >>> distance, found = match_blocks(stripes, side=3, step=3, radius=3, count=2)
        >>> float(distance.max()), search_offsets(3)[found[1, 1, 1]].tolist()
        (0.0, [-1, 0])
    """
    rows, columns = (block_grid(size, side, step) for size in guide.shape[1:])
    shape = (len(rows), len(columns), count)
    distance, found = np.empty(shape, np.float32), np.empty(shape, np.int32)
    offsets = search_offsets(radius)
    _match_all(np.ascontiguousarray(guide), side, rows, columns, offsets, distance, found)
    return distance, found
