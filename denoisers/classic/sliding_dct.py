"""Thresholds on the DCT of all patches of 8 × 8 pixels, and the mean of what is left of them.

Neighbouring patches share most of the work. A row's DCT is taken once for the eight patches, one
above the other, that contain it; and as the inverse is linear, the eight are added up before one
inverse DCT along the row. What remains for each patch are the transforms along the columns. They
are done for `_LANES` patches beside each other at once, a register of the processor at a time.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from denoisebench.denoisers.classic.block_transforms import SIDE, dct_matrix
from denoisebench.denoisers.classic.compiled import kernel

__all__ = ["threshold_patches"]

_HALF = SIDE // 2
_LANES = 64
_BAND = 32  # rows of patches


@kernel()
def _add_and_subtract(
    a: np.ndarray, b: np.ndarray, added: np.ndarray, subtracted: np.ndarray
) -> None:
    for x in range(_LANES):
        added[x] = a[x] + b[x]
        subtracted[x] = a[x] - b[x]


@kernel()
def _combine(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, factors: np.ndarray, out: np.ndarray
) -> None:
    fa, fb, fc, fd = factors[0], factors[1], factors[2], factors[3]
    for x in range(_LANES):
        out[x] = fa * a[x] + fb * b[x] + fc * c[x] + fd * d[x]


@kernel()
def _project(halves: np.ndarray, basis: np.ndarray, out: np.ndarray) -> None:
    """Finish a DCT: even cosines of the sums of mirrored values, odd ones of the differences."""
    for k in range(SIDE):
        h = halves[k % 2 * _HALF : k % 2 * _HALF + _HALF]
        _combine(h[0], h[1], h[2], h[3], basis[k], out[k])


@kernel()
def _invert(
    coefficients: np.ndarray, inverse: np.ndarray, halves: np.ndarray, out: np.ndarray
) -> None:
    """Take the inverse DCT: the even cosines and the odd ones apart, then their sum, mirrored."""
    c = coefficients
    for i in range(_HALF):
        _combine(c[0], c[2], c[4], c[6], inverse[0, i], halves[i])
        _combine(c[1], c[3], c[5], c[7], inverse[1, i], halves[_HALF + i])
    for i in range(_HALF):
        _add_and_subtract(halves[i], halves[_HALF + i], out[i], out[SIDE - 1 - i])


@kernel()
def _transform_rows(
    plane: np.ndarray, left: int, basis: np.ndarray, halves: np.ndarray, out: np.ndarray
) -> None:
    """Take the DCT of 8 pixels along the rows, at each of `_LANES` pixels from ``left``.

    Args:
        plane: the rows, (R, W).
        left: first pixel; what lies beyond the plane counts as 0.
        basis: the first half of each cosine, (8, 4).
        halves: scratch, (8, lanes).
        out: takes the coefficients, (R, 8, lanes).
    """
    line = np.zeros(_LANES + SIDE - 1, np.float32)
    width = min(len(line), plane.shape[1] - left)
    for y in range(len(plane)):
        for x in range(width):
            line[x] = plane[y, left + x]
        for i in range(_HALF):
            _add_and_subtract(line[i:], line[SIDE - 1 - i :], halves[i], halves[_HALF + i])
        _project(halves, basis, out[y])


@kernel()
def _threshold(block: np.ndarray, threshold: float, weight: np.ndarray) -> None:
    """Null the small coefficients of patches, but never a mean, and weigh the patches.

    Args:
        block: coefficients of `_LANES` patches, (8, 8, lanes).
        threshold: the least magnitude that is kept.
        weight: takes 1 / (number of coefficients kept), (lanes,).
    """
    limit = np.float32(threshold)
    weight[:] = 1
    for k in range(SIDE):
        for v in range(SIDE):
            if k + v == 0:
                continue
            values = block[k, v]
            for x in range(_LANES):
                is_kept = np.float32(1) if abs(values[x]) >= limit else np.float32(0)
                values[x] *= is_kept
                weight[x] += is_kept
    for x in range(_LANES):
        weight[x] = np.float32(1) / weight[x]


@kernel()
def _accumulate(values: np.ndarray, weight: np.ndarray, out: np.ndarray) -> None:
    for x in range(_LANES):
        out[x] += weight[x] * values[x]


@kernel()
def _add_band(
    plane: np.ndarray,
    threshold: float,
    basis: np.ndarray,
    inverse: np.ndarray,
    total: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Add the estimates of all patches of some rows, and their weights.

    Args:
        plane: the rows, (R, W).
        threshold: as in `threshold_patches`.
        basis: the first half of each cosine, (8, 4).
        inverse: the first half of even and odd cosines, transposed, (2, 4, 4).
        total: (R, W); takes the sum of the estimates of each pixel, times their weights.
        weights: (R, W); takes the sum of the weights.
    """
    height, width = plane.shape
    rows = np.empty((height, SIDE, _LANES), np.float32)
    sums, shares = np.empty_like(rows), np.empty((height, _LANES), np.float32)
    block = np.empty((SIDE, SIDE, _LANES), np.float32)
    halves, out = np.empty((SIDE, _LANES), np.float32), np.empty((SIDE, _LANES), np.float32)
    weight, ones = np.empty(_LANES, np.float32), np.ones(_LANES, np.float32)
    for left in range(0, width - SIDE + 1, _LANES):
        _transform_rows(plane, left, basis, halves, rows)
        sums[:] = 0
        shares[:] = 0
        for y in range(height - SIDE + 1):
            for k in range(SIDE):
                for i in range(_HALF):
                    mirrored = rows[y + SIDE - 1 - i, k]
                    _add_and_subtract(rows[y + i, k], mirrored, halves[i], halves[_HALF + i])
                _project(halves, basis, block[k])
            _threshold(block, threshold, weight)
            for k in range(SIDE):
                _invert(block[k], inverse, halves, out)
                for i in range(SIDE):
                    _accumulate(out[i], weight, sums[y + i, k])
            for i in range(SIDE):
                _accumulate(weight, ones, shares[y + i])
        lanes = min(_LANES, width - SIDE + 1 - left)
        for y in range(height):
            _invert(sums[y], inverse, halves, out)
            for j in range(SIDE):
                for x in range(lanes):
                    total[y, left + j + x] += out[j, x]
                    weights[y, left + j + x] += shares[y, x]


@kernel(parallel=True)
def _add_bands(
    planes: np.ndarray,
    threshold: float,
    basis: np.ndarray,
    inverse: np.ndarray,
    total: np.ndarray,
    weights: np.ndarray,
) -> None:
    """Add up all bands of all planes: those of even number, then those between them.

    Bands overlap by 7 rows, the next but one no more: no two threads add to one pixel, and it is
    always in the same order that numbers are added.
    """
    tops = planes.shape[1] - SIDE + 1
    bands = (tops + _BAND - 1) // _BAND
    for parity in range(2):
        count = (bands - parity + 1) // 2
        for job in prange(len(planes) * count):
            c = job // count
            top = (2 * (job % count) + parity) * _BAND
            bottom = min(top + _BAND, tops) + SIDE - 1
            _add_band(
                planes[c, top:bottom],
                threshold,
                basis,
                inverse,
                total[c, top:bottom],
                weights[c, top:bottom],
            )


def threshold_patches(frame: np.ndarray, threshold: float) -> np.ndarray:
    """Denoise the channels of a frame by thresholds on the DCT of all patches of 8 × 8 pixels.

    Each pixel is the mean of its estimates by the patches that contain it, weighted by 1 / (number
    of coefficients kept).

    Args:
        frame: float32 (H, W, C), of any size: one that is smaller than a patch is mirrored.
        threshold: on the scale of the frame; smaller coefficients of the orthonormal DCT are
            nulled, but for a patch's mean.

    Returns:
        float32 (H, W, C).

    Examples:
        >>> import numpy as np
        >>> noisy = np.random.default_rng(0).normal(0.5, 0.1, (40, 50, 1)).astype(np.float32)
        >>> bool(threshold_patches(noisy, 0.3).std() < 0.03)
        True
    """
    height, width, _ = frame.shape
    lacking = [(0, max(0, SIDE - size)) for size in (height, width)]
    planes = np.pad(frame.transpose(2, 0, 1), [(0, 0), *lacking], mode="symmetric")
    planes = np.ascontiguousarray(planes)
    half = dct_matrix()[:, :_HALF].astype(np.float32)
    inverse = np.ascontiguousarray([half[::2].T, half[1::2].T])
    total, weights = np.zeros_like(planes), np.zeros_like(planes)
    _add_bands(planes, threshold, half, inverse, total, weights)
    total /= weights
    return np.ascontiguousarray(total[:, :height, :width].transpose(1, 2, 0))
