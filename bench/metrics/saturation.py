"""Colour saturation error: whether an estimate is paler, or more colourful, than its frame."""

from __future__ import annotations

import numpy as np

from denoisebench.metrics.registry import register


@register(
    "saturation",
    title="Saturation",
    direction="zero",
    unit="ΔC*",
    range=(-134, 134),
    decimals=2,
    source="chroma C* of CIELAB, CIE 15",
    undefined="grey frames",
    requires=("skimage",),
)
def saturation_error(clean: np.ndarray, estimate: np.ndarray) -> float | None:
    """Mean chroma of the estimate less that of the clean frame, in CIELAB units; 0 is best.

    ``mean(C*(estimate) − C*(clean))`` over all pixels, with ``C* = sqrt(a*² + b*²)`` (CIE 15, ΔC*
    of each pixel; sRGB under D65, 2° observer). Negative: the estimate is paler than the frame,
    which is what Gong, Liu & Lv 2020 find of their networks. Noise left over reads as colour: it
    lifts the chroma of grey areas, and so the figure. Deviations of both signs cancel.

    Args:
        clean, estimate: uint8 (H, W, C), C = 3 (RGB) or 1.

    Returns:
        A value between -134 and 134 (the chroma of sRGB's blue); None for grey frames (C = 1).
    """
    if clean.shape[2] == 1:
        return None
    return float(np.mean(_chroma(estimate) - _chroma(clean)))


def _chroma(frame: np.ndarray) -> np.ndarray:
    """C* of each pixel, float64 (H, W)."""
    from skimage.color import rgb2lab

    lab = rgb2lab(frame)  # OpenCV's float conversion is off by up to 0.5, and by 0.06 on average
    chroma: np.ndarray = np.hypot(lab[..., 1], lab[..., 2])
    return chroma
