"""Transforms of groups of 8 × 8 blocks: kernels that apply a matrix to many blocks.

A group of K blocks lies in memory in one of two ways, both flat: block after block, (K, 64), for
what runs along the group; or coefficient after coefficient, (64, `LANES`), for what runs within
the blocks. In either, the inner loop is over neighbours in memory and of constant length: so the
compiler makes vector instructions of it.
"""

from __future__ import annotations

import numpy as np

from denoisebench.denoisers.classic.block_transforms import AREA, SIDE
from denoisebench.denoisers.classic.compiled import kernel

__all__ = [
    "LANES",
    "from_lanes",
    "haar",
    "inverse_haar",
    "to_lanes",
    "transform_blocks",
]

LANES = 16
"""Blocks that are transformed side by side."""

_HALF = np.float32(np.sqrt(0.5))


@kernel()
def haar(group: np.ndarray, count: int) -> None:
    """Apply the orthonormal Haar transform along a group, in place.

    The mean comes to place 0; the difference of blocks g … g + s - 1 and the next s to place g + s.

    Args:
        group: float32 (K · 64), block after block.
        count: of blocks; a power of two.
    """
    step = 1
    while step < count:
        for k in range(0, count, 2 * step):
            _rotate(group[k * AREA :], group[(k + step) * AREA :])
        step *= 2


@kernel()
def inverse_haar(group: np.ndarray, count: int) -> None:
    """Undo `haar`."""
    step = count // 2
    while step:
        for k in range(0, count, 2 * step):
            _rotate(group[k * AREA :], group[(k + step) * AREA :])
        step //= 2


@kernel()
def _rotate(a: np.ndarray, b: np.ndarray) -> None:
    """Replace two blocks by their sum and difference, each over √2."""
    for x in range(AREA):
        total, difference = a[x] + b[x], a[x] - b[x]
        a[x] = total * _HALF
        b[x] = difference * _HALF


@kernel()
def to_lanes(group: np.ndarray, lanes: np.ndarray) -> None:
    """Transpose blocks (LANES, 64) into lanes (64, LANES); both flat."""
    for k in range(LANES):
        for x in range(AREA):
            lanes[x * LANES + k] = group[k * AREA + x]


@kernel()
def from_lanes(lanes: np.ndarray, group: np.ndarray) -> None:
    """Transpose lanes (64, LANES) into blocks (LANES, 64); both flat."""
    for k in range(LANES):
        for x in range(AREA):
            group[k * AREA + x] = lanes[x * LANES + k]


@kernel()
def transform_blocks(lanes: np.ndarray, matrix: np.ndarray, scratch: np.ndarray) -> None:
    """Replace each block B by M B Mᵀ.

    Args:
        lanes: float32 (64 · LANES), coefficient after coefficient.
        matrix: float32 (64), the rows of M.
        scratch: as large as ``lanes``.
    """
    _transform_columns(lanes, matrix, scratch)
    _transform_columns(scratch, matrix, lanes)


@kernel()
def _transform_columns(source: np.ndarray, m: np.ndarray, target: np.ndarray) -> None:
    """Multiply each block by the matrix and transpose it: twice, and both axes are done."""
    row = SIDE * LANES
    for j in range(SIDE):
        for k in range(LANES):
            p = j * LANES + k
            a, b, c, d = source[p], source[p + row], source[p + 2 * row], source[p + 3 * row]
            p += 4 * row
            e, f, g, h = source[p], source[p + row], source[p + 2 * row], source[p + 3 * row]
            for i in range(SIDE):
                q = i * SIDE
                low = m[q] * a + m[q + 1] * b + m[q + 2] * c + m[q + 3] * d
                high = m[q + 4] * e + m[q + 5] * f + m[q + 6] * g + m[q + 7] * h
                target[j * row + i * LANES + k] = low + high
