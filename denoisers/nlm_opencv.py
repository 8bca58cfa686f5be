"""Non-local means by OpenCV, on 8-bit pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from denoisebench.denoisers.registry import register


@register(
    "nlm-opencv",
    title="NLM (OpenCV)",
    family="patch",
    reference="Buades, Coll & Morel 2005",
    colour="joint",
    requires=("cv2",),
    note="Takes 8-bit pixels only: it sees the noisy frame clipped and quantised.",
)
@dataclass(frozen=True)
class NonLocalMeans8Bit:
    """A mean over the pixels nearby, each weighted by how alike its patch is.

    Buades, Coll & Morel, "Non-local means denoising", IPOL 2011, as ``fastNlMeansDenoising``
    computes it, on all channels at once: its variant ``…Colored`` goes through CIELAB, where the
    noise is no longer white.

    Attributes:
        patch_size: side of a patch in pixels, odd.
        patch_distance: farthest offset searched, in pixels.
        h: filter strength in units of sigma.
    """

    patch_size: Literal[3, 5, 7] = 3
    patch_distance: int = 6
    h: float = 1.0
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "patch_size": (3, 5, 7),
        "patch_distance": (4, 6, 10),
        "h": (0.8, 0.9, 1.0, 1.1, 1.2),
    }

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        import cv2

        if sigma == 0:
            return noisy.copy()
        pixels = np.rint(noisy.clip(0, 1) * 255).astype(np.uint8)
        estimate = cv2.fastNlMeansDenoising(
            pixels,
            h=self.h * sigma * 255,
            templateWindowSize=self.patch_size,
            searchWindowSize=2 * self.patch_distance + 1,
        )
        return np.asarray(estimate, np.float32).reshape(noisy.shape) / np.float32(255)
