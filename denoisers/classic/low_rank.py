"""Groups of like patches as matrices of low rank: weighted nuclear norm minimisation.

Gu, Zhang, Zuo & Feng, "Weighted nuclear norm minimization with application to image denoising",
CVPR 2014; Gu, Xie, Meng, Zuo, Feng & Zhang, IJCV 121, 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import prange

from denoisebench.denoisers.classic.compiled import kernel
from denoisebench.denoisers.classic.eigen import leading_eigenpairs
from denoisebench.denoisers.classic.grids import (
    Tiles,
    block_grid,
    cuts,
    search_offsets,
    tiles_in_turns,
)
from denoisebench.denoisers.classic.matching import match_tile

__all__ = ["WnnmSettings", "denoise_by_low_rank", "shrink_singular_values", "wnnm_bound"]

_FEWER = 10  # patches a group after each round of matching
_EVERY = 2  # passes between two rounds of matching
_LANES = 16  # rows of matrices are padded to a multiple of it, for `leading_eigenpairs`
_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)


@dataclass(frozen=True)
class WnnmSettings:
    """Parameters for a noise level.

    Attributes:
        side: of a patch in pixels.
        patches: in a group, to begin with.
        passes: over the frame.
        remaining: factor of the standard deviation of the noise that passes leave (lambda).
        step: from a group to the next in pixels.
        radius: farthest patch searched along an axis in pixels.
        feedback: share of the noisy frame's difference that returns before a pass (delta).
        weight: c of the weights c sqrt(n) sigma² / singular value.
    """

    side: int
    patches: int
    passes: int
    remaining: float
    step: int
    radius: int
    feedback: float
    weight: float


def denoise_by_low_rank(planes: np.ndarray, sigma: float, settings: WnnmSettings) -> np.ndarray:
    """Denoise a frame by passes of matching patches, shrinking each group, and averaging.

    Before each pass a share of the difference to the noisy frame is fed back. The noise left in a
    patch is a share of what the patch has changed less than noise of this sigma would change it::

        sigma_left = remaining sqrt(|sigma² - mean of squared differences in the patch|)

    Args:
        planes: float32 (C, H, W); patches are matched in the first, and shrunk in each.
        sigma: standard deviation of the noise, above 0.
        settings: the parameters.
    """
    from threadpoolctl import threadpool_limits

    one = settings
    offsets = search_offsets(one.radius)
    rows, columns = (block_grid(size, one.side, one.step) for size in planes.shape[1:])
    size = math.ceil((2 * one.radius + one.side) / one.step)
    tiles = tiles_in_turns(cuts(len(rows), size), cuts(len(columns), size))
    estimate, guide = planes.copy(), planes[:1].copy()
    total, covered = np.empty_like(planes), np.empty(planes.shape[1:], np.float32)
    with threadpool_limits(1, user_api="blas"):  # the kernel's threads call it, each for itself
        for number in range(one.passes):
            for plane, noisy in zip(estimate, planes, strict=True):
                plane += np.float32(one.feedback) * (noisy - plane)
            if number % _EVERY == 0:
                guide[:] = estimate[:1]
            count = max(one.patches - _FEWER * (number // _EVERY + 1), 1)
            total[:], covered[:] = 0, 0
            remaining = np.float32(0 if number == 0 else one.remaining)
            _pass(
                *(planes, estimate, guide, one.side, rows, columns, tiles, offsets, count),
                *(np.float32(sigma), remaining, np.float32(one.weight), total, covered),
            )
            np.divide(total, covered, out=estimate)
    return estimate


@kernel()
def wnnm_bound(sigma: float, count: int, weight: float) -> np.float32:
    """Return 4 C, the bound of the squared singular values that are kept; C = c sqrt(n) sigma².

    Args:
        sigma: standard deviation of the noise in the matrix.
        count: n, its number of patches.
        weight: c.

    Examples:
        >>> wnnm_bound(0.5, 4, 2.0)
        4.0
    """
    bound: np.float32 = np.float32(4) * weight * math.sqrt(np.float32(count)) * sigma * sigma
    return bound


@kernel(parallel=True)
def _pass(
    noisy: np.ndarray,
    estimate: np.ndarray,
    guide: np.ndarray,
    side: int,
    rows: np.ndarray,
    columns: np.ndarray,
    tiles: Tiles,
    offsets: np.ndarray,
    count: int,
    sigma: float,
    remaining: float,
    weight: float,
    total: np.ndarray,
    covered: np.ndarray,
) -> None:
    """Shrink the groups of all tiles, turn by turn."""
    for turn in range(4):
        for tile in prange(tiles.turns[turn], tiles.turns[turn + 1]):
            top, bottom, left, right = tiles.bounds[tile]
            _shrink_tile(
                noisy, estimate, guide, side, rows[top:bottom], columns[left:right], offsets,
                count, sigma, remaining, weight, total, covered
            )  # fmt: skip


@kernel()
def _shrink_tile(
    noisy: np.ndarray,
    estimate: np.ndarray,
    guide: np.ndarray,
    side: int,
    rows: np.ndarray,
    columns: np.ndarray,
    offsets: np.ndarray,
    count: int,
    sigma: float,
    remaining: float,
    weight: float,
    total: np.ndarray,
    covered: np.ndarray,
) -> None:
    shape = (len(rows), len(columns), count)
    distance, found = np.empty(shape, np.float32), np.empty(shape, np.int32)
    match_tile(guide, side, rows, columns, offsets, distance, found)
    size = side * side
    places = np.empty((count, 2), np.int64)
    mean = np.empty(size, np.float32)
    for r in range(len(rows)):
        for c in range(len(columns)):
            n = _place(rows[r], columns[c], offsets, found[r, c], places)
            # A patch is a column of the matrix, or a row: there are no more rows than columns.
            sides, next_pixel, next_patch = ((size, n), n, 1) if size <= n else ((n, size), 1, size)
            for p in range(len(noisy)):
                left = sigma
                if remaining > 0:
                    change = _change(noisy[p], estimate[p], side, rows[r], columns[c])
                    left = remaining * math.sqrt(abs(sigma * sigma - change))
                group = np.empty(size * n, np.float32)
                _gather(estimate[p], side, places[:n], next_pixel, next_patch, group, mean)
                group = shrink_singular_values(group.reshape(sides), wnnm_bound(left, n, weight))
                _add(group.reshape(-1), mean, side, places[:n], next_pixel, next_patch, total[p])
            _count(side, places[:n], covered)


@kernel()
def _place(
    row: int, column: int, offsets: np.ndarray, found: np.ndarray, places: np.ndarray
) -> int:
    """Write down the places of a group's patches; return their number."""
    n = 0
    while n < len(found) and found[n] >= 0:
        places[n, 0] = row + offsets[found[n], 0]
        places[n, 1] = column + offsets[found[n], 1]
        n += 1
    return n


@kernel()
def _change(
    noisy: np.ndarray, estimate: np.ndarray, side: int, row: int, column: int
) -> np.float32:
    """Return the mean squared difference of a patch."""
    square = _ZERO
    for y in range(row, row + side):
        for x in range(column, column + side):
            square += (noisy[y, x] - estimate[y, x]) ** 2
    return square / np.float32(side * side)


@kernel()
def _gather(
    plane: np.ndarray,
    side: int,
    places: np.ndarray,
    next_pixel: int,
    next_patch: int,
    group: np.ndarray,
    mean: np.ndarray,
) -> None:
    """Copy patches into a matrix, and take their mean patch away from each.

    A pixel and the next of its patch are ``next_pixel`` apart in the matrix, a pixel and the same
    one of the next patch ``next_patch``.
    """
    count = len(places)
    mean[:] = 0
    for n in range(count):
        top, left = places[n]
        for y in range(side):
            for x in range(side):
                i = y * side + x
                value = plane[top + y, left + x]
                group[i * next_pixel + n * next_patch] = value
                mean[i] += value
    for i in range(len(mean)):
        mean[i] /= np.float32(count)
    for n in range(count):
        for i in range(len(mean)):
            group[i * next_pixel + n * next_patch] -= mean[i]


@kernel()
def shrink_singular_values(matrix: np.ndarray, bound: float) -> np.ndarray:
    """Minimise a weighted nuclear norm: shrink the singular values of a matrix.

    With weights that are inverse to the singular values s of the solution, and 4 C the bound, the
    solution is (s + sqrt(s² - 4 C)) / 2 where s² > 4 C, and 0 elsewhere (Gu et al. 2017, Eq. 16).

    Args:
        matrix: float32 (R, S), R ≤ S.
        bound: 4 C.

    Returns:
        The solution; zeros if the matrix holds nans.
    """
    size = len(matrix)
    padded = np.zeros((size, (size + _LANES - 1) // _LANES * _LANES), np.float32)
    gram = np.dot(matrix, matrix.T)
    for y in range(size):  # an assignment of the whole would compile what composes its messages
        for x in range(size):
            padded[y, x] = gram[y, x]
    values, vectors = np.empty(size, np.float32), np.empty((size, size), np.float32)
    kept = leading_eigenpairs(padded, bound, values, vectors)
    products = np.dot(vectors[:kept], matrix)
    for k in range(kept):
        factor = _HALF * (_ONE + math.sqrt(_ONE - bound / values[k]))
        for x in range(products.shape[1]):
            products[k, x] *= factor
    solution: np.ndarray = np.dot(vectors[:kept].T, products)
    return solution


@kernel()
def _add(
    group: np.ndarray,
    mean: np.ndarray,
    side: int,
    places: np.ndarray,
    next_pixel: int,
    next_patch: int,
    total: np.ndarray,
) -> None:
    """Add the patches of a matrix, and the mean patch, to the frame."""
    for n in range(len(places)):
        top, left = places[n]
        for y in range(side):
            for x in range(side):
                i = y * side + x
                total[top + y, left + x] += mean[i] + group[i * next_pixel + n * next_patch]


@kernel()
def _count(side: int, places: np.ndarray, covered: np.ndarray) -> None:
    for n in range(len(places)):
        top, left = places[n]
        for y in range(side):
            for x in range(side):
                covered[top + y, left + x] += _ONE
