"""Estimates of sigma from a noisy frame, for methods that need a sigma on recorded noise."""

from __future__ import annotations

import numpy as np

_STRIDE = 3  # pixels; CC15's noise correlates by 0.70, 0.36 and 0.20 at a distance of 1, 2 and 3
_ROUNDING = 1e-6  # of float32, in the four-tap filters
_NORMAL_MEDIAN = 0.6744897501960817  # of the absolute value of a standard normal

RULE = f"wavelet MAD of the finest scale, of each channel at a stride of {_STRIDE} pixels; mean"
"""The estimator in words, for the protocol's description."""


def estimate_sigma(noisy: np.ndarray) -> float:
    """Estimate the standard deviation of the noise in a frame, from that frame alone.

    The usual estimator, `of_white_noise`, looks at the finest scale. A camera's noise is smooth
    after demosaicing and JPEG, and hides from it: of the noise in CC15 it finds a quarter. Pixels
    further apart are nearly independent, each as noisy as before; so every third pixel of every
    third row is taken for a picture, and the estimates of all such pictures are averaged. Both
    estimators take texture for noise.

    Args:
        noisy: float32 (H, W, C).

    Returns:
        Sigma on the scale of ``noisy``; 0 for a frame too small or too flat to say.

    Examples:
        >>> noise = np.random.default_rng(1).normal(0, 25, (128, 128, 3)).astype(np.float32)
        >>> abs(estimate_sigma(128 + noise) - 25) < 2
        True
    """
    height, width, channels = noisy.shape
    phases = np.ndindex(min(height, _STRIDE), min(width, _STRIDE), channels)
    return float(np.mean([of_white_noise(noisy[i::_STRIDE, j::_STRIDE, c]) for i, j, c in phases]))


def of_white_noise(plane: np.ndarray) -> float:
    """Estimate the standard deviation of white noise, as scikit-image does.

    The estimate is the median absolute deviation of the finest diagonal wavelet coefficients
    (Donoho & Johnstone 1994, section 4.2). Coefficients that are 0 tell of flat parts, such as
    overexposed ones, and do not count; scikit-image counts them where rounding has left something.

    Args:
        plane: float32 (H, W).

    Returns:
        Sigma on the scale of ``plane``; 0 where all coefficients are 0.

    Examples:
        >>> noise = np.random.default_rng(1).normal(0, 25, (128, 128)).astype(np.float32)
        >>> abs(of_white_noise(128 + noise) - 25) < 2
        True
    """
    import pywt

    _, (_, _, diagonal) = pywt.dwt2(plane, "db2")
    size = np.abs(diagonal)
    found = size[size > _ROUNDING * np.abs(plane).max()]
    return float(np.median(found)) / _NORMAL_MEDIAN if found.size else 0.0
