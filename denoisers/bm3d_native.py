"""BM3D and CBM3D, our own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from denoisebench.denoisers.registry import register


@register(
    "bm3d-native",
    title="BM3D (native)",
    family="transform",
    reference="Dabov, Foi, Katkovnik & Egiazarian 2007",
    colour="opponent",
    requires=("numba",),
)
@dataclass(frozen=True)
class BM3DNative:
    """Collaborative filtering of groups of like blocks in a 3-D transform domain.

    Dabov, Foi, Katkovnik & Egiazarian, IEEE TIP 2007, with the exact variances of Mäkinen, Azzari &
    Foi, IEEE TIP 2020. Colour frames go through the opponent space, with the blocks matched in
    luminance (CBM3D).

    Attributes:
        profile: ``normal``, ``fast`` (fewer blocks, smaller groups) or ``high`` (more blocks,
            larger groups).
        grain: for correlated noise, the standard deviation in pixels of the Gaussian window that
            white noise went through; 0 for white noise.
    """

    profile: Literal["normal", "fast", "high"] = "normal"
    grain: float = 0.0

    def load(self, device: str) -> None:
        """Compile the kernels, once a machine."""
        self.denoise(np.zeros((16, 16, 1), np.float32), 0.1)

    def denoise(self, noisy: np.ndarray, sigma: float) -> np.ndarray:
        from denoisebench.denoisers.classic.bm3d import bm3d, gaussian_kernel

        kernel = gaussian_kernel(self.grain) if self.grain > 0 else None
        return bm3d(noisy, sigma, kernel=kernel, profile=self.profile)
