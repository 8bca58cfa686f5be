"""PSNR-Y: PSNR of the luma alone, as papers on super-resolution and restoration print it."""

from __future__ import annotations

import math

import numpy as np

from denoisebench.metrics.frames import check_frames
from denoisebench.metrics.registry import register

# Weights of R, G and B in [0, 1] in 8-bit studio-range luma, less its offset 16 (ITU-R BT.601,
# table 3).
_LUMA = (65.481, 128.553, 24.966)


@register(
    "psnr-y",
    title="PSNR-Y",
    unit="dB",
    range=(20 * math.log10(255 / 219), math.inf),
    decimals=2,
    source="ITU-R BT.601",
    undefined="grey frames",
)
def psnr_y(clean: np.ndarray, estimate: np.ndarray) -> float | None:
    """Compute the peak signal-to-noise ratio of the BT.601 luma in dB; higher is better.

    ``Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255``, in [16, 235] and not rounded, and
    ``10 log10(255² / MSE)`` over all pixels. The peak stays 255, so the least value is 1.32 dB.
    No border is cropped.

    Args:
        clean: the clean frame, uint8 (H, W, C), C = 3 (RGB) or 1.
        estimate: the estimate, of the same shape and type.

    Returns:
        The score, infinite for the same luma; None for grey frames (C = 1), whose luma PSNR
        itself measures.

    Raises:
        ValueError: they are not such frames of one shape.

    Examples:
        >>> clean = np.full((8, 8, 3), 100, np.uint8)
        >>> round(psnr_y(clean, clean + 10), 2)
        29.45
        >>> psnr_y(clean[..., :1], clean[..., :1]) is None
        True
    """
    check_frames(clean, estimate)
    if clean.shape[2] == 1:
        return None
    # The offset cancels, and the difference of integers is exact: black minus black stays 0.
    difference = (clean.astype(np.float64) - estimate) @ np.array(_LUMA) / 255
    squared_error = float(np.mean(difference * difference))
    return 10 * math.log10(255**2 / squared_error) if squared_error > 0 else math.inf
