"""Bilateral filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import numpy as np


@register(
    "bilateral",
    title="Bilateral",
    family="local",
    reference="Tomasi & Manduchi 1998",
    colour="joint",
    requires=("cv2",),
)
@dataclass(frozen=True)
class Bilateral:
    """A Gaussian mean over the neighbours that are also alike in value.

    Tomasi & Manduchi, "Bilateral filtering for gray and color images", ICCV 1998.

    Attributes:
        width: standard deviation of the spatial weight, in pixels.
        tone: standard deviation of the weight of a difference in value, in units of sigma.
    """

    width: float = 3.0
    tone: float = 1.25
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "width": (1.0, 1.5, 2.0, 3.0, 4.0, 5.0),
        "tone": (0.75, 1.0, 1.25, 1.5, 2.0, 3.0),
    }

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        import cv2

        if sigma == 0:
            return noisy.copy()
        # OpenCV sums the absolute differences over the channels.
        tone = self.tone * sigma * noisy.shape[2]
        filtered: np.ndarray = cv2.bilateralFilter(noisy, -1, tone, self.width)
        return filtered.reshape(noisy.shape)
