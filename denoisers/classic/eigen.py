"""Leading eigenvectors of small symmetric matrices, for use in kernels.

LAPACK finds all eigenvectors. Low-rank models want those few above a bound: here the matrix is
made tridiagonal by reflections, the eigenvalues are bisected sixteen at a time by Sturm's sequence,
and each eigenvector is found by inverse iteration (Golub & Van Loan, "Matrix computations", 8.3 and
8.4).
"""

from __future__ import annotations

import math

import numpy as np

from denoisebench.denoisers.classic.compiled import kernel

__all__ = ["leading_eigenpairs"]

_LANES = 16  # eigenvalues that are bisected together: a vector register's
_HALVINGS = 26  # of an interval, by which it is as short as float32 can tell
_SOLVES = 2  # of inverse iteration
_TINY = np.float32(1e-30)
_EPSILON = np.float32(2.0**-23)
_GOLDEN = np.float32(0.618034)
_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)


@kernel()
def leading_eigenpairs(
    matrix: np.ndarray, bound: float, values: np.ndarray, vectors: np.ndarray
) -> int:
    """Find the eigenvalues above a bound and their eigenvectors, the largest first.

    Args:
        matrix: float32 (N, P), P the next multiple of 16: symmetric in its first N columns, zero in
            the others; overwritten. If it holds nans, none is found.
        bound: the largest value that is left out.
        values: float32, room for N eigenvalues.
        vectors: float32, room for (N, N); the eigenvectors become its first rows.

    Returns:
        The number of eigenvalues found.
    """
    size = len(matrix)
    diagonal, beside = np.empty(size, np.float32), np.zeros(size, np.float32)
    scales = np.zeros(size, np.float32)
    _make_tridiagonal(matrix, diagonal, beside, scales)
    count: int = _bisect(diagonal, beside, bound, values)
    bands = np.empty((4, size), np.float32)
    swapped = np.empty(size, np.bool_)
    for found in range(count):
        _iterate_inversely(diagonal, beside, values[found], bands, swapped, vectors, found)
    for found in range(count):
        vector = vectors[found]
        for j in range(size - 3, -1, -1):
            v, tail = matrix[j, j + 1 : size], vector[j + 1 :]
            factor = scales[j] * _product(v, tail)
            for x in range(len(tail)):
                tail[x] -= factor * v[x]
    return count


@kernel()
def _product(a: np.ndarray, b: np.ndarray) -> np.float32:
    total = _ZERO
    for x in range(len(a)):
        total += a[x] * b[x]
    return total


@kernel()
def _make_tridiagonal(
    matrix: np.ndarray, diagonal: np.ndarray, beside: np.ndarray, scales: np.ndarray
) -> None:
    """Apply reflections 1 - scales[j] v vᵀ from both sides; row j of the matrix becomes its v.

    All is done by blocks of a row, whose length the compiler knows, from the one with column j + 1.
    """
    size, blocks = len(matrix), matrix.shape[1] // _LANES
    rows = matrix.reshape(size, blocks, _LANES)
    image = np.zeros((blocks, _LANES), np.float32)
    flat = image.reshape(-1)
    negligible = _TINY
    for j in range(size):
        negligible += _EPSILON * abs(matrix[j, j])
    for j in range(size - 2):
        diagonal[j] = matrix[j, j]
        matrix[j, : j + 1] = 0
        v, first = rows[j], (j + 1) // _LANES
        norm = math.sqrt(_product(matrix[j], matrix[j]))
        if not norm > negligible:
            continue
        beside[j] = -norm if matrix[j, j + 1] > 0 else norm
        matrix[j, j + 1] -= beside[j]
        scales[j] = -_ONE / (beside[j] * matrix[j, j + 1])
        image[first:] = 0
        for y in range(j + 1, size):
            row, weight = rows[y], scales[j] * matrix[j, y]
            for b in range(first, blocks):
                for lane in range(_LANES):
                    image[b, lane] += weight * row[b, lane]
        flat[first * _LANES : j + 1] = 0
        factor = _HALF * scales[j] * _product(flat, matrix[j])
        for b in range(first, blocks):
            for lane in range(_LANES):
                image[b, lane] -= factor * v[b, lane]
        for y in range(j + 1, size):
            row, here, there = rows[y], matrix[j, y], flat[y]
            for b in range(first, blocks):
                for lane in range(_LANES):
                    row[b, lane] -= here * image[b, lane] + there * v[b, lane]
    for j in range(max(0, size - 2), size):
        diagonal[j] = matrix[j, j]
    if size > 1:
        beside[size - 2] = matrix[size - 2, size - 1]


@kernel()
def _bisect(diagonal: np.ndarray, beside: np.ndarray, bound: float, values: np.ndarray) -> int:
    """Find the eigenvalues of a tridiagonal matrix above a bound, by Sturm's sequence."""
    low, high = np.full(_LANES, bound, np.float32), np.empty(_LANES, np.float32)
    middle, above = np.full(_LANES, bound, np.float32), np.empty(_LANES, np.int32)
    _count_above(diagonal, beside, middle, above)
    count: int = above[0]
    top = _ZERO  # no eigenvalue is larger (Gershgorin)
    for i in range(len(diagonal)):
        left = abs(beside[i - 1]) if i > 0 else _ZERO
        top = max(top, diagonal[i] + left + abs(beside[i]))
    for first in range(0, count, _LANES):
        low[:] = bound
        high[:] = top
        for _ in range(_HALVINGS):
            for lane in range(_LANES):
                middle[lane] = _HALF * (low[lane] + high[lane])
            _count_above(diagonal, beside, middle, above)
            for lane in range(_LANES):
                if above[lane] > first + lane:
                    low[lane] = middle[lane]
                else:
                    high[lane] = middle[lane]
        for lane in range(min(_LANES, count - first)):
            values[first + lane] = high[lane]
    return count


@kernel()
def _count_above(
    diagonal: np.ndarray, beside: np.ndarray, points: np.ndarray, above: np.ndarray
) -> None:
    """Count the eigenvalues above each of the points: the positive pivots of T - point."""
    pivots = np.empty(_LANES, np.float32)
    for lane in range(_LANES):
        pivots[lane] = _ONE
        above[lane] = 0
    square = _ZERO
    for i in range(len(diagonal)):
        here = diagonal[i]
        for lane in range(_LANES):
            pivot = here - points[lane] - square / pivots[lane]
            pivot = -_TINY if abs(pivot) < _TINY else pivot
            pivots[lane] = pivot
            above[lane] += np.int32(pivot > 0)
        square = beside[i] * beside[i]


@kernel()
def _iterate_inversely(
    diagonal: np.ndarray,
    beside: np.ndarray,
    value: float,
    bands: np.ndarray,
    swapped: np.ndarray,
    vectors: np.ndarray,
    found: int,
) -> None:
    """Find a tridiagonal matrix's eigenvector for a value, orthogonal to those found before."""
    size = len(diagonal)
    vector = vectors[found]
    _factor(diagonal, beside, value, bands, swapped)
    for i in range(size):  # another start for each, lest equal eigenvalues lead to one vector
        vector[i] = ((i + 1) * (found + 1) * _GOLDEN) % _ONE - _HALF
    for _ in range(_SOLVES):
        _solve(bands, swapped, vector)
        _normalise(vector)
        for _ in range(2):  # what rounding leaves of the others is taken away by the second
            for other in range(found):
                product = _product(vector, vectors[other])
                for i in range(size):
                    vector[i] -= product * vectors[other, i]
            _normalise(vector)


@kernel()
def _normalise(vector: np.ndarray) -> None:
    largest = _TINY
    for i in range(len(vector)):
        largest = max(largest, abs(vector[i]))
    square = _ZERO
    for i in range(len(vector)):
        vector[i] /= largest
        square += vector[i] * vector[i]
    scale = _ONE / math.sqrt(max(square, _TINY))
    for i in range(len(vector)):
        vector[i] *= scale


@kernel()
def _factor(
    diagonal: np.ndarray, beside: np.ndarray, value: float, bands: np.ndarray, swapped: np.ndarray
) -> None:
    """Eliminate below the diagonal of T - value, swapping neighbours where the pivot is larger.

    The bands receive the reciprocal pivots, the two bands above them, and the multipliers;
    ``swapped`` receives True for each row that was swapped with the next.
    """
    size = len(diagonal)
    largest = _TINY
    for i in range(size):
        largest = max(largest, abs(diagonal[i]), abs(beside[i]))
    smallest = _EPSILON * largest
    pivot, right = diagonal[0] - value, beside[0]
    for i in range(size - 1):
        below, under, next_right = beside[i], diagonal[i + 1] - value, beside[i + 1]
        if i + 1 == size - 1:
            next_right = _ZERO
        swapped[i] = abs(below) > abs(pivot)
        if swapped[i]:
            factor = pivot / below
            bands[0, i], bands[1, i], bands[2, i] = _ONE / below, under, next_right
            pivot, right = right - factor * under, -factor * next_right
        else:
            if abs(pivot) < smallest:
                pivot = smallest
            factor = below / pivot
            bands[0, i], bands[1, i], bands[2, i] = _ONE / pivot, right, _ZERO
            pivot, right = under - factor * right, next_right
        bands[3, i] = factor
    if abs(pivot) < smallest:
        pivot = smallest
    bands[0, size - 1], bands[1, size - 1], bands[2, size - 1] = _ONE / pivot, _ZERO, _ZERO


@kernel()
def _solve(bands: np.ndarray, swapped: np.ndarray, vector: np.ndarray) -> None:
    """Solve by the factors of `_factor`, in place."""
    size = len(vector)
    for i in range(size - 1):
        if swapped[i]:
            vector[i], vector[i + 1] = vector[i + 1], vector[i]
        vector[i + 1] -= bands[3, i] * vector[i]
    after, later = _ZERO, _ZERO
    for i in range(size - 1, -1, -1):
        value = (vector[i] - bands[1, i] * after - bands[2, i] * later) * bands[0, i]
        vector[i] = value
        after, later = value, after
