"""Transforms of 8 × 8 blocks, as matrices, and the covariances of the noise in two blocks."""

from __future__ import annotations

import numpy as np

__all__ = ["AREA", "SIDE", "bior15_matrix", "block_covariance", "dct_matrix"]

SIDE = 8
"""Side of a block in pixels."""

AREA = 64
"""Pixels of a block."""


def dct_matrix() -> np.ndarray:
    """Return the orthonormal discrete cosine transform (DCT-II) of 8 points, float64 (8, 8).

    Examples:
        >>> bool(np.allclose(dct_matrix() @ dct_matrix().T, np.eye(8)))
        True
    """
    k, x = np.ogrid[:SIDE, :SIDE]
    matrix: np.ndarray = np.cos(np.pi * k * (2 * x + 1) / (2 * SIDE)) * np.sqrt(2 / SIDE)
    matrix[0] /= np.sqrt(2)
    return matrix


def bior15_matrix() -> np.ndarray:
    """Return the biorthogonal wavelet transform bior1.5 of 8 points, float64 (8, 8).

    Cohen, Daubechies & Feauveau 1992: all three levels, periodic. Its rows have unit norm, so that
    white noise keeps its variance in every coefficient; its inverse is the inverse matrix.

    Examples:
        >>> bior15_matrix()[-1].round(3).tolist()
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.707, -0.707]
    """
    low = np.array([3, -3, -22, 22, 128, 128, 22, -22, -3, 3])
    matrix = np.eye(SIDE)
    size = SIDE
    while size > 1:
        level = np.eye(SIDE)
        level[:size, :size] = 0
        for i in range(size // 2):
            np.add.at(level[i], (2 * i - 4 + np.arange(10)) % size, low / np.sqrt(2) / 128)
            level[size // 2 + i, 2 * i : 2 * i + 2] = [np.sqrt(0.5), -np.sqrt(0.5)]
        matrix = level @ matrix
        size //= 2
    normalised: np.ndarray = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return normalised


def block_covariance(matrix: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Tabulate the covariance of a coefficient of two blocks, by their displacement.

    A coefficient of a block at p is the frame's correlation with a pattern b at p. So its
    covariance with that of a block at p + d is the noise's autocorrelation, convolved with that of
    b, at d.

    Args:
        matrix: (8, 8), the transform of an axis; b is the product of two of its rows.
        correlation: (2 r + 1, 2 r + 1), the noise's autocorrelation at displacements up to r; the
            centre is its variance. White noise: [[1]].

    Returns:
        float32 (2 n + 1, 2 n + 1, 64) with n = r + 7, the displacement (dy, dx) at
        (n + dy, n + dx); it is 0 farther away.

    Examples:
        >>> table = block_covariance(np.eye(8), np.ones((1, 1)))
        >>> table.shape, abs(table[7, 7:9, 0].round(6)).tolist()
        ((15, 15, 64), [1.0, 0.0])
    """
    patterns = np.array([np.correlate(row, row, "full") for row in matrix])
    wide = 2 * SIDE - 2 + len(correlation)
    size = wide, wide
    spectra = np.fft.fft(patterns, wide)
    noise = np.fft.fft2(correlation, size)
    products = np.einsum("uy,vx,yx->uvyx", spectra, spectra, noise)
    table = np.fft.ifft2(products).real.reshape(AREA, *size)
    return np.ascontiguousarray(table.transpose(1, 2, 0), np.float32)
