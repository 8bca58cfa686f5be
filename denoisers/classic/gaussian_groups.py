"""Estimates of vectors that share one Gaussian, from noisy ones: small matrices, many of them."""

from __future__ import annotations

import numpy as np

from denoisebench.denoisers.classic.compiled import kernel

__all__ = ["centre", "shrink", "variance"]

_ALIGNMENT = 32  # numbers: rows of scratch matrices fill whole registers
_SINGULAR = 1e-6  # a pivot over the largest variance, below which float32 holds no digit of it


@kernel()
def centre(group: np.ndarray, mean: np.ndarray) -> None:
    """Subtract from each row of a group, float32 (n, d), the mean row; ``mean`` takes it, (d,)."""
    mean[:] = 0
    for q in range(len(group)):
        for k in range(len(mean)):
            mean[k] += group[q, k]
    for k in range(len(mean)):
        mean[k] /= np.float32(len(group))
    for q in range(len(group)):
        for k in range(len(mean)):
            group[q, k] -= mean[k]


@kernel()
def variance(group: np.ndarray, mean: np.ndarray) -> float:
    """Return the variance of all values of a group: of the centred rows plus that of their mean."""
    total = np.float32(0)
    for q in range(len(group)):
        for k in range(len(mean)):
            total += group[q, k] ** 2
    return total / np.float32(group.size) + mean.var()


@kernel()
def shrink(group: np.ndarray, samples: np.ndarray, noise: float, ridge: float) -> None:
    """Replace each row x of a group by x - noise (C + ridge 1)⁻¹ x; for use in kernels.

    C is the covariance of the samples. If the samples are noisy, C - noise 1 estimates that of the
    clean vectors, and with no ridge the result is their best linear estimate, (C - noise 1) C⁻¹ x.
    If the samples are nearly clean, it is so with the noise as ridge: C (C + noise 1)⁻¹ x.

    Where the matrix has no inverse (fewer samples than dimensions, say), the group stays as it is.

    Args:
        group: float32 (n, d), centred.
        samples: float32 (n, d), centred; may be the group.
        noise: variance of the noise.
        ridge: what is added to the variances.
    """
    n, d = group.shape
    covariance = np.dot(samples.T, samples)
    for i in range(d):
        for k in range(d):
            covariance[i, k] /= np.float32(n - 1)
        covariance[i, i] += np.float32(ridge)
    if not _invert(covariance):
        return
    taken = np.dot(group, covariance)
    for q in range(n):
        for k in range(d):
            group[q, k] -= np.float32(noise) * taken[q, k]


@kernel()
def _invert(matrix: np.ndarray) -> bool:
    """Invert a symmetric positive definite matrix C in place; False if it is not positive enough.

    Gaussian elimination of [C | 1] below the diagonal gives [U | T], T C Tᵀ = D diagonal. Hence
    C⁻¹ = Tᵀ D⁻¹ T.
    """
    d = len(matrix)
    width = (d + _ALIGNMENT - 1) // _ALIGNMENT * _ALIGNMENT
    both = np.zeros((d, 2 * width), np.float32)
    largest = np.float32(0)
    for i in range(d):
        both[i, :d] = matrix[i]
        both[i, width + i] = 1
        largest = max(largest, matrix[i, i])
    for p in range(d):
        row = both[p]
        if not row[p] > np.float32(_SINGULAR) * largest:
            return False
        for i in range(p + 1, d):
            other = both[i]
            factor = other[p] / row[p]
            for k in range(2 * width):
                other[k] -= factor * row[k]
    root = np.empty((d, d), np.float32)
    for i in range(d):
        scale = np.float32(1) / np.sqrt(both[i, i])
        for k in range(d):
            root[i, k] = scale * both[i, width + k]
    np.dot(root.T, root, matrix)
    return True
