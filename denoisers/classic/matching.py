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
from denoisebench.denoisers.classic.grids import block_grid, search_offsets

__all__ = ["match_blocks", "match_tile"]

_TILE = 32

# Pixels: a loop over a multiple of it leaves no rest, which would take as long.
_VECTOR = 16

# A match is an integer of 64 bits: those of its distance above its offset's index, so that integers
# sort as the pairs do. This one is behind all: an infinite distance, and -1 for an index.
_NO_MATCH = (np.int64(np.float32(np.inf).view(np.int32)) << 32) | 0xFFFFFFFF


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
    matches = np.full(distance.shape, _NO_MATCH)
    matches[:, :, 0] = 0
    distances, indices = matches.view(np.float32)[:, :, 1::2], matches.view(np.int32)[:, :, ::2]
    worst = distances[:, :, -1].copy()
    top, left = rows[0], columns[0]
    tall = rows[-1] - top + side
    wide = -(-(columns[-1] - left + side) // _VECTOR) * _VECTOR
    reach = np.abs(offsets).max()
    area = _surroundings(guide, top - reach, left - reach, tall + 2 * reach, wide + 2 * reach)
    sums = np.empty((tall + 1, wide), np.float32)  # of the squares above, column by column
    scratch = np.empty((side, len(rows) * wide), np.float32)
    for o in range(1, len(offsets)):
        dy, dx = offsets[o]
        r0, r1 = _inside(rows, dy, height - side)
        c0, c1 = _inside(columns, dx, width - side)
        if r0 == r1 or c0 == c1:
            continue
        _column_sums(area, rows[r0] - top, rows[r1 - 1] + side - top, reach, dy, dx, sums)
        box = _box_sums(sums, rows[r0:r1] - top, side, scratch)
        for r in range(r0, r1):
            line = box[(r - r0) * wide :]
            for c in range(c0, c1):
                d = line[columns[c] - left]
                if d < worst[r, c]:
                    _insert(matches[r, c], d, o)
                    worst[r, c] = distances[r, c, -1]
    distance[:] = distances
    found[:] = indices


@kernel()
def _surroundings(guide: np.ndarray, top: int, left: int, tall: int, wide: int) -> np.ndarray:
    """Copy a part of the guide, (P, tall, wide); 0 outside the frame."""
    planes, height, width = guide.shape
    area = np.zeros((planes, tall, wide), np.float32)
    x0, x1 = max(0, -left), min(wide, width - left)
    for p in range(planes):
        for y in range(max(0, -top), min(tall, height - top)):
            for x in range(x0, x1):
                area[p, y, x] = guide[p, top + y, left + x]
    return area


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
    area: np.ndarray, first: int, last: int, reach: int, dy: int, dx: int, sums: np.ndarray
) -> None:
    """Add up, down each column, the squared differences to the pixels at an offset."""
    wide = sums.shape[1]
    sums[first] = 0
    for i in range(first, last):
        above, here = sums[i], sums[i + 1]
        for p in range(len(area)):
            a, b = area[p, reach + i, reach:], area[p, reach + i + dy, reach + dx :]
            if p == 0:
                for x in range(wide):
                    here[x] = above[x] + (a[x] - b[x]) ** 2
            else:
                for x in range(wide):
                    here[x] += (a[x] - b[x]) ** 2


@kernel()
def _box_sums(sums: np.ndarray, rows: np.ndarray, side: int, scratch: np.ndarray) -> np.ndarray:
    """Sum the squared differences over blocks; the sums are a row of ``scratch``, line by line.

    Row l of the scratch gets the sums of 2^l neighbours: each row from the one before. All lines
    of the tile are one: sums across the end of a line mean nothing, and nobody reads them.
    """
    wide = sums.shape[1]
    for r in range(len(rows)):
        above, below, line = sums[rows[r]], sums[rows[r] + side], scratch[0, r * wide :]
        for x in range(wide):
            line[x] = below[x] - above[x]
    n = len(rows) * wide
    level, width = 0, 1
    while 2 * width <= side:
        narrow, broad = scratch[level], scratch[level + 1]
        ahead = narrow[width:]
        for x in range(n - width):
            broad[x] = narrow[x] + ahead[x]
        level, width = level + 1, 2 * width
    box: np.ndarray = scratch[level]
    for lower in range(level):  # the binary digits of other sides than 2, 4, 8
        if side >> lower & 1:
            ahead = scratch[lower, width:]
            for x in range(n - width):
                box[x] += ahead[x]
            width += 1 << lower
    return box


@kernel()
def _insert(matches: np.ndarray, d: float, o: int) -> None:
    """Put a match into a sorted list, behind its equals; the last one drops out.

    Each place takes the second of three: its match, the one before it and the new one. Without
    branches, that is a few vector instructions.
    """
    new = (np.int64(np.float32(max(d, 0)).view(np.int32)) << 32) | o  # rounding may give d < 0
    for k in range(len(matches) - 1, 0, -1):
        matches[k] = min(matches[k], max(matches[k - 1], new))


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
