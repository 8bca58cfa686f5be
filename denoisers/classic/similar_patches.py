"""Similar patches of one reference patch: search, gather, and put estimates back.

For methods that visit few reference patches, each with a window of its own. Methods that visit all
patches of a grid share the work between them: see `matching`.
"""

from __future__ import annotations

import numpy as np

from denoisebench.denoisers.classic.compiled import kernel

__all__ = ["add_patches", "find_similar", "gather_patches"]

_INFINITY = 0x7F800000  # as the bits of a float32; those of nan are above


@kernel()
def find_similar(
    guide: np.ndarray,
    size: int,
    y: int,
    x: int,
    radius: int,
    count: int,
    reach: float,
    distance: np.ndarray,
    found: np.ndarray,
) -> int:
    """Find the patches of a window that are most like its central one; for use in kernels.

    Args:
        guide: float32 (P, H, W); a distance is the sum of squared differences over all P planes.
        size: side of a patch in pixels.
        y: first row of the central patch.
        x: its first column.
        radius: farthest offset along an axis in pixels; the window ends where the frame does.
        count: number of patches wanted, if the window has so many.
        reach: all patches of at most this distance are taken, too.
        distance: scratch, float32, as long as the window has patches.
        found: int64 (N, 2), takes first rows and columns: of the central patch, then of the others,
            row by row. If there are more than N, the last are left out.

    Returns:
        The number of patches found.
    """
    top, bottom = max(y - radius, 0), min(y + radius, guide.shape[1] - size) + 1
    left, right = max(x - radius, 0), min(x + radius, guide.shape[2] - size) + 1
    across = right - left
    distances = distance[: (bottom - top) * across]
    for v in range(top, bottom):
        row = distances[(v - top) * across : (v - top + 1) * across]
        _distances(guide, size, y, x, v, left, row)
    limit = max(_smallest(distances, count), np.float32(reach))
    found[0, 0], found[0, 1] = y, x
    n = 1
    for v in range(top, bottom):
        row = distances[(v - top) * across : (v - top + 1) * across]
        for u in range(left, right):
            if row[u - left] <= limit and n < len(found) and not (v == y and u == x):
                found[n, 0], found[n, 1] = v, u
                n += 1
    return n


@kernel()
def _distances(
    guide: np.ndarray, size: int, y: int, x: int, v: int, left: int, out: np.ndarray
) -> None:
    """Compare the patch at (y, x) with those of row v, from column ``left`` on."""
    out[:] = 0
    for p in range(len(guide)):
        for i in range(size):
            for j in range(size):
                here = guide[p, y + i, x + j]
                there = guide[p, v + i, left + j : left + j + len(out)]
                for u in range(len(out)):
                    out[u] += (there[u] - here) ** 2


@kernel()
def _smallest(values: np.ndarray, count: int) -> float:
    """Return the value of rank ``count``, or infinity if fewer are finite.

    A bisection on the bits: those of floats that are not negative are ordered as the floats are.
    """
    bits = values.view(np.int32)
    low, high = np.int32(0), np.int32(_INFINITY)
    while low < high:
        middle = low + (high - low) // np.int32(2)
        below = np.int32(0)
        for i in range(len(bits)):
            below += np.int32((bits[i] & np.int32(0x7FFFFFFF)) <= middle)
        if below >= count:
            high = middle
        else:
            low = middle + np.int32(1)
    result = np.empty(1, np.int32)
    result[0] = low
    return result.view(np.float32)[0]


@kernel()
def gather_patches(planes: np.ndarray, size: int, found: np.ndarray, out: np.ndarray) -> None:
    """Copy patches into the rows of a matrix; for use in kernels.

    Args:
        planes: float32 (P, H, W).
        size: side of a patch in pixels.
        found: first rows and columns of the patches, (n, 2) or longer.
        out: float32 (n, P · size²), takes the patches, plane by plane and row by row.
    """
    for q in range(len(out)):
        y, x, k = found[q, 0], found[q, 1], 0
        for p in range(len(planes)):
            for i in range(size):
                for j in range(size):
                    out[q, k] = planes[p, y + i, x + j]
                    k += 1


@kernel()
def add_patches(
    patches: np.ndarray, mean: np.ndarray, size: int, found: np.ndarray, planes: np.ndarray
) -> None:
    """Add patches, and a mean to each, to the pixels they were taken from: see `gather_patches`."""
    for q in range(len(patches)):
        y, x, k = found[q, 0], found[q, 1], 0
        for p in range(len(planes)):
            for i in range(size):
                for j in range(size):
                    planes[p, y + i, x + j] += patches[q, k] + mean[k]
                    k += 1
