"""Median filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import numpy as np


@register(
    "median",
    title="Median",
    family="local",
    reference="Tukey 1977",
    blind=True,
    requires=("cv2",),
)
@dataclass(frozen=True)
class Median:
    """The median of the square window around each pixel; Tukey, Exploratory Data Analysis, 1977.

    Attributes:
        size: side of the window in pixels.
    """

    size: Literal[3, 5] = 5  # what OpenCV offers on floats
    search: ClassVar[dict[str, tuple[object, ...]]] = {"size": (3, 5)}

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        import cv2

        filtered: np.ndarray = cv2.medianBlur(noisy, self.size)
        return filtered.reshape(noisy.shape)
