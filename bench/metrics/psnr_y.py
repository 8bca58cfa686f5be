"""PSNR-Y: PSNR of the luma alone, as papers on super-resolution and restoration print it."""

from __future__ import annotations

import math

import numpy as np

from denoisebench.metrics.registry import register

LUMA = (65.481, 128.553, 24.966)
"""Of R, G and B in [0, 1], above 16: 8-bit studio-range luma (ITU-R BT.601, table 3)."""


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
    """Peak signal-to-noise ratio of the BT.601 luma in dB; higher is better.

    ``Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255``, in [16, 235] and not rounded, and
    ``10 log10(255² / MSE)`` over all pixels: the peak stays 255, which is why it is at least
    1.32 dB. No border is cropped.

    Args:
        clean, estimate: uint8 (H, W, C), C = 3 (RGB) or 1.

    Returns:
        Infinite for the same luma; None for grey frames (C = 1), whose luma PSNR itself measures.
    """
    if clean.shape[2] == 1:
        return None
    # The offset cancels, and the difference of integers is exact: black minus black stays 0.
    difference = (clean.astype(np.float64) - estimate) @ np.array(LUMA) / 255
    squared_error = float(np.mean(difference * difference))
    return 10 * math.log10(255**2 / squared_error) if squared_error > 0 else math.inf
