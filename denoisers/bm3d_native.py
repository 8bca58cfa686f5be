"""BM3D and CBM3D, our own: numba on the CPU, torch on CUDA."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from denoisebench.denoisers.classic.engines import by_tensor, remark_on_torch, takes_numba
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import torch


@register(
    "bm3d-native",
    title="BM3D (native)",
    family="transform",
    reference="Dabov, Foi, Katkovnik & Egiazarian 2007",
    colour="opponent",
    devices=("cpu", "cuda"),
    array="by device",
    uses=("numba", "torch"),
    cost=5.0,
)
@dataclass(frozen=True)
class BM3DNative:
    """Collaborative filtering of groups of like blocks in a 3-D transform domain.

    Dabov, Foi, Katkovnik & Egiazarian, IEEE TIP 2007, with the exact variances of Mäkinen, Azzari &
    Foi, IEEE TIP 2020. Colour frames go through the opponent space, with the blocks matched in
    luminance (CBM3D).

    Attributes:
        profile: ``normal``, ``fast`` (fewer blocks, smaller groups, a nearer search) or ``high``
            (more blocks, a lower threshold).
        grain: for correlated noise, the standard deviation in pixels of the Gaussian window that
            white noise went through; 0 for white noise.
        threshold: of the first stage's coefficients, in standard deviations of their noise; 0 for
            the profile's.
        wiener: noise variance in the second stage's Wiener factor, relative to the true one; 0 for
            the profile's.
    """

    profile: Literal["normal", "fast", "high"] = "normal"
    grain: float = 0.0
    threshold: float = 0.0
    wiener: float = 0.0
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "threshold": (2.7, 2.8, 2.9, 3.0),
        "wiener": (0.35, 0.45, 0.55),
    }

    def __post_init__(self) -> None:
        if min(self.grain, self.threshold, self.wiener) < 0:
            raise ValueError("grain, threshold and wiener must not be negative")

    def load(self, device: str) -> str | None:
        """Compile for the CPU; return a remark where torch takes the place of numba."""
        if device == "cuda":
            return None
        self.denoise(np.zeros((16, 16, 1), np.float32), 0.1)
        return remark_on_torch()

    def denoise(self, noisy: np.ndarray | torch.Tensor, sigma: float) -> np.ndarray | torch.Tensor:
        from denoisebench.denoisers.classic.bm3d_stages import PROFILES, gaussian_kernel

        profile = PROFILES[self.profile]
        profile = replace(
            profile,
            threshold=self.threshold or profile.threshold,
            wiener=self.wiener or profile.wiener,
        )
        kernel = gaussian_kernel(self.grain) if self.grain > 0 else None
        if takes_numba(noisy):
            from denoisebench.denoisers.classic.bm3d import bm3d

            return bm3d(noisy, sigma, kernel=kernel, profile=profile)
        from denoisebench.denoisers.classic.bm3d_torch import bm3d_by_torch

        def denoised(frame: torch.Tensor) -> torch.Tensor:
            return bm3d_by_torch(frame, sigma, kernel=kernel, profile=profile)

        return by_tensor(noisy, denoised)
