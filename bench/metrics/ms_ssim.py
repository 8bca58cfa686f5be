"""MS-SSIM: SSIM over five scales, as seen from several distances."""

from __future__ import annotations

import numpy as np

from denoisebench.metrics.frames import check_frames
from denoisebench.metrics.psnr_ssim import SSIM_WINDOW, ssim_terms
from denoisebench.metrics.registry import register

# From the finest scale to the coarsest (Wang, Simoncelli & Bovik 2003, section 3.2).
_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

MS_SSIM_SMALLEST_SIDE = SSIM_WINDOW * 2 ** (len(_EXPONENTS) - 1)
"""In pixels: below it, the window does not fit into the coarsest scale."""


@register(
    "ms-ssim",
    title="MS-SSIM",
    range=(0, 1),
    decimals=4,
    source="Wang, Simoncelli & Bovik 2003",
    undefined=f"frames under {MS_SSIM_SMALLEST_SIDE} pixels",
    requires=("cv2",),
)
def ms_ssim(clean: np.ndarray, estimate: np.ndarray) -> float | None:
    """Compute MS-SSIM in [0, 1]; higher is better, 1 for identical images.

    Multi-scale structural similarity, ``Π cs_j^w_j · (l·cs)_5^w_5`` over five scales (Wang,
    Simoncelli & Bovik 2003, Eq. 7), each made from the last by averaging 2 × 2 pixels; an
    odd last row or column is dropped. ``cs`` and ``l·cs`` are means over SSIM's windows (see
    `ssim`). A negative mean counts as 0, as it has no real power. The channels
    are scored one by one, then averaged.

    Args:
        clean: the clean frame, uint8 (H, W, C).
        estimate: the estimate, of the same shape and type.

    Returns:
        The score; None for a frame with a side below 176 pixels.

    Raises:
        ValueError: they are not such frames of one shape.

    Examples:
        >>> clean = np.random.default_rng(0).integers(0, 256, (176, 200, 3), np.uint8)
        >>> round(ms_ssim(clean, clean), 6)
        1.0
        >>> ms_ssim(clean[:175], clean[:175]) is None
        True
    """
    check_frames(clean, estimate)
    if min(clean.shape[:2]) < MS_SSIM_SMALLEST_SIDE:
        return None
    channels = range(clean.shape[2])
    return float(np.mean([_channel(clean[..., c], estimate[..., c]) for c in channels]))


def _channel(x: np.ndarray, y: np.ndarray) -> float:
    """Score one channel, uint8 (H, W)."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    score = 1.0
    for exponent in _EXPONENTS[:-1]:
        _, structure = ssim_terms(x, y)
        score *= max(0.0, float(np.mean(structure))) ** exponent
        x, y = _halved(x), _halved(y)
    luminance, structure = ssim_terms(x, y)
    return float(score * max(0.0, float(np.mean(luminance * structure))) ** _EXPONENTS[-1])


def _halved(image: np.ndarray) -> np.ndarray:
    """Halve an image's size by averaging 2 × 2 pixels."""
    even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    halved: np.ndarray = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    return halved
