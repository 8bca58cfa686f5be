"""Local Wiener filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from denoisebench.denoisers.opponent import in_opponent_space
from denoisebench.denoisers.registry import register


@register(
    "wiener",
    title="Wiener",
    family="local",
    reference="Lee 1980",
    colour="opponent",
    requires=("cv2",),
)
@dataclass(frozen=True)
class Wiener:
    """The linear estimate of least error from a window's mean and variance.

    Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE TPAMI
    1980: ``mean + max(variance - sigma², 0) / variance · (noisy - mean)``.

    Attributes:
        size: side of the window in pixels.
        opponent: filter colour frames in the opponent space instead of RGB.
    """

    size: int = 7
    opponent: bool = True
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "size": (3, 5, 7, 9, 11),
        "opponent": (False, True),
    }

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        if sigma == 0:
            return noisy.copy()
        if self.opponent:
            return in_opponent_space(noisy, lambda frame: self._filter(frame, sigma**2))
        return self._filter(noisy, sigma**2)

    def _filter(self, frame: np.ndarray, noise: float) -> np.ndarray:
        mean = self._mean(frame)
        variance = self._mean(frame**2) - mean**2
        gain = np.maximum(variance - noise, 0) / np.maximum(variance, noise)
        filtered: np.ndarray = mean + gain * (frame - mean)
        return filtered

    def _mean(self, frame: np.ndarray) -> np.ndarray:
        import cv2

        mean: np.ndarray = cv2.blur(frame, (self.size, self.size))
        return mean.reshape(frame.shape)
