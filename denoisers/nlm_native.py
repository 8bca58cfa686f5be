"""Non-local means of our own: numba on the CPU, torch on CUDA."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from denoisebench.denoisers.classic.engines import by_tensor, remark_on_torch, takes_numba
from denoisebench.denoisers.registry import register

if TYPE_CHECKING:
    import torch

# By number of channels, chosen on train and val frames (results/tuning/nlm-native.toml): the patch
# size up to a sigma on the 8-bit scale; for each size, h at sigma 25, and the power of sigma / 25
# with which it grows.
_PATCH_SIZES = {1: ((30, 3), (60, 5), (math.inf, 7)), 3: ((12, 1), (60, 3), (math.inf, 5))}
_STRENGTHS = {
    1: {1: (2.3, 0.2), 3: (0.88, -0.05), 5: (0.75, -0.1), 7: (0.7, -0.13)},
    3: {1: (1.32, 0.06), 3: (0.71, -0.17), 5: (0.66, -0.2), 7: (0.65, -0.25)},
}


@register(
    "nlm-native",
    title="NLM (native)",
    family="patch",
    reference="Buades, Coll & Morel 2005",
    colour="joint",
    devices=("cpu", "cuda"),
    array="by device",
    uses=("numba", "torch"),
)
@dataclass(frozen=True)
class NonLocalMeansNative:
    """A mean over the pixels nearby, each weighted by how alike its patch is.

    Buades, Coll & Morel, "Non-local means denoising", IPOL 2011, with patches that are centred at
    their pixels; by box sums of shifted differences (Darbon et al. 2008).

    Attributes:
        patch_size: side of a patch in pixels, odd; 0 for the best at the frame's sigma.
        patch_distance: farthest offset searched, in pixels.
        h: filter strength in units of sigma; 0 for the best at the frame's sigma.
    """

    patch_size: Literal[0, 1, 3, 5, 7] = 0
    patch_distance: int = 6
    h: float = 0.0
    search: ClassVar[dict[str, tuple[object, ...]]] = {
        "patch_size": (0, 3, 5),
        "h": (0.0, 0.5, 0.6, 0.7, 0.8),
    }

    def __post_init__(self) -> None:
        if self.patch_distance < 0 or self.h < 0:
            raise ValueError("patch_distance and h must not be negative")

    def load(self, device: str) -> str | None:
        """Compile for the CPU; return a remark where torch takes the place of numba."""
        if device == "cuda":
            return None
        self.denoise(np.zeros((1, 1, 1), np.float32), 1)
        return remark_on_torch()

    def denoise(self, noisy: np.ndarray | torch.Tensor, sigma: float) -> np.ndarray | torch.Tensor:
        if sigma == 0:
            return noisy.copy() if isinstance(noisy, np.ndarray) else noisy.clone()
        channels = noisy.shape[2] if isinstance(noisy, np.ndarray) else noisy.shape[1]
        patch_size, h = self._parameters(channels, sigma)
        distance = self.patch_distance
        if takes_numba(noisy):
            from denoisebench.denoisers.classic.nlm import non_local_means

            half = patch_size // 2
            return non_local_means(noisy, sigma, box=(half, half), distance=distance, h=h)
        from denoisebench.denoisers.classic.nlm_torch import nlm_by_torch

        return by_tensor(noisy, lambda frame: nlm_by_torch(frame, sigma, patch_size, distance, h))

    def _parameters(self, channels: int, sigma: float) -> tuple[int, float]:
        """Return the patch size and h for a frame of 1 or 3 channels, and a sigma."""
        patch_size: int = self.patch_size
        if patch_size == 0:
            sizes = [size for limit, size in _PATCH_SIZES[channels] if sigma * 255 <= limit]
            patch_size = sizes[0]
        h, growth = _STRENGTHS[channels][patch_size]
        return patch_size, self.h or h * (sigma * 255 / 25) ** growth
