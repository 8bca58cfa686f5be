"""FLIP: the difference that a viewer sees who flips between the estimate and the clean frame."""

from __future__ import annotations

import numpy as np

from denoisebench.metrics.frames import check_frames
from denoisebench.metrics.registry import register

_PIXELS_PER_DEGREE = 67.0  # FLIP's own default: 0.7 m from a screen 0.7 m and 3840 pixels wide


@register(
    "flip",
    title="FLIP",
    direction="lower",
    range=(0, 1),
    decimals=4,
    source="Andersson et al. 2020",
    requires=("flip_evaluator",),
)
def flip(clean: np.ndarray, estimate: np.ndarray) -> float:
    """Compute the mean FLIP error in [0, 1]; lower is better, 0 for identical images.

    Andersson, Nilsson, Akenine-Möller, Oskarsson, Åström & Fairchild 2020, computed by their own
    library (LDR-FLIP, 67 pixels per degree of visual angle), mean over all pixels. Grey frames are
    shown as grey RGB.

    Args:
        clean: the clean frame, uint8 (H, W, C), C = 3 (RGB) or 1.
        estimate: the estimate, of the same shape and type.

    Raises:
        ValueError: they are not such frames of one shape.

    Examples:
        >>> clean = np.full((8, 8, 3), 100, np.uint8)
        >>> flip(clean, clean)
        0.0
        >>> flip(clean, clean + 20) < flip(clean, clean + 40)
        True
    """
    check_frames(clean, estimate)
    import flip_evaluator

    _, mean, _ = flip_evaluator.evaluate(
        _rgb(clean),
        _rgb(estimate),
        "LDR",
        applyMagma=False,
        parameters={"ppd": _PIXELS_PER_DEGREE},
    )
    return float(mean)


def _rgb(frame: np.ndarray) -> np.ndarray:
    """Convert uint8 (H, W, C) to float32 (H, W, 3) in [0, 1]."""
    return np.repeat(frame, 3 // frame.shape[2], axis=2).astype(np.float32) / 255
