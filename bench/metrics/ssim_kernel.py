"""SSIM of whole frames in one pass over their rows, compiled."""

from __future__ import annotations

import numpy as np

from denoisebench.denoisers.classic.compiled import kernel

__all__ = ["ssim_sum"]


@kernel()
def ssim_sum(clean: np.ndarray, estimate: np.ndarray, weights: np.ndarray, step: int) -> float:
    """Add up SSIM over the windows that lie inside two frames.

    The weighted sums along a row are taken once, and kept for the rows of windows that share them;
    so memory grows with a frame's width alone.

    Args:
        clean: the clean frame, uint8 (H, W · C).
        estimate: the estimate, of the same shape and type.
        weights: the window's weights along an axis, float64 (11), symmetric.
        step: the number of channels C.
    """
    height, width = clean.shape
    size = weights.size
    windows = width - (size - 1) * step
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    rows = np.empty((size, 4, windows))
    values = np.empty((4, width))
    means = np.empty((4, windows))
    total = 0.0
    for y in range(height):
        _moments(clean[y], estimate[y], values)
        for moment in range(4):
            _along(values[moment], weights, step, rows[y % size, moment])
        if y < size - 1:
            continue
        for moment in range(4):
            _across(rows, moment, y + 1, weights, means[moment])
        x, e, squares, products = means[0], means[1], means[2], means[3]
        for i in range(windows):
            both, product = x[i] * x[i] + e[i] * e[i], x[i] * e[i]
            above = (2 * product + c1) * (2 * (products[i] - product) + c2)
            total += above / ((both + c1) * (squares[i] - both + c2))
    return total


@kernel()
def _moments(clean: np.ndarray, estimate: np.ndarray, values: np.ndarray) -> None:
    """Take the values of a row, the sums of their squares, and their products."""
    for i in range(clean.size):
        x, e = np.float64(clean[i]), np.float64(estimate[i])
        values[0, i] = x
        values[1, i] = e
        values[2, i] = x * x + e * e
        values[3, i] = x * e


@kernel()
def _along(values: np.ndarray, weights: np.ndarray, step: int, sums: np.ndarray) -> None:
    """Weigh a row's values in each window along it, ``step`` values apart."""
    # Views, whose indices are never negative: only such loops become vector code.
    v0, v10 = values, values[10 * step :]
    v1, v9 = values[step:], values[9 * step :]
    v2, v8 = values[2 * step :], values[8 * step :]
    v3, v7 = values[3 * step :], values[7 * step :]
    v4, v6 = values[4 * step :], values[6 * step :]
    _weigh(v0, v1, v2, v3, v4, values[5 * step :], v6, v7, v8, v9, v10, weights, sums)


@kernel()
def _across(
    rows: np.ndarray, moment: int, oldest: int, weights: np.ndarray, sums: np.ndarray
) -> None:
    """Weigh the sums of the eleven rows of a window; the oldest is the first of them."""
    n = len(rows)
    r0, r10 = rows[oldest % n, moment], rows[(oldest + 10) % n, moment]
    r1, r9 = rows[(oldest + 1) % n, moment], rows[(oldest + 9) % n, moment]
    r2, r8 = rows[(oldest + 2) % n, moment], rows[(oldest + 8) % n, moment]
    r3, r7 = rows[(oldest + 3) % n, moment], rows[(oldest + 7) % n, moment]
    r4, r6 = rows[(oldest + 4) % n, moment], rows[(oldest + 6) % n, moment]
    _weigh(r0, r1, r2, r3, r4, rows[(oldest + 5) % n, moment], r6, r7, r8, r9, r10, weights, sums)


@kernel()
def _weigh(
    v0: np.ndarray,
    v1: np.ndarray,
    v2: np.ndarray,
    v3: np.ndarray,
    v4: np.ndarray,
    v5: np.ndarray,
    v6: np.ndarray,
    v7: np.ndarray,
    v8: np.ndarray,
    v9: np.ndarray,
    v10: np.ndarray,
    weights: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Add up eleven lines with a window's weights, which are the same from both ends."""
    w0, w1, w2 = weights[0], weights[1], weights[2]
    w3, w4, w5 = weights[3], weights[4], weights[5]
    for i in range(sums.size):
        ends = w0 * (v0[i] + v10[i]) + w1 * (v1[i] + v9[i]) + w2 * (v2[i] + v8[i])
        sums[i] = ends + w3 * (v3[i] + v7[i]) + w4 * (v4[i] + v6[i]) + w5 * v5[i]
