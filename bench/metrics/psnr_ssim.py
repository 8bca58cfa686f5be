"""PSNR and SSIM, the metrics of the protocol."""

from __future__ import annotations

import math

import numpy as np

from denoisebench.metrics.frames import check_frames
from denoisebench.metrics.registry import register

SSIM_WINDOW = 11
"""Side of the window in pixels."""

_SSIM_SIGMA = 1.5

_BAND = 256
"""Rows that are compared at once: large frames need no memory for all their differences."""


@register(
    "psnr",
    title="PSNR",
    unit="dB",
    range=(0, math.inf),
    decimals=2,
    source="Gong, Liu & Lv 2020, Eq. 15–16",
)
def psnr(clean: np.ndarray, estimate: np.ndarray) -> float:
    """Compute the peak signal-to-noise ratio in dB; higher is better, infinite if identical.

    ``10 log10(255² / MSE)``, MSE over all pixels and channels (Gong, Liu & Lv 2020, Eq. 15–16).

    Args:
        clean: the clean frame, uint8 (H, W, C).
        estimate: the estimate, of the same shape and type.

    Raises:
        ValueError: they are not such frames of one shape.

    Examples:
        >>> clean = np.full((8, 8, 3), 100, np.uint8)
        >>> round(psnr(clean, clean + 10), 2)
        28.13
        >>> psnr(clean, clean)
        inf
    """
    check_frames(clean, estimate)
    squared_error = sum(
        _squared_error(clean[i : i + _BAND], estimate[i : i + _BAND])
        for i in range(0, len(clean), _BAND)
    )
    if squared_error == 0:
        return math.inf
    return 10 * math.log10(255**2 * clean.size / squared_error)


def _squared_error(clean: np.ndarray, estimate: np.ndarray) -> int:
    """Add up the squared differences of some rows, exactly."""
    difference = clean.astype(np.int32) - estimate
    return int(np.sum(difference * difference, dtype=np.int64))


@register(
    "ssim",
    title="SSIM",
    range=(-1, 1),
    source="Wang, Bovik, Sheikh & Simoncelli 2004",
    undefined=f"frames under {SSIM_WINDOW} pixels",
    requires=("cv2",),
)
def ssim(clean: np.ndarray, estimate: np.ndarray) -> float | None:
    """Compute the structural similarity in [-1, 1]; higher is better, 1 for identical images.

    Wang, Bovik, Sheikh & Simoncelli 2004: Gaussian window 11 × 11 with sigma 1.5, population
    covariance, K1 = 0.01, K2 = 0.03, L = 255, mean over the windows that lie inside the image,
    then over the channels.

    Args:
        clean: the clean frame, uint8 (H, W, C).
        estimate: the estimate, of the same shape and type.

    Returns:
        The score; None for a frame with a side below 11 pixels.

    Raises:
        ValueError: they are not such frames of one shape.

    Examples:
        >>> clean = np.full((16, 16, 3), 100, np.uint8)
        >>> round(ssim(clean, clean + 10), 4)
        0.9955
        >>> ssim(clean[:10], clean[:10]) is None
        True
    """
    check_frames(clean, estimate)
    if min(clean.shape[:2]) < SSIM_WINDOW:
        return None
    try:
        from denoisebench.metrics.ssim_kernel import ssim_sum
    except ImportError:  # no numba for this Python; the same figure, more slowly
        channels = range(clean.shape[2])
        return float(np.mean([_ssim_channel(clean[..., c], estimate[..., c]) for c in channels]))
    height, width, step = clean.shape
    x, y = (np.ascontiguousarray(f).reshape(height, width * step) for f in (clean, estimate))
    windows = (height - SSIM_WINDOW + 1) * (width - SSIM_WINDOW + 1) * step
    mean: float = ssim_sum(x, y, _weights().ravel(), step) / windows
    return mean


def _ssim_channel(x: np.ndarray, y: np.ndarray) -> float:
    """Score one channel, uint8 (H, W)."""
    luminance, structure = ssim_terms(x.astype(np.float64), y.astype(np.float64))
    return float(np.mean(luminance * structure))


def ssim_terms(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute SSIM's two factors for each window that lies inside the image.

    Args:
        x: an image, float64 (H, W) in [0, 255], at least as large as the window.
        y: the other image, of the same shape and type.

    Returns:
        The luminance term and the contrast–structure term, float64 (H - 10, W - 10).

    Examples:
        >>> x = np.full((12, 14), 100.0)
        >>> luminance, structure = ssim_terms(x, x + 10)
        >>> luminance.shape, round(float(luminance.mean()), 4), round(float(structure.mean()), 4)
        ((2, 4), 0.9955, 1.0)
    """
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    variances = _window_mean(x * x + y * y) - mean_x**2 - mean_y**2
    covariance = _window_mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return luminance, structure


def _window_mean(image: np.ndarray) -> np.ndarray:
    """Compute the Gaussian-weighted mean over each window that lies inside the image."""
    import cv2

    margin = SSIM_WINDOW // 2
    means: np.ndarray = cv2.sepFilter2D(image, cv2.CV_64F, _weights(), _weights())
    return means[margin:-margin, margin:-margin]


def _weights() -> np.ndarray:
    """Return the window's weights along an axis, float64 (11, 1)."""
    import cv2

    weights: np.ndarray = cv2.getGaussianKernel(SSIM_WINDOW, _SSIM_SIGMA)
    return weights
