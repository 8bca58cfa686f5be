"""Gaussian smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import numpy as np


@register(
    "gaussian",
    title="Gaussian",
    family="local",
    reference="Marr & Hildreth 1980",
    requires=("cv2",),
)
@dataclass(frozen=True)
class Gaussian:
    """Convolution with a Gaussian of standard deviation ``width · (sigma / 25)^growth`` pixels.

    For a power spectrum that falls as 1/f², smoothing loses energy in proportion to the width w
    and leaves noise sigma²/w², which is least in sum at w ∝ sigma^(2/3): hence a power law.

    Attributes:
        width: standard deviation in pixels where sigma is 25 on the 8-bit scale.
        growth: exponent of the law.
    """

    width: float = 0.9
    growth: float = 0.8
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "width": (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2),
        "growth": (0.0, 0.33, 0.5, 0.67, 0.8, 1.0),
    }

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        import cv2

        if sigma == 0:
            return noisy.copy()
        width = self.width * (sigma * 255 / 25) ** self.growth
        blurred: np.ndarray = cv2.GaussianBlur(noisy, (0, 0), width)
        return blurred.reshape(noisy.shape)
