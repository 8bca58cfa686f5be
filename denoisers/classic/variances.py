"""Exact variances of the noise in the coefficients of a group of blocks.

Blocks of a group overlap, so that their noise is correlated, even where that of the frame is
white; and more where it is not. Mäkinen, Azzari & Foi, "Collaborative filtering of correlated
noise: exact transform-domain variance for improved shrinkage and patch matching", IEEE TIP 2020.
"""

from __future__ import annotations

import numpy as np

from denoisebench.denoisers.classic.block_transforms import AREA
from denoisebench.denoisers.classic.compiled import kernel

__all__ = ["haar_variances"]


@kernel()
def haar_variances(
    places: np.ndarray, count: int, covariance: np.ndarray, variance: np.ndarray
) -> None:
    """Compute the variances of a group's coefficients after `haar`.

    The covariance of two sums of blocks is the sum over all pairs of blocks. From the variances A
    and B of two halves of a group and their covariance C follow those of its sum, A + B + 2 C, and
    difference, A + B - 2 C.

    Args:
        places: int64 (K, 2), rows and columns of the blocks.
        count: of blocks; a power of two.
        covariance: as `block_covariance` makes it.
        variance: float32 (K, 64), takes the result, in the order of `haar`.
    """
    reach = len(covariance) // 2
    between = np.empty(AREA, np.float32)
    alone = covariance[reach, reach]
    for k in range(count):
        for u in range(AREA):
            variance[k, u] = alone[u]
    size = 1
    while size < count:
        for first in range(0, count, 2 * size):
            middle = first + size
            _covariance_between(places, first, middle, size, covariance, between)
            a, b = variance[first], variance[middle]
            share = np.float32(1 / (2 * size))
            for u in range(AREA):
                both, crossed = a[u] + b[u], 2 * between[u]
                a[u] = both + crossed
                b[u] = (both - crossed) * share
        size *= 2
    for u in range(AREA):
        variance[0, u] /= np.float32(count)


@kernel()
def _covariance_between(
    places: np.ndarray, a: int, b: int, size: int, covariance: np.ndarray, between: np.ndarray
) -> None:
    """Add up the covariances of all pairs of a block from ``a`` on and one from ``b`` on."""
    reach = len(covariance) // 2
    between[:] = 0
    for i in range(a, a + size):
        y, x = places[i, 0] - reach, places[i, 1] - reach
        for j in range(b, b + size):
            dy, dx = places[j, 0] - y, places[j, 1] - x
            # One branch, not four: it is hard to predict.
            if (dy >= 0) & (dy <= 2 * reach) & (dx >= 0) & (dx <= 2 * reach):
                pair = covariance[dy, dx]
                for u in range(AREA):
                    between[u] += pair[u]
